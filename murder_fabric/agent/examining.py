"""What `murder.doctor` asks of a host: what stands in the way of a deploy, and whom the host reaches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .. import control
from ..errors import MurderError
from ..net.ports import BACKLOG
from ..net.reaching import MarkFactory, reach
from . import holding
from .addresses import Listen, listen_on
from .answer import Answer
from .destination import Destination


def examine(request: control.Examine) -> Answer:
    """Make every check that `Prepare` makes, one after the other; the first that fails stops none."""
    destination = Destination(request.destination)
    checks: list[Callable[[], None]] = [
        destination.must_fit,
        partial(holding.must_be_free, destination, force=False),
        destination.must_be_free,
        partial(destination.must_have_shared, request.linked_files),
    ]
    problems = []
    for check in checks:
        try:
            check()
        except MurderError as error:
            problems.append(str(error))
    fields: dict[str, Any] = {"destination": destination.path, "problems": problems}
    if not problems:
        fields["current"] = destination.current()
        fields["free_bytes"], fields["free_inodes"] = destination.room(None)
    return Answer(fields)


class Calls:
    """The ports at which this host stands by for the calls of others, and its own calls."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._listening: list[Any] = []

    async def do(self, request: control.StandBy | control.Reach) -> Answer:
        """
        Serve *request*.

        Raises:
            ListenError: no port asked for is free.
        """
        mark = request.mark.encode()
        if isinstance(request, control.StandBy):
            settings = "murder.peer_ports or murder.tracker_port"
            listen = Listen(request.address, request.first_port, request.last_port, settings)
            port = listen_on(self._reactor, listen, MarkFactory(mark), BACKLOG)
            self._listening.append(port)
            return Answer({"port": port.getHost().port})
        problem = await reach(self._reactor, request.source, request.address, request.port, mark)
        return Answer({"problem": problem})

    async def end(self) -> None:
        """Stand by no longer."""
        listening, self._listening = self._listening, []
        for port in listening:
            await port.stopListening()
