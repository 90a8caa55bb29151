"""
Whether an HTTP or HTTPS URL answers as it should, in a thread.

The client in `net` takes nothing but a 200; this one needs the status line and no more. No proxy is asked,
and no redirect followed: the answer is that of the application on this host.
"""

from __future__ import annotations

import contextlib
import socket
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from ..errors import BadInput, MurderError
from ..tracker.keys import redacted
from ..version import __version__


class Fetch:
    """
    One request to *url*, by `run` in a thread of its own; `end` may come from any other.

    What is told of it, and then kept in records and pages, has the URL without what may be a secret.
    """

    def __init__(self, url: str, status: int, timeout: float) -> None:
        self._shown = redacted(url)
        self._status = status
        self._why = ""
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        try:
            self._connection = kind(parts.hostname or "", parts.port, timeout=timeout)
        except (ValueError, HTTPException):
            raise BadInput(f"{self._shown} is no URL that can be asked") from None
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def end(self, why: str) -> None:
        """Hang up, because of *why*; one that is still being connected to is given up by its own timeout."""
        self._why = self._why or why
        sock = self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        """
        Ask once.

        Raises:
            MurderError: there was no answer, or one with another status.
        """
        headers = {"User-Agent": f"murder_fabric/{__version__}", "Connection": "close"}
        answered = 0
        try:
            self._connection.connect()
            if not self._why:  # before this there was nothing that `end` could hang up
                self._connection.request("GET", self._target, headers=headers)
                answered = self._connection.getresponse().status
        except (OSError, HTTPException, ValueError) as error:
            why = self._why or getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise MurderError(f"{self._shown}: {why}") from None
        finally:
            self._connection.close()
        if self._why:  # the end of the answer was our hanging up
            raise MurderError(f"{self._shown}: {self._why}")
        if answered != self._status:
            raise MurderError(f"{self._shown} answered {answered}, not {self._status}")
