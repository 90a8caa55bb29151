"""Saying that nothing will be switched as soon as that is known, while there is something to be spared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..units import counted

if TYPE_CHECKING:
    from .run import Run


class Forewarning:
    """
    Looks at the losses of a run that goes towards the barrier, and speaks once.

    The run goes on all the same: what the others fetch is there when it is tried again.
    """

    def __init__(self) -> None:
        self._is_said = False

    def look(self, run: Run) -> None:
        """Say why nothing will be switched, if too many hosts are lost and that was not said before."""
        if self._is_said or not run.outcome.going or not too_many_lost(run):
            return
        self._is_said = True
        for line in run.outcome.complaints(but=run.muster.silent):  # of those it was said at once
            run.view.say(f"  {line}")
        run.view.say(
            f"  {toll(run)}, so nothing will be switched; the others fetch all the same. Ctrl-C stops that"
        )


def too_many_lost(run: Run) -> bool:
    """Return whether more hosts failed than may."""
    return len(run.outcome.lost) > run.settings.failures_allowed(len(run.roles.peers))


def toll(run: Run) -> str:
    """Return how many hosts failed, and how many may."""
    count = len(run.roles.peers)
    allowed = run.settings.failures_allowed(count)
    return f"{len(run.outcome.lost)} of {counted(count, 'host')} failed (allowed: {allowed})"
