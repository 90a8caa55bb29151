"""One deploy from the first connection to the last: its stages in order, and how it ends."""

from __future__ import annotations

import time

from .. import control
from ..control import Message
from ..errors import HostsFailed, Interrupted, MurderError
from .bundle import build_bundle
from .executor import GroupContext
from .failures import HostFailure
from .muster import Muster
from .outcome import HostState
from .preflight import check_room, prepare
from .ranges import fold
from .remote import open_fleet
from .roles import Roles
from .run import Run
from .settings import Settings
from .swarming import create, swarm, verify
from .switching import Switching, warn_of_barrier
from .view import View
from .wanted import Wanted

#: Seconds in which hosts stop what they run; whoever is slower ends when we hang up.
FINISH_TIMEOUT = 6.0
LEFT_ALONE = (
    "interrupted twice; what runs on the hosts ends by itself within 60 s. Run the same command again to have"
    " all of them at one release"
)


def deploy_to_hosts(
    context: GroupContext, roles: Roles, settings: Settings, wanted: Wanted, view: View
) -> None:
    """
    Carry one deploy out and say what became of it.

    Raises:
        HostsFailed: some or all hosts failed; the complaints have been said.
        Interrupted: Ctrl-C.
    """
    began = time.monotonic()
    deployment: Deployment | None = None
    try:
        with open_fleet(context, roles.hosts(), settings, build_bundle(), view) as fleet:
            deployment = Deployment(Run(Muster(fleet, roles.peers, view), roles, settings, wanted))
            try:
                deployment.run()
            except MurderError:
                _complain(deployment, view)
                raise
    except KeyboardInterrupt:
        # While hosts were being connected to, or a second time: what was started is left to end by itself.
        raise Interrupted(
            "interrupted while connecting; no host was changed" if deployment is None else LEFT_ALONE
        ) from None
    outcome = deployment.outcome
    _complain(deployment, view)
    switched = len(outcome.hosts(HostState.SWITCHED))
    took = time.monotonic() - began
    view.say(f"murder: {switched} of {len(roles.peers)} hosts switched to {wanted.tag} in {took:.1f} s")
    if outcome.lost:
        raise HostsFailed(
            f"{fold(outcome.lost)} failed, as was allowed; put that right and run the same command again"
        )


def _complain(deployment: Deployment, view: View) -> None:
    for line in deployment.outcome.complaints():
        view.say(f"  {line}")


class Deployment:
    """
    The stages of one deploy; `run` goes through all of them.

    The fleet of *run* is closed by whoever opened it.
    """

    def __init__(self, run: Run) -> None:
        self.outcome = run.outcome
        self._run = run
        self._switching: Switching | None = None

    def run(self) -> None:
        """
        Deploy, and stop everything everywhere, however it went.

        Raises:
            HostsFailed: some hosts failed; none is switched, unless `allow_failures` covers it.
            AllHostsFailed: all did.
            Interrupted: Ctrl-C came, and all is cleaned up; a second one is not caught.
        """
        try:
            self._go_through_stages()
        except KeyboardInterrupt:
            count = len(self._run.muster.greeted)
            self._run.view.say(f"stopping: {count} hosts are being cleaned up; Ctrl-C again leaves at once")
            unsure = self._switching.back() if self._switching is not None else []
            raise Interrupted(_interrupted(unsure, self._finish())) from None
        except Exception:
            self._finish()
            raise
        self._finish()

    def _go_through_stages(self) -> None:
        run = self._run
        run.muster.greet()
        ready = prepare(run)
        metainfo, raw = create(run)
        check_room(run, ready, metainfo)
        swarm(run, ready, metainfo, raw)
        verify(run)
        self._switching = Switching(run, ready.current)
        self._switching.must_go_on()
        self._switching.switch()

    def _finish(self) -> list[str]:
        """Stop everything everywhere; return the hosts that did not say they had."""
        muster = self._run.muster
        requests = {host: Message(control.Finish().fields()) for host in muster.greeted}
        answers = muster.fleet.ask(requests, FINISH_TIMEOUT)
        return [host for host, answer in answers.items() if isinstance(answer, HostFailure)]


def _interrupted(unsure: list[str], unfinished: list[str]) -> str:
    """Return how a run is left that was interrupted once, given the hosts that did not answer."""
    sentences = ["interrupted"]
    if unsure:
        sentences.append(f"{fold(unsure)} may have been switched: run the same command again")
    else:
        sentences.append("every host is as it was")
    if unfinished:
        sentences.append(
            f"{fold(unfinished)} did not answer, and what was started there ends by itself in 60 s"
        )
    else:
        sentences.append("nothing of ours runs")
    return "; ".join(sentences)
