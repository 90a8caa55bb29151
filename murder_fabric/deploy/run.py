"""What all stages of one deploy share, and who is tracker and seeder when the first choice is lost."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from ..errors import AllHostsFailed
from .failures import HostFailure
from .muster import Muster
from .outcome import HostState, Outcome
from .roles import Roles
from .settings import Settings
from .view import View
from .wanted import Wanted, operator_name


@dataclass(frozen=True)
class Run:
    """One deploy: what is wanted, of which hosts, under which name and secret."""

    muster: Muster
    roles: Roles
    settings: Settings
    wanted: Wanted
    #: 16 hex digits; names the run on the hosts.
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    #: 32 hex digits; what the swarm's keys are made of.
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    #: Who it is, for others who find the destination locked, and for `revisions.log`.
    operator: str = field(default_factory=operator_name)

    @property
    def outcome(self) -> Outcome:
        """What became of each peer."""
        return self.muster.outcome

    @property
    def view(self) -> View:
        """Told what happens."""
        return self.muster.view

    def tracker(self) -> str:
        """Return the tracker's host; see `seeder`."""
        return self._appoint(self.roles.tracker, "tracker", may_move=True)

    def seeder(self) -> str:
        """
        Return the seeder's host, or the first host that is left where nobody named that one.

        Raises:
            AllHostsFailed: it was named, or has the files, and failed.
        """
        return self._appoint(self.roles.seeder, "seeder", may_move=self.wanted.metainfo is not None)

    def _appoint(self, host: str, role: str, *, may_move: bool) -> str:
        failure = self._failure_of(host)
        if failure is None:
            return host
        if may_move and not self.settings.roles.get(role) and self.outcome.going:
            return self.outcome.going[0]
        raise self.lost(host, role, failure)

    def lost(self, host: str, role: str, failure: HostFailure) -> AllHostsFailed:
        """Return the error that ends a run whose tracker or seeder failed: no host can go on without it."""
        self.outcome.failed(host, failure)
        for other in self.outcome.going:
            self.outcome.failed(other, HostFailure("failed", f"the {role} {host} failed"))
        return AllHostsFailed(f"the {role} {host} failed: {failure.reason}; nothing was switched")

    def need_going(self) -> None:
        """
        Go on only while there is a host left.

        Raises:
            AllHostsFailed: there is none.
        """
        if not self.outcome.going:
            raise AllHostsFailed(f"all {len(self.outcome.lost)} hosts failed; nothing was switched")

    def _failure_of(self, host: str) -> HostFailure | None:
        if host in self.outcome.lost:
            standing = self.outcome[host]
            connected = standing.state is HostState.FAILED
            return HostFailure("failed" if connected else "unreachable", standing.reason)
        return self.muster.silent.get(host) or self.muster.channels.failures().get(host)
