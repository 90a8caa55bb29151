"""What an operator has a host do beside releases: commands, and asking whether a release is well."""

from __future__ import annotations

import os
from typing import Any, Protocol

from twisted.internet.task import deferLater

from .. import control
from ..errors import MurderError
from .answer import Answer, Emit
from .command import Command, environment
from .destination import Destination
from .threads import Threads

#: Seconds between two tries of a health check.
PAUSE = 1.0


class Errand(Protocol):
    """Something blocking that can be ended from outside."""

    def run(self) -> None:
        """Do it; MurderError says why it did not come to a good end."""

    def end(self, why: str) -> None:
        """Make `run` come to an end soon."""


class Errands:
    """Runs errands in threads, and ends those under way with the agent, or when nobody waits any more."""

    def __init__(self, reactor: Any, threads: Threads) -> None:
        self._reactor = reactor
        self._threads = threads
        self._under_way: set[Errand] = set()
        self._ending = False

    async def do(self, request: control.RunCommands | control.CheckHealth, emit: Emit) -> Answer:
        """
        Do what *request* asks.

        Raises:
            MurderError: a command did not end well, and those after it were not run; or it was never well.
        """
        if isinstance(request, control.RunCommands):
            await self._run(request, emit)
        else:
            await self._check(request, emit)
        return Answer({})

    def end(self) -> None:
        """End whatever is under way, and begin nothing more."""
        self._ending = True
        for errand in list(self._under_way):
            errand.end("the agent is ending")

    async def _run(self, request: control.RunCommands, emit: Emit) -> None:
        destination = Destination(request.destination)
        variables = environment(destination, request.tag, request.previous, request.hook)
        for text in request.commands:
            await self._follow(Command(text, variables, _directory(destination)), request.timeout, emit)

    async def _check(self, request: control.CheckHealth, emit: Emit) -> None:
        begun, tries = self._reactor.seconds(), 0
        while True:
            tries += 1
            try:
                await self._follow(_check_of(request), request.timeout, emit)
                return
            except MurderError as error:
                spent = self._reactor.seconds() - begun
                if spent >= request.patience or self._ending:
                    often = f" {tries} times in {spent:.0f} s" if tries > 1 else ""
                    raise MurderError(f"the health check failed{often}: {error}") from None
            await deferLater(self._reactor, min(PAUSE, request.patience - spent))

    async def _follow(self, errand: Errand, timeout: float, emit: Emit) -> None:
        if self._ending:
            raise MurderError("this agent is ending and begins nothing new; run the command again")
        self._under_way.add(errand)
        timer = self._reactor.callLater(timeout, errand.end, f"it took longer than {timeout:g} s")
        try:
            await self._threads.run(emit, errand.run)
        finally:
            if timer.active():
                timer.cancel()
            # Nobody waits any more: the operator has hung up, or it has ended anyhow.
            errand.end("nobody waits for it any more")
            self._under_way.discard(errand)


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
