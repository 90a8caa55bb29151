"""One undertaking from the first connection to the last: its stages in order, and how it ends."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping

from .. import control
from ..control import Message
from ..errors import Interrupted
from ..units import counted
from .connecting.asking import Answer
from .ending import uninterrupted
from .executor import GroupContext
from .failures import HostFailure, printable
from .forewarning import Forewarning
from .haste import Haste
from .hook_names import FAILED
from .hooks import NO_HOOKS, Hooks, before_connecting, hooks_of, run_hook
from .inventory import listed
from .muster import MOST_TOLD, PAYLOAD_TIMEOUT, SILENCE_LIMIT, Muster
from .outcome import HostState, Outcome
from .preflight import check_room, prepare
from .ranges import fold
from .roles import Roles
from .run import Run
from .settings import Settings
from .swarming import create, swarm, verify
from .switching import Switching
from .transfers import note_uploads
from .undertaking import Undertaking
from .wanted import Wanted
from .waves import Pace, pace_of

#: Seconds in which hosts stop what they run; whoever is slower ends when we hang up.
FINISH_TIMEOUT = 6.0
#: Seconds that they have for it after that, where somebody waits.
HANGING_UP = 1.0
LEFT_ALONE = (
    "interrupted twice; what runs on the hosts ends by itself within 60 s. Run the same command again to have"
    " all of them at one release"
)
UNCHANGED = "every host is as it was"


class Deployment:
    """
    The life of one run on the agents of its hosts; `run` goes through all of it.

    The channels of *run* are closed by whoever opened them.

    Args:
        stages: does what there is to do, and returns the sentence that it ends with.
    """

    def __init__(self, run: Run, stages: Callable[[Deployment], str] | None = None) -> None:
        self.plan = run
        #: How the hosts are when the run is interrupted now.
        self.standing = UNCHANGED
        self._stages = stages or deploy
        self._switching: Switching | None = None

    @property
    def outcome(self) -> Outcome:
        """What became of each host."""
        return self.plan.outcome

    def run(self) -> str:
        """
        Go through the stages, and stop everything everywhere, however it went.

        Raises:
            HostsFailed: some hosts failed; none is switched, unless `allow_failures` covers it.
            AllHostsFailed: all did.
            Interrupted: Ctrl-C came, and all is cleaned up; a second one is not caught.
        """
        try:
            return self._go_through()
        except KeyboardInterrupt:
            count = len(self.plan.muster.greeted)
            hosts = f"{counted(count, 'host')} to clean up" if count else "no host has begun anything"
            self.plan.view.say(f"stopping: {hosts}; Ctrl-C again leaves at once")
            unsure, unfinished = self._stop()
            raise Interrupted(_interrupted(unsure, unfinished, self._left())) from None

    def _go_through(self) -> str:
        """Do all that `run` does, while nobody presses Ctrl-C."""
        try:
            self.plan.muster.greet()
            run_hook(self.plan, "after_connect")
            said = self._stages(self)
            run_hook(self.plan, "before_finish")
        except Exception as error:
            try:
                if self._switching is not None:  # what it did not foresee: a wave may have begun all the same
                    self._switching.back()
                    self._switching = None
                self.standing = str(error) or UNCHANGED
                run_hook(self.plan, FAILED, self._reachable())
            except Exception:
                self._finish()
                raise
            self._finish()  # but not after Ctrl-C: hosts have to go back first, to which `run` sees
            raise
        self._finish()
        run_hook(self.plan, "after_finish")
        return said

    def aim(self, wanted: Wanted, roles: Roles | None = None) -> Run:
        """Go on with another release, now that the hosts have said what they have."""
        self.plan = dataclasses.replace(self.plan, wanted=wanted, roles=roles or self.plan.roles)
        self.outcome.tag = wanted.tag
        return self.plan

    def switch(
        self,
        current: Mapping[str, str | None],
        hosts: list[str] | None = None,
        *,
        back: bool = False,
        alone: bool = False,
    ) -> None:
        """
        Switch *hosts*, or all, behind the barrier; once that is done an interruption does not undo it.

        Raises:
            HostsFailed: too many hosts had failed before, and none was switched; or too many did not switch.
            AllHostsFailed: no host is left.
        """
        self._switching = Switching(self.plan, current, back=back, alone=alone)
        self._switching.must_go_on()
        self._switching.switch(hosts)
        with uninterrupted():  # in between it would be said that nothing has changed
            self._switching = None
            self.standing = f"{fold(self.outcome.hosts(HostState.SWITCHED))} has {self.plan.wanted.tag}"

    def _reachable(self) -> list[str]:
        """Return the hosts of the run whose agents still answer, failed or not."""
        muster = self.plan.muster
        lost = muster.channels.failures()
        return [host for host in self.outcome if host in muster.greeted and host not in lost]

    def _left(self) -> str:
        """Return how the hosts are, and how to go on where something was being brought to them."""
        wanted = self.plan.wanted
        if self.standing != UNCHANGED or not wanted.files_path:
            return self.standing
        return f"{UNCHANGED}, and the same command with --tag {wanted.tag} goes on with what was fetched"

    def _stop(self) -> tuple[list[str], list[str]]:
        """Take back and stop in haste; return the hosts that may have stayed, and those that said nothing."""
        haste = Haste()
        with self.plan.view.stage("stop") as said:
            unsure = self._switching.back(haste) if self._switching is not None else []
            unfinished = self._finish(haste.part(), silent=unsure)
            # Who has said nothing so far hangs; the others have said that they are at their end.
            self.plan.muster.channels.close_by = min(haste.until, time.monotonic() + HANGING_UP)
            count = len(self.plan.muster.greeted)
            if count:
                said.append(
                    f"trackers, seeders and peers ended on {count - len(unfinished)} of {count} hosts"
                )
        return unsure, unfinished

    def _finish(self, timeout: float = FINISH_TIMEOUT, silent: Iterable[str] = ()) -> list[str]:
        """
        Stop everything everywhere; return the hosts that did not say that they had.

        Args:
            timeout: seconds in which they are to say so.
            silent: those that are told, and not waited for, as those that are known to hang are.
        """
        muster = self.plan.muster
        silent = [*silent, *muster.channels.failures()]
        requests = {host: Message(control.Finish().fields()) for host in muster.greeted}
        left = {host: requests.pop(host) for host in silent if host in requests}
        muster.channels.begin(left, insist=True)
        muster.view.asked(requests, "have ended what runs there")

        def on_answer(host: str, answer: Answer) -> None:
            if isinstance(answer, Message):
                muster.view.answered(host)

        answers = muster.channels.ask(requests, timeout, on_answer=on_answer, insist=True)
        note_uploads(self.outcome, answers)
        for host, answer in answers.items():
            problems = answer.fields.get("problems", ()) if isinstance(answer, Message) else ()
            for problem in problems[:MOST_TOLD]:
                muster.view.say(f"  {host}: {printable(str(problem))}")
        return [*left, *(host for host, answer in answers.items() if isinstance(answer, HostFailure))]


def manner_of(
    settings: Settings, roles: Roles, context: GroupContext | None, *, in_waves: bool
) -> tuple[Hooks, Pace]:
    """
    Return the hooks of a run and how its hosts are to be switched; for the arguments see `of_release`.

    Raises:
        BadInput: the settings name a canary that is no peer, a moment that has passed, an unknown hook.
    """
    hooks = NO_HOOKS if context is None else hooks_of(settings, context)
    pace = pace_of(settings, roles.peers, now=time.time()) if in_waves else Pace(delay=settings.switch_delay)
    return hooks, pace


def of_release(
    aim: str,
    settings: Settings,
    roles: Roles,
    wanted: Wanted,
    stages: Callable[[Deployment], str],
    others: Iterable[str] = (),
    *,
    context: GroupContext | None = None,
    in_waves: bool = False,
) -> Undertaking:
    """
    Return the undertaking that is a deployment to the peers.

    Args:
        others: hosts that are needed besides.
        context: what tasks that are hooks get their connections of; None: there are no hooks.
        in_waves: hosts are switched as the settings say, or else all at once.

    Raises:
        BadInput: as `manner_of`.
    """
    hooks, pace = manner_of(settings, roles, context, in_waves=in_waves)

    def steps(muster: Muster) -> str:
        return Deployment(Run(muster, roles, settings, wanted, pace=pace, hooks=hooks), stages).run()

    return Undertaking(
        aim,
        settings,
        roles.peers,
        steps,
        list(others),
        wanted.tag,
        wanted.destination,
        interrupted=LEFT_ALONE,
        is_long=True,
        first=lambda: before_connecting(hooks, roles.peers, wanted),
        is_recorded=context is not None,
    )


def deploy(deployment: Deployment) -> str:
    """Bring the tree to every host, switch all of them, and remove what is old."""
    current = bring(deployment, Forewarning())
    deployment.switch(current)
    clean_up_after(deployment.plan)
    run = deployment.plan
    switched = len(run.outcome.hosts(HostState.SWITCHED))
    return f"{switched} of {counted(len(run.roles.peers), 'host')} switched to {run.wanted.tag}"


def bring(deployment: Deployment, forewarning: Forewarning | None = None) -> Mapping[str, str | None]:
    """
    Bring the tree to every host and verify it; return what `current` is on each.

    Args:
        forewarning: told of losses, where hosts are to be switched after that.
    """
    run = dataclasses.replace(deployment.plan, forewarning=forewarning)
    run.forewarn()
    ready = prepare(run)
    metainfo, raw = create(run)
    run.outcome.digest = metainfo.info.digest.hex()
    check_room(run, ready, metainfo)
    swarm(run, ready, metainfo, raw)
    verify(run)
    return ready.current


def clean_up_after(run: Run) -> None:
    """Remove old releases; whatever goes wrong with that is said, and fails nobody."""
    request = Message(control.CleanUp(run.wanted.destination, run.settings.keep_releases).fields())
    hosts = run.outcome.hosts(HostState.SWITCHED)
    with run.stage("clean up") as said:
        answers = run.muster.channels.ask(
            dict.fromkeys(hosts, request), PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT
        )
        removed = set()
        for host, answer in answers.items():
            if isinstance(answer, HostFailure):
                run.view.say(f"  {host}: old releases could not be removed: {answer.reason}")
            else:
                removed.update(answer.fields.get("removed", ()))
        said.append(f"{listed(removed)} removed")


def _interrupted(unsure: list[str], unfinished: list[str], standing: str) -> str:
    """Return how a run is left that was interrupted once, given the hosts that did not answer."""
    sentences = ["interrupted"]
    if unsure:
        sentences.append(f"{fold(unsure)} may have been switched: run the same command again")
    else:
        sentences.append(standing)
    if unfinished:
        sentences.append(
            f"{fold(unfinished)} did not answer, and what was started there ends by itself in 60 s"
        )
    else:
        sentences.append("nothing of ours runs")
    return "; ".join(sentences)
