"""What all stages of one deploy share, and who is tracker and seeder when the first choice is lost."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import AllHostsFailed
from ..units import every
from .failures import HostFailure
from .forewarning import Forewarning
from .hooks import NO_HOOKS, Hooks, run_hook
from .muster import Muster
from .outcome import HostState, Outcome
from .ranges import fold
from .roles import Roles
from .settings import Settings
from .wanted import Wanted, operator_name
from .watching.view import View
from .waves import AT_ONCE, Pace


class Entry(NamedTuple):
    """How hosts get into the swarm; a seeder that is elsewhere knows no token and has any address."""

    announce: str
    token: str | None
    hosts: list[str] | None
    #: CA certificates (PEM) of tracker and web seeds, beside those each host trusts.
    certificates: str


@dataclass(frozen=True)
class Run:
    """One deploy: what is wanted, of which hosts, under which name and secret."""

    muster: Muster
    roles: Roles
    settings: Settings
    wanted: Wanted
    #: 32 hex digits; what the swarm's keys are made of.
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    #: Who it is, for others who find the destination locked, and for `revisions.log`.
    operator: str = field(default_factory=operator_name)
    #: How the hosts are to be switched.
    pace: Pace = AT_ONCE
    hooks: Hooks = NO_HOOKS
    #: Looks at losses before the barrier; None where there is none, or it is behind us.
    forewarning: Forewarning | None = None

    @property
    def id(self) -> str:
        """What names the run on the hosts, and where it is looked up: in `murder.history`."""
        return self.outcome.run_id

    @property
    def outcome(self) -> Outcome:
        """What became of each peer."""
        return self.muster.outcome

    @property
    def view(self) -> View:
        """Told what happens."""
        return self.muster.view

    @contextmanager
    def stage(self, name: str) -> Iterator[list[str]]:
        """Go through a stage with its hooks; see `View.stage`."""
        hook = name.replace(" ", "_")
        if run_hook(self, f"before_{hook}"):
            self.need_going()
        with self.view.stage(name) as said:
            yield said
        run_hook(self, f"after_{hook}")
        self.forewarn()

    def forewarn(self) -> None:
        """Hosts may have been lost: say what that means, if there is a barrier to come."""
        if self.forewarning is not None:
            self.forewarning.look(self)

    def tracker(self) -> str:
        """Return the tracker's host; see `seeders`."""
        return self._left([self.roles.tracker], "tracker", may_move=True)[0]

    def seeders(self) -> list[str]:
        """
        Return the seeders that are left; where nobody named any, and none is, the first host that is.

        Raises:
            AllHostsFailed: all failed that were named, or that have the files.
        """
        return self._left(self.roles.seeders, "seeder", may_move=not self.in_place)

    @property
    def in_place(self) -> bool:
        """Whether seeders serve files that lie there, and not what was brought there."""
        return self.wanted.metainfo is None or self.wanted.seed_here

    def _left(self, hosts: list[str], role: str, *, may_move: bool) -> list[str]:
        left = [host for host in hosts if self.failure_of(host) is None]
        if not left and may_move and not self.settings.roles.get(role):
            left = self.outcome.going[:1]
        if not left:
            raise self.lost(hosts, role)
        return left

    def lost(self, hosts: list[str], role: str) -> AllHostsFailed:
        """Return the error that ends a run whose tracker or seeders are out: no host can go on without."""
        who = f"the {role}{'s' * (len(hosts) > 1)} {fold(hosts)} failed"
        why = next(failure.reason for failure in map(self.failure_of, hosts) if failure is not None)
        for other in self.outcome.going:
            self.outcome.failed(other, HostFailure("failed", who))
        return AllHostsFailed(f"{who}: {why}; nothing was switched")

    def need_going(self) -> None:
        """
        Go on only while there is a host left.

        Raises:
            AllHostsFailed: there is none.
        """
        if not self.outcome.going:
            raise AllHostsFailed(f"{every(len(self.outcome.lost), 'host')} failed; nothing was switched")

    def failure_of(self, host: str) -> HostFailure | None:
        """Return why *host* is out, whether it is counted or not; None while it is not."""
        if host in self.outcome.lost:
            standing = self.outcome[host]
            connected = standing.state is HostState.FAILED
            return HostFailure("failed" if connected else "unreachable", standing.error)
        muster = self.muster
        return muster.silent.get(host) or muster.dropped.get(host) or muster.channels.failures().get(host)
