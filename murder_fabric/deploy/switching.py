"""The barrier, and `current` on all hosts: nobody switches alone, and who did goes back with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import control
from ..control import Message
from ..errors import AllHostsFailed, HostsFailed
from ..units import counted
from .failures import HostFailure
from .outcome import HostState
from .ranges import fold
from .run import Run

#: Seconds in which hosts go back: they are asked when something is wrong already.
BACK_TIMEOUT = 6.0


def warn_of_barrier(run: Run) -> None:
    """Say before anything is moved that nothing will be switched, where that is known already."""
    lost, count = len(run.outcome.lost), len(run.roles.peers)
    allowed = run.settings.failures_allowed(count)
    if run.outcome.going and lost > allowed:
        run.view.say(
            f"  {lost} of {count} hosts failed (allowed: {allowed}), so nothing will be switched; the others"
            " fetch all the same. Ctrl-C stops that"
        )


class Switching:
    """
    Points `current` at the release, on all hosts that are left, and back where it was.

    Args:
        current: by host, what `current` pointed at when this run took the destination.
        back: it is a rollback; the log says so.
        alone: each host for itself: whatever fails elsewhere, it stays switched.
    """

    def __init__(
        self, run: Run, current: Mapping[str, str | None], *, back: bool = False, alone: bool = False
    ) -> None:
        self._run = run
        self._current = current
        self._is_rollback = back
        self._alone = alone
        self._asked: list[str] = []

    def must_go_on(self) -> None:
        """
        Let nobody switch unless enough hosts are there to switch.

        Raises:
            HostsFailed: too many failed.
            AllHostsFailed: all did.
        """
        outcome = self._run.outcome
        self._run.need_going()
        if self._too_many_lost():
            raise HostsFailed(
                f"{len(outcome.lost)} of {self._host_count} hosts failed (allowed: {self._allowed}), so"
                f" nothing was switched; {self._run.wanted.tag} lies ready on {fold(outcome.going)}, current"
                " there is as it was. Run the same command again, or with --allow-failures"
                f" {len(outcome.lost)}"
            )

    def switch(self, hosts: Sequence[str] | None = None) -> None:
        """
        Switch *hosts*, or all that are left.

        Raises:
            HostsFailed: too many did not; the others are back where they were.
            AllHostsFailed: none did.
        """
        wanted, outcome = self._run.wanted, self._run.outcome
        going = outcome.going if hosts is None else [host for host in hosts if host in outcome.going]
        with self._run.view.stage("switch") as said:
            # Noted before they are asked: an answer may be lost after the switch was made.
            self._asked = going
            revision = wanted.revision
            request = control.Switch(
                wanted.destination,
                wanted.tag,
                self._run.operator,
                wanted.origin,
                revision.commit,
                revision.branch,
                self._is_rollback,
            )
            done = self._run.muster.ask(going, lambda _: request)
            for host in done:
                outcome.reached(host, HostState.SWITCHED)
            self._warn(done)
            said.append(f"current -> releases/{wanted.tag} on {counted(len(done), 'host')}")
        if self._too_many_lost():
            self.back()
            back = f"; {fold(outcome.going)} is back where it was" if outcome.going else ""
            kind = HostsFailed if done else AllHostsFailed
            raise kind(f"{len(going) - len(done)} of {len(going)} hosts did not switch{back}")

    def back(self) -> list[str]:
        """Take the hosts back that were asked to switch, if they did; return those that do not answer."""
        wanted, outcome = self._run.wanted, self._run.outcome
        hosts, self._asked = self._asked, []
        requests = {
            host: Message(
                control.SwitchBack(
                    wanted.destination, wanted.tag, self._current[host], self._run.operator
                ).fields()
            )
            for host in hosts
        }
        unsure = []
        for host, answer in self._run.muster.channels.ask(requests, BACK_TIMEOUT).items():
            if isinstance(answer, HostFailure):
                unsure.append(host)
                reason = f"current may point at {wanted.tag} there: {answer.reason}"
                outcome.failed(host, HostFailure(answer.cause, reason))
            elif host in outcome.going:
                outcome.reached(host, HostState.VERIFIED)
        return unsure

    def _warn(self, done: Mapping[str, Message]) -> None:
        by_warning: dict[str, list[str]] = {}
        for host, message in done.items():
            if message.fields.get("warning"):
                by_warning.setdefault(str(message.fields["warning"]), []).append(host)
        for warning, hosts in by_warning.items():
            self._run.view.say(f"  {fold(hosts)}: {warning}")

    @property
    def _host_count(self) -> int:
        return len(self._run.roles.peers)

    @property
    def _allowed(self) -> int:
        return self._run.settings.failures_allowed(self._host_count)

    def _too_many_lost(self) -> bool:
        return not self._alone and len(self._run.outcome.lost) > self._allowed
