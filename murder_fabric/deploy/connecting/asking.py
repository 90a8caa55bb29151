"""Requests under way: waiting for answers, and giving up hosts that are silent or talk nonsense."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Optional, Protocol, Union

from ...control import WORKING, Message, check_event
from ...errors import BadInput, ControlError, MurderError
from ..failures import HostFailure, printable

#: Seconds an agent may take to start, which includes taking it in where a host has none.
GREET_TIMEOUT = 120.0
#: How often who waits looks at the clock (seconds).
TICK = 1.0
#: Events of which only the last one counts that a host sent: it may send them faster than anybody looks.
SUPERSEDED = ("progress", WORKING)

Answer = Union[Message, HostFailure]
OnEvent = Callable[[str, Message], None]
OnAnswer = Callable[[str, Answer], None]
OnLook = Callable[[], None]


class Asked(Protocol):
    """Whom an answer comes from."""

    def forget(self, host: str, request: int) -> None:
        """Nobody waits for that answer any more."""

    def missed(self, host: str, request: int, failure: HostFailure) -> None:
        """The answer is late: nobody waits for it any more, nor for others if the host seems to hang."""


class Listener(Protocol):
    """Whom an answer, or an event before it, goes to."""

    def hear(self, host: str, what: Answer) -> None:
        """Take what came of *host*."""


class Ask:
    """Requests under way on some hosts."""

    def __init__(
        self,
        channels: Asked,
        ids: Mapping[str, int],
        names: Mapping[str, str] = {},
        late: str = "no answer",
    ) -> None:
        """
        Take note of what was asked.

        Args:
            ids: by host, that of the request.
            names: by host, what the request is called; what is answered to others is not looked at.
            late: what is wrong with a host that has not answered in time, as a reason begins.
        """
        self._channels = channels
        self._names = names
        self._late = late
        self._ids = dict(ids)
        #: Hosts, and what came of them; a word stands for the event of that name in `_last`.
        self._heard: queue.SimpleQueue[tuple[str, Union[Answer, str]]] = queue.SimpleQueue()
        self._last: dict[tuple[str, str], Message] = {}
        self._lock = threading.Lock()
        self.answers: dict[str, Answer] = {}
        #: By host, on the monotonic clock: when it was asked, and when the last thing came of it.
        self.asked_at = dict.fromkeys(self._ids, time.monotonic())
        self.heard_at = dict(self.asked_at)

    def hear(self, host: str, what: Answer) -> None:
        """Take what the loop has for this ask; any thread may call it."""
        self.heard_at[host] = time.monotonic()
        event = what.fields.get("event") if isinstance(what, Message) else None
        if event in SUPERSEDED and isinstance(what, Message):
            with self._lock:
                waits = (host, event) in self._last
                self._last[host, event] = what
            if not waits:
                self._heard.put((host, event))
        else:
            self._heard.put((host, what))

    def waiting(self) -> list[str]:
        """Return the hosts that have not answered."""
        return [host for host in self._ids if host not in self.answers]

    def give_up(self, host: str, why: HostFailure) -> None:
        """Wait for *host* no longer: it has failed."""
        self._channels.forget(host, self._ids[host])
        self.hear(host, why)

    def wait(
        self,
        timeout: Optional[float] = None,
        on_event: Optional[OnEvent] = None,
        silence: Optional[float] = None,
        on_answer: Optional[OnAnswer] = None,
        on_look: Optional[OnLook] = None,
    ) -> dict[str, Answer]:
        """
        Wait until every host has answered, *timeout* seconds at most.

        Args:
            timeout: from now; a host that has not answered then has failed.
            on_event: called in this thread with each host and event that is no answer yet.
            silence: a host of which neither answer nor event came for so many seconds has failed.
            on_answer: called in this thread with each host and what it answered, or why it has not.
            on_look: called in this thread every second or so, where *silence* is waited for too.

        Returns:
            By host: the `done` message, or why there is none.
        """
        began = time.monotonic()
        deadline = math.inf if timeout is None else began + timeout
        look_at = math.inf if silence is None and on_look is None else began + TICK
        while len(self.answers) < len(self._ids) and (now := time.monotonic()) < deadline:
            if now < look_at:
                until = min(deadline, look_at)
                self._take_next(None if until == math.inf else until - now, on_event, on_answer)
                continue
            look_at = now + TICK
            if on_look is not None:
                on_look()
            if silence is not None:
                self._give_up_silent(began, silence, on_answer)
        for _ in range(self._heard.qsize()):  # came in time; what comes meanwhile holds nobody up
            self._take_next(0.0, on_event, on_answer)
        for host in self.waiting():
            self._miss(host, f"{self._late} within {timeout or 0:g} s", on_answer)
        return {host: self.answers[host] for host in self._ids}

    def _take_next(
        self, patience: Optional[float], on_event: Optional[OnEvent], on_answer: Optional[OnAnswer]
    ) -> None:
        """Take the next that comes of any host within *patience* seconds, if anything does."""
        try:
            host, what = self._heard.get(timeout=patience)
        except queue.Empty:
            return
        if isinstance(what, str):
            with self._lock:
                what = self._last.pop((host, what))
        if host in self.answers:
            return
        self._take(host, what, on_event)
        if on_answer is not None and host in self.answers:
            on_answer(host, self.answers[host])

    def _take(self, host: str, what: Answer, on_event: Optional[OnEvent]) -> None:
        if isinstance(what, HostFailure):
            self.answers[host] = what
            return
        try:
            check_event(self._names.get(host, ""), what.fields)
        except ControlError as error:
            self._channels.forget(host, self._ids[host])
            self.answers[host] = HostFailure("agent", f"its agent said nonsense: {error}")
            return
        if what.fields.get("event") in ("done", "hello"):
            self.answers[host] = what
        elif what.fields.get("event") == "failed":
            self.answers[host] = _refusal(what)
        elif on_event is not None and what.fields.get("event") != WORKING:
            on_event(host, what)

    def _give_up_silent(self, began: float, silence: float, on_answer: Optional[OnAnswer]) -> None:
        before = time.monotonic() - silence
        for host in self.waiting():
            if max(began, self.heard_at[host]) < before:
                self._miss(host, f"it said nothing for {silence:g} s", on_answer)

    def _miss(self, host: str, reason: str, on_answer: Optional[OnAnswer]) -> None:
        """Wait for *host* no longer, as its time is over."""
        failure = self.answers[host] = HostFailure("late", reason)
        self._channels.missed(host, self._ids[host], failure)
        if on_answer is not None:
            on_answer(host, failure)


def _refusal(said: Message) -> HostFailure:
    reason = printable(str(said.fields.get("reason", "the agent gives no reason")))
    bad_input = said.fields.get("exit_code") == BadInput.exit_code
    return HostFailure("failed", reason, BadInput.exit_code if bad_input else MurderError.exit_code)
