"""The agent itself, given to other hosts: so that it does not leave the operator once for each."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from .. import control
from ..net.file_site import FileSite
from ..net.ports import BACKLOG
from ..net.tracker_site import MOST_WAITING
from .addresses import Listen, listen_on
from .answer import Answer
from .limits import connections_allowed


class PassingOn:
    """The port at which others fetch their agent, while there is one."""

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._port: Any = None
        self._timer: Any = None

    async def begin(self, request: control.PassOn, bundle: bytes, address: str) -> Answer:
        """
        Listen at *address* instead of where we did.

        Raises:
            ListenError: no port asked for is free.
        """
        await self.end()
        listen = Listen(address, request.first_port, request.last_port, "murder.tracker_port")
        most = connections_allowed(MOST_WAITING)
        site = FileSite(request.path.encode("ascii"), bundle, self._reactor, most)
        self._port = listen_on(self._reactor, listen, site, BACKLOG)
        self._timer = self._reactor.callLater(request.lifetime, self._end_late)
        return Answer({"address": address, "port": self._port.getHost().port})

    async def end(self) -> None:
        """Listen no longer; who is being answered still is."""
        port, self._port = self._port, None
        if port is None:
            return
        if self._timer.active():
            self._timer.cancel()
        await port.stopListening()

    def _end_late(self) -> None:
        Deferred.fromCoroutine(self.end()).addErrback(
            lambda failure: self._log.failure("listening for who wants an agent does not end", failure)
        )
