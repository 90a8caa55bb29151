"""Tells a webhook of a run, by POST of JSON: as it begins, at each switch and as it ends."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..downloading import FAILURES, explain, opener
from ..watching.fleet_state import FleetState

#: Seconds that one message may take, and that the end of a run waits for those still on their way.
TIMEOUT = 5.0
#: So many, where somebody pressed Ctrl-C.
IN_HASTE = 1.5


class Notices:
    """
    What is told of one run; an `Observer` of the view.

    Args:
        url: where to; with a secret in its path where it is Slack's.
        certificates: CA certificates (PEM) that count beside those of this machine.
        subject: what all messages are about, for people: `deploy of v1 to /srv/app`.
        facts: what is in all of them, for programs.
    """

    def __init__(self, url: str, certificates: str, subject: str, facts: Mapping[str, Any]) -> None:
        self._url = url
        self._certificates = certificates
        self._subject = subject
        self._facts = facts
        self._messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._count = 0
        self._taken = 0
        self._problem = f"no answer within {TIMEOUT:g} s"
        # A daemon: whoever leaves at once is not to wait for somebody else's server.
        self._thread = threading.Thread(target=self._work, daemon=True, name="webhook")
        self._thread.start()

    def tell(self, event: str, said: str, **facts: Any) -> None:
        """Tell that *event* happened; returns at once."""
        # As Slack wants it: what a host says must not call everybody in a channel.
        text = f"{self._subject}: {said}".replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        self._count += 1
        self._messages.put(
            json.dumps({"text": text, "event": event, **self._facts, "message": said, **facts}).encode()
        )

    def stage_ended(self, fleet: FleetState, name: str, said: str, *, began: float, now: float) -> None:
        """A switch is told of, where it was made; what that line has in brackets is for the terminal."""
        if name == "switch" and said:
            self.tell("switch", said.partition(" (")[0])

    def heard(self, fleet: FleetState, *, now: float) -> None:
        """How far hosts are is told to nobody."""

    def close(self, *, in_haste: bool = False) -> str:
        """Wait for what is on its way; return a sentence about what did not arrive, empty where all did."""
        within = min(IN_HASTE, TIMEOUT) if in_haste else TIMEOUT
        self._messages.put(None)
        with contextlib.suppress(KeyboardInterrupt):
            self._thread.join(within)
        lost = self._count - self._taken
        if not lost:
            return ""
        if self._thread.is_alive():
            self._problem = f"no answer within {within:g} s"
        parts = urlsplit(self._url)
        where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        return f"the webhook at {where} did not take {lost} of {self._count} messages: {self._problem}"

    def _work(self) -> None:
        while (message := self._messages.get()) is not None:
            try:
                self._post(message)
                self._taken += 1
            except FAILURES as error:
                self._problem = explain(error, f"no answer within {TIMEOUT:g} s")

    def _post(self, message: bytes) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "murder_fabric"}
        request = urllib.request.Request(self._url, message, headers)  # noqa: S310 (no other opens)
        with opener(self._certificates).open(request, timeout=TIMEOUT) as answer:
            answer.read(1024)
