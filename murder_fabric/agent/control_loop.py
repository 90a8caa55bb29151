"""Serving an operator: requests in, events out, over stdin and stdout or over a detached agent's socket."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from .. import control
from ..errors import ControlError, MurderError, NoRoomError
from ..policy.lease import LOOK_EVERY, Lease
from ..version import __version__
from . import cleaning, detached
from .answer import Answer
from .host import Host
from .running import run
from .standing import Standing, agents_here

#: What a disk that is full means for whoever deploys there.
_MAKE_ROOM = "; nothing was switched there, and what has come stays: make room, then the same command goes on"
#: What only undoes or ends something is done even where nobody waits for it any more. Not so `CleanUp`, which
#: may have large trees to remove: the next deploy does it again.
_UNDOING = (
    control.SwitchBack,
    control.MarkBad,
    control.LetGo,
    control.Stop,
    control.PassNoMore,
    control.Dismiss,
    control.DismissAll,
)


class ControlProtocol(Protocol):
    """
    One operator's connection.

    Several requests may be under way at once; the bytes that came in order are looked at in order.

    Args:
        host: serves the requests.
        clock: the reactor.
        forward: whether requests for detached agents are passed on, as only the first agent does.
    """

    def __init__(self, host: Host, clock: Any, *, forward: bool) -> None:
        self.lost: Deferred[None] = Deferred()
        self.lease = Lease(control.LEASE, now=clock.seconds())
        self._host = host
        self._clock = clock
        self._reader = control.MessageReader()
        self._relays: detached.Relays | None = detached.Relays(clock, self._write) if forward else None
        #: What is under way: what ends with the connection, and what does not.
        self._running: set[Deferred[None]] = set()
        self._undoing: set[Deferred[None]] = set()

    def connectionMade(self) -> None:
        self._emit(None, "hello", {"version": control.VERSION, "agent": __version__, "pid": os.getpid()})

    def dataReceived(self, data: bytes) -> None:
        self.lease.heard(now=self._clock.seconds())
        try:
            messages = self._reader.receive(data)
        except ControlError as error:
            self._emit(None, "failed", {"reason": str(error)})
            cast(Any, self.transport).loseConnection()
            return
        for message in messages:
            serving = Deferred.fromCoroutine(self._serve(message))
            if not serving.called:
                running = self._undoing if _undoes(message) else self._running
                running.add(serving)
                serving.addCallback(self._served, running, serving)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        for serving in list(self._running):
            serving.cancel()
        if self._relays is not None:
            self._relays.close()
        if not self.lost.called:
            self.lost.callback(None)

    async def all_undone(self) -> None:
        """Wait for what was asked to undo or end something, however slow the disk is."""
        while self._undoing:
            ended: Deferred[None] = Deferred()
            next(iter(self._undoing)).chainDeferred(ended)
            await ended

    async def _serve(self, message: control.Message) -> None:
        number = message.fields.get("id")
        try:
            answer = await self._answer(message, number)
        except MurderError as error:
            advice = _MAKE_ROOM * isinstance(error, NoRoomError)
            self._emit(number, "failed", {"reason": f"{error}{advice}", "exit_code": error.exit_code})
        except CancelledError:
            return
        except Exception as error:  # a fault of ours: the operator must hear of it, and other requests go on
            reason = f"a fault in the agent, please report it: {type(error).__name__}: {error}"
            self._emit(number, "failed", {"reason": reason})
        else:
            if answer is not None:
                self._emit(number, "done", answer.fields, answer.attached)

    def _served(self, _: None, running: set[Deferred[None]], serving: Deferred[None]) -> None:
        running.discard(serving)

    async def _answer(self, message: control.Message, number: Any) -> Answer | None:
        """Return the answer; None where somebody else gives it."""
        to = message.fields.get("to")
        if to is not None and self._relays is not None:
            await self._relays.send(str(to), message)
            return None
        request = control.parse_request(message.fields)
        if isinstance(request, control.Detach):
            started = await detached.start(self._clock, request.agent, request.lifetime)
            if self._relays is not None:  # other hosts may need long; an agent nobody uses would not wait
                await self._relays.open(request.agent)
            return Answer(started)
        if isinstance(request, control.Dismiss):
            return Answer(await detached.dismiss(self._clock, request.agent))
        if isinstance(request, control.DismissAll):
            return Answer({"agents": await cleaning.dismiss_all(self._clock, request.kind)})
        if isinstance(request, control.Clean):
            removed, running = cleaning.clean(request.tag)
            return Answer({"removed": removed, "running": running})
        if isinstance(request, control.Status):
            return Answer({"agents": agents_here()})
        return await self._host.do(
            request, message.attached, lambda event, fields: self._emit(number, event, fields)
        )

    def _emit(self, number: Any, event: str, fields: Mapping[str, Any], attached: bytes = b"") -> None:
        head: dict[str, Any] = {} if number is None else {"id": number}
        self._write(
            control.encode_message(
                {**head, "event": event, "time": round(time.time(), 3), **fields}, attached
            )
        )

    def _write(self, data: bytes) -> None:
        transport = cast(Any, self.transport)
        if transport is not None and not self.lost.called:
            transport.write(data)


def run_control() -> int:
    """Serve the operator at stdin and stdout until it hangs up or its lease is over."""

    # The same release on every host, however an account there is set up; what is private says so itself.
    os.umask(0o022)

    async def main(reactor: Any) -> int:
        host = Host(reactor, _address_of_ssh(2), _address_of_ssh(0))
        protocol = ControlProtocol(host, reactor, forward=True)
        StandardIO(protocol, reactor=reactor)  # type: ignore[no-untyped-call]
        lease = LoopingCall(_end_silent, protocol, reactor)
        lease.clock = reactor
        lease.start(LOOK_EVERY, now=False)
        standing = Standing(host, reactor)
        standing.start()
        try:
            await protocol.lost
        except CancelledError:
            return 130
        finally:
            standing.stop()
            lease.stop()
            # What is still at the disk then ends with this process, and the lock with it.
            with contextlib.suppress(MurderError):
                await host.stop()
            await protocol.all_undone()
        return 0

    return run(main)


def _undoes(message: control.Message) -> bool:
    """Whether *message* asks this agent itself to undo or end something."""
    return "to" not in message.fields and message.fields.get("do") in {one.name for one in _UNDOING}


def _end_silent(protocol: ControlProtocol, clock: Any) -> None:
    if protocol.lease.is_over(now=clock.seconds()):
        cast(Any, protocol.transport).loseConnection()
        if not protocol.lost.called:
            protocol.lost.callback(None)


def _address_of_ssh(field: int) -> str | None:
    """Return where SSH came from (*field* 0) or reached this host (2): `SSH_CONNECTION`; None if unknown."""
    fields = os.environ.get("SSH_CONNECTION", "").split()
    return fields[field].partition("%")[0] if len(fields) == 4 else None
