"""The barrier, and `current` on all hosts: nobody switches alone, and who did goes back with the others."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from .. import control
from ..control import Message
from ..errors import AllHostsFailed, HostsFailed
from ..units import counted
from .clocks import Offset, measure
from .failures import printable
from .forewarning import toll, too_many_lost
from .haste import Haste
from .health import check_health
from .hooks import run_hook
from .muster import PROMPT_TIMEOUT
from .outcome import HostState
from .ranges import fold
from .run import Run
from .taking_back import mark_bad, take_back
from .waves import Wave, unproven

#: Seconds before a moment of `--at` in which the hosts are told; before that it is ours to wait.
LEAD = 2.0


class Switching:
    """
    Points `current` at the release, wave by wave, and back where it was.

    Args:
        current: by host, what `current` pointed at when this run took the destination.
        back: it is a rollback: no release is bad that they cannot go back to.
        alone: each host for itself: whatever fails elsewhere, it stays switched.
    """

    def __init__(
        self, run: Run, current: Mapping[str, str | None], *, back: bool = False, alone: bool = False
    ) -> None:
        self._run = run
        self._current = current
        self._is_rollback = back
        self._alone = alone
        #: Those whose wave has begun: hooks may have changed something, and answers may have been lost.
        self._begun: list[str] = []
        self._switched: list[str] = []
        #: Those that did not answer when they were to go back.
        self._unsure: list[str] = []

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
                f"{toll(self._run)}, so nothing was switched; {self._run.wanted.tag} lies ready on"
                f" {fold(outcome.going)}, current there is as it was. Run the same command again, or with"
                f" --allow-failures {len(outcome.lost)}"
            )

    def switch(self, hosts: Sequence[str] | None = None) -> None:
        """
        Switch *hosts*, or all that are left.

        Raises:
            HostsFailed: too many did not, or are not well; the others are back where they were.
            AllHostsFailed: none did.
        """
        run, going = self._run, self._run.outcome.going
        hosts = going if hosts is None else [host for host in hosts if host in going]
        if self._alone:
            waves, at = [Wave("", list(hosts))], None
        else:
            there = [host for host in going if host not in hosts]
            waves, at = run.pace.waves(hosts, self._host_count, there), run.pace.at
        if lack := unproven(waves, run.settings):
            run.view.say(f"  {lack}")
        for number, wave in enumerate(waves):
            self._go_through(wave, at if number == 0 else None, is_last=wave is waves[-1])

    def back(self, haste: Haste | None = None) -> list[str]:
        """Take the hosts back whose wave has begun, if they switched; return those that did not answer."""
        self._unsure += take_back(self._run, self._begun, self._current, haste)
        self._begun = []
        return self._unsure

    def _go_through(self, wave: Wave, at: float | None, *, is_last: bool) -> None:
        """Switch the hosts of *wave* and see that they are well; else all that switched go back."""
        run, left = self._run, list(wave.hosts)
        losses: dict[str, int] = {}

        def drop_lost(how: str) -> None:
            nonlocal left
            going = [host for host in left if host in run.outcome.going]
            losses[how], left = len(left) - len(going), going

        if at is not None:
            self._announce(at)
            # Hooks that keep to their time are through with it at the moment.
            _sleep_until(at - LEAD - run.hooks.longest("before_switch"))
        self._begun += left
        run_hook(run, "before_switch", left, self._current)
        drop_lost("failed before_switch")
        if at is not None:
            _sleep_until(at - LEAD)
        did = self._make(wave, left, at) if left and not self._too_many_lost() else []
        drop_lost("did not switch")
        run_hook(run, "after_switch", did, self._current)
        drop_lost("failed after_switch")
        if did and not self._too_many_lost():
            check_health(run, [host for host in did if host in left], self._current)
        drop_lost("failed the health check")
        unwell = [host for host in did if host not in left]
        if not self._alone and (self._too_many_lost() or not did or not left):
            raise self._given_up(wave, losses, is_bad=bool(unwell), is_last=is_last)
        out = [host for host in wave.hosts if host not in left]
        if out:
            self._unsure += take_back(run, out, self._current)
            self._begun = [host for host in self._begun if host not in out]
            if returned := [host for host in unwell if host not in self._unsure]:
                run.view.say(f"  {fold(returned)}: back where it was")

    def _make(self, wave: Wave, hosts: Sequence[str], at: float | None) -> list[str]:
        """Let *hosts* switch, at one moment; return those that did."""
        run, wanted = self._run, self._run.wanted
        with run.view.stage("switch") as said:
            moment, offsets = self._moment(hosts, at)
            hosts = [host for host in hosts if host in run.outcome.going and not self._too_many_lost()]
            request = control.Switch(
                wanted.destination,
                wanted.tag,
                run.operator,
                wanted.origin,
                wanted.revision.commit,
                wanted.revision.branch,
                self._is_rollback,
            )

            def of_host(host: str) -> control.Switch:
                told = None if moment is None else moment + offsets[host].seconds
                return dataclasses.replace(request, at=told)

            done = run.muster.ask(hosts, of_host, PROMPT_TIMEOUT + max(run.pace.delay, LEAD))
            for host in done:
                run.outcome.reached(host, HostState.SWITCHED)
            self._switched += done
            self._warn(done)
            which = f"{wave.name}: " * bool(wave.name)
            what = f"{counted(len(done), 'host')} switched to {wanted.tag}"
            said.append(f"{which}{what}{_spread(done, offsets)}")
        return list(done)

    def _moment(self, hosts: Sequence[str], at: float | None) -> tuple[float | None, Mapping[str, Offset]]:
        """
        Return when *hosts* are to switch, on our monotonic clock, and how far theirs are from it.

        There is no moment where nobody asked for one and there is nothing to be at one with.
        """
        delay, decided = self._run.pace.delay, time.monotonic()
        if at is None and (not delay or self._alone or len(hosts) == 1):
            return None, {}
        if at is not None:
            left = at - time.time()
            # One that does not answer must not make all the others late.
            patience = max(LEAD / 4, left * 3 / 4)
            return decided + left, measure(self._run.muster, hosts, decided + left / 2, patience)
        offsets = measure(self._run.muster, hosts, decided + delay / 2)
        # Half of it must be left for telling them.
        return max(decided + delay, time.monotonic() + delay / 2), offsets

    def _announce(self, at: float) -> None:
        """Say what is waited for; *at* is in Unix seconds."""
        run, tag = self._run, self._run.wanted.tag
        left = at - time.time()
        when = datetime.fromtimestamp(at).astimezone().isoformat(" ", "seconds")
        if left < 0:
            raise HostsFailed(
                f"all was ready {-left:.0f} s after {when}, the moment of --at, so nothing was switched;"
                f" murder.switch --tag {tag} goes there"
            )
        run.view.say(f"  switch   at {when}, {left:.0f} s from now; Ctrl-C leaves all as it was")

    def _given_up(self, wave: Wave, losses: Mapping[str, int], *, is_bad: bool, is_last: bool) -> HostsFailed:
        """Take all back that had switched, and return the sentence about it."""
        run, outcome, tag = self._run, self._run.outcome, self._run.wanted.tag
        begun = list(self._begun)
        unsure = self.back()
        those = f"of {counted(len(wave.hosts), 'host')}" + f" of {wave.name}" * bool(wave.name)
        said = [f"{count} {those} {how}" for how, count in losses.items() if count]
        said = said or [f"{counted(len(outcome.lost), 'host')} failed"]
        reason = said[-1]
        switched = [host for host in outcome if host in self._switched]
        returned = [host for host in switched if host not in unsure and self._current[host] != tag]
        if returned:
            how = "are back where they were" if returned[1:] else "is back where it was"
            said.append(f"{fold(returned)} {how}")
        if stayed := [host for host in unsure if self._current[host] != tag]:
            said.append(f"{fold(stayed)} may have {tag}: look with murder.releases")
        if not is_last:
            said.append("the others were not switched")
        if is_bad and not self._is_rollback:
            having = dict.fromkeys([*outcome.going, *begun])
            mark_bad(run, tag, [host for host in having if self._current[host] != tag], reason)
            said.append(f"{tag} is marked bad")
        return (HostsFailed if outcome.going else AllHostsFailed)("; ".join(said))

    def _warn(self, done: Mapping[str, Message]) -> None:
        by_warning: dict[str, list[str]] = {}
        for host, message in done.items():
            if message.fields.get("warning"):
                by_warning.setdefault(str(message.fields["warning"]), []).append(host)
        for warning, hosts in by_warning.items():
            self._run.view.say(f"  {fold(hosts)}: {printable(warning)}")

    @property
    def _host_count(self) -> int:
        return len(self._run.roles.peers)

    def _too_many_lost(self) -> bool:
        return not self._alone and too_many_lost(self._run)


def _sleep_until(at: float) -> None:
    """Sleep until *at*, in Unix seconds; in short steps: the clock may be set, or the machine sleep."""
    while (left := at - time.time()) > 0:
        time.sleep(min(left, 1.0))


def _spread(done: Mapping[str, Message], offsets: Mapping[str, Offset]) -> str:
    """Say how far apart the first and the last switch were, by our clock."""
    made = [message.fields["clock"] - offsets[host].seconds for host, message in done.items() if offsets]
    if len(made) < 2:
        return ""
    error = max(offsets[host].error for host in done)
    return f" within {1000 * (max(made) - min(made)):.0f} ms (clocks known to {1000 * error:.0f} ms)"
