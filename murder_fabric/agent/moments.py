"""Switches that wait for a moment that all hosts were told, and may be called off until then."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from .. import control
from ..errors import ControlError, MurderError
from .destination import expand


class Moments:
    """Lets each `Switch` with a moment wait for it, on the clock that `ReadClock` reads."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._waiting: dict[Deferred[None], str] = {}

    async def heed(self, request: control.Request) -> None:
        """
        Return when *request* is to be served: a switch at its moment, all else at once.

        Going back calls off what waits to be switched there: that has not happened, and must not any more.

        Raises:
            MurderError: the moment has passed already, or it was called off before.
        """
        if isinstance(request, control.SwitchBack):
            self._call_off(expand(request.destination))
        if not isinstance(request, control.Switch) or request.at is None:
            return
        delay = request.at - self._reactor.seconds()
        if delay < 0:
            raise MurderError(
                f"it was told {-delay:.1f} s after the moment to switch, and did not switch; run the same"
                " command again"
            )
        if delay > control.LEASE:
            raise ControlError(f"a switch waits for {control.LEASE:g} s at most, not for {delay:.0f} s")
        moment: Deferred[None] = Deferred()
        self._waiting[moment] = expand(request.destination)
        timer = self._reactor.callLater(delay, moment.callback, None)
        try:
            await moment
        finally:
            self._waiting.pop(moment, None)
            if timer.active():
                timer.cancel()

    def call_off_all(self) -> None:
        """Call off whatever waits."""
        self._call_off(None)

    def _call_off(self, path: str | None) -> None:
        for moment, waiting in list(self._waiting.items()):
            if path in (None, waiting):
                moment.errback(MurderError("the switch was called off before its moment"))
