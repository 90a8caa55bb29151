"""One file under one path that nobody guesses, by HTTP; whatever else is asked for is not found."""

from __future__ import annotations

import hmac

from twisted.internet.protocol import Factory

from ..tracker.http import Request, format_response
from .body_sender import Taking
from .ports import Clock
from .tracker_site import MOST_WAITING, Answer, TrackerProtocol, Waiting

#: What the file is answered as.
FILE_TYPE = "application/octet-stream"


class FileSite(Factory):
    """
    Gives *content* to whoever asks for *path*, within the limits of the tracker's port.

    Args:
        path: with its slash, and long enough to be a secret.
        content: in memory already; connections share it.
        clock: the reactor, or `task.Clock` in tests.
        most_waiting: connections that may stand without a complete request; half as many may take the file.
    """

    noisy = False

    def __init__(self, path: bytes, content: bytes, clock: Clock, most_waiting: int = MOST_WAITING) -> None:
        self._path = path
        self._content = content
        self._clock = clock
        self._waiting = Waiting(most_waiting)
        self._taking = Taking(most_waiting // 2)

    def buildProtocol(self, addr: object) -> TrackerProtocol:
        return TrackerProtocol(self.answer, self._clock, self._waiting, self._taking)

    def answer(self, request: Request, host: str) -> Answer:
        """Return the response to *request*; the connection closes after it."""
        if not hmac.compare_digest(self._path, request.path):
            return Answer(format_response(404, b"not found\n"), True)
        return Answer.of_file(self._content, FILE_TYPE)
