"""What an operator has a host do beside releases: commands, and asking whether a release is well."""

from __future__ import annotations

import os
from typing import Any, Protocol

from twisted.internet.defer import DeferredLock
from twisted.internet.task import deferLater

from .. import control
from ..errors import MurderError
from .answer import Answer, Emit
from .command import Command, environment
from .destination import Destination
from .working import Threads

#: Seconds between two tries of a health check.
PAUSE = 1.0
#: Lines that are told of what commands that went well have said, the last ones.
TOLD = 10


class Errand(Protocol):
    """Something blocking that can be ended from outside."""

    def run(self) -> None:
        """Do it; MurderError says why it did not come to a good end."""

    def end(self, why: str) -> None:
        """Make `run` come to an end soon."""


class Errands:
    """
    Runs errands in threads, and ends those under way with the agent, or when nobody waits any more.

    There is one request at a time: an operator who sends the next does not wait for the last one any more, as
    after Ctrl-C, and what takes back what a command did must not be done beside it.
    """

    def __init__(self, reactor: Any, threads: Threads) -> None:
        self._reactor = reactor
        self._threads = threads
        self._under_way: set[Errand] = set()
        self._ending = False
        self._latest: control.Request | None = None
        self._turn = DeferredLock()

    async def do(self, request: control.RunCommands | control.CheckHealth, emit: Emit) -> Answer:
        """
        Do what *request* asks.

        Returns:
            What commands said, the last lines of it.

        Raises:
            MurderError: a command did not end well, and those after it were not run; or it was never well.
        """
        self._latest = request
        self._end_all("the operator went on without it")
        async with self._turn:
            if isinstance(request, control.RunCommands):
                return Answer({"said": await self._run(request, emit)})
            await self._check(request, emit)
            return Answer({})

    def end(self) -> None:
        """End whatever is under way, and begin nothing more."""
        self._ending = True
        self._end_all("the agent is ending")

    async def _run(self, request: control.RunCommands, emit: Emit) -> list[str]:
        destination = Destination(request.destination)
        variables = environment(destination, request.tag, request.previous, request.hook)
        said: list[str] = []
        for text in request.commands:
            command = Command(text, variables, _directory(destination))
            await self._follow(request, command, emit)
            said += command.said
        return said[-TOLD:]

    async def _check(self, request: control.CheckHealth, emit: Emit) -> None:
        begun, tries = self._reactor.seconds(), 0
        while True:
            tries += 1
            try:
                await self._follow(request, _check_of(request), emit)
                return
            except MurderError as error:
                spent = self._reactor.seconds() - begun
                if spent >= request.patience or self._ending or request is not self._latest:
                    often = f" {tries} times in {spent:.0f} s" if tries > 1 else ""
                    raise MurderError(f"the health check failed{often}: {error}") from None
            await deferLater(self._reactor, min(PAUSE, request.patience - spent))

    async def _follow(
        self, request: control.RunCommands | control.CheckHealth, errand: Errand, emit: Emit
    ) -> None:
        if self._ending:
            raise MurderError("this agent is ending and begins nothing new; run the command again")
        if request is not self._latest:
            raise MurderError("the operator went on without it")
        self._under_way.add(errand)
        too_long = f"it took longer than {request.timeout:g} s"
        timer = self._reactor.callLater(request.timeout, errand.end, too_long)
        try:
            await self._threads.run(emit, errand.run)
        finally:
            if timer.active():
                timer.cancel()
            # Nobody waits any more: the operator has hung up, or it has ended anyhow.
            errand.end("nobody waits for it any more")
            self._under_way.discard(errand)

    def _end_all(self, why: str) -> None:
        for errand in list(self._under_way):
            errand.end(why)


def _check_of(request: control.CheckHealth) -> Errand:
    if request.check.startswith(("http://", "https://")):
        # With TLS and all it takes as long to import as the rest of an agent, and few need it.
        from .fetching import Fetch

        return Fetch(request.check, request.status, request.timeout)
    destination = Destination(request.destination)
    variables = environment(destination, request.tag, request.previous, "health_check")
    return Command(request.check, variables, _directory(destination))


def _directory(destination: Destination) -> str:
    """Return where commands run; before the first deploy there may be no destination yet."""
    return destination.path if os.path.isdir(destination.path) else "/"
