"""Talks to the agents of many hosts at once: requests go out, and one loop reads what all of them answer."""

from __future__ import annotations

import itertools
import math
import queue
import socket
import threading
import time
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Optional, Union

from paramiko import Channel, SSHException

from ...control import HEARTBEAT_INTERVAL, VERSION, Heartbeat, Message, MessageReader, PassOn, encode_message
from ...errors import ControlError
from ..failures import HostFailure, explain_ending, explain_start, printable
from .asking import TICK, Answer, Ask, Listener, OnAnswer, OnEvent
from .local_agent import LocalAgent
from .room import start_thread
from .supply import Supply
from .talk import Talk
from .writers import Outgoing, Writers

#: What is kept of an agent's stderr: its end, where the reason stands.
MAX_STDERR = 64 * 1024
#: Read from one host before the others have their turn.
READ_LENGTH = 256 * 1024
#: How often the loop looks at the clock while a host's window is full (seconds).
BLOCKED_TICK = 0.05
WRITERS = 8
#: The id under which `greet` waits; requests count from 1.
GREETING = 0
#: An agent that lives answers heartbeats, which it is sent while nothing else is; of one that says nothing at
#: all for so many seconds, and owes an answer, it is taken that it hangs.
HANGS_AFTER = 2.5 * HEARTBEAT_INTERVAL
#: What is wrong with a host that `greet` waited for in vain: connecting has its own reasons, and came before.
NO_AGENT = "it let us in, but its agent did not start"


class Opening(NamedTuple):
    """What an agent is started with: first *program*, and *bundle* where the host says it has none."""

    program: bytes = b""
    bundle: bytes = b""
    #: Whom `sudo` makes of the user who logs in; empty: nobody else.
    sudo: str = ""
    #: What a host is asked to give the bundle to others with; None where each gets it over SSH.
    pass_on: Optional[PassOn] = None


NO_OPENING = Opening()


class _Link:
    """One host's channel; `set` and `clear` make it the event that Paramiko rings when something came."""

    def __init__(
        self, host: str, channel: Union[Channel, LocalAgent], ringing: queue.SimpleQueue[Optional[_Link]]
    ) -> None:
        self.host = host
        self.channel = channel
        self.reader = MessageReader(noise=True)
        self.talk = Talk(now=time.monotonic())
        self.stderr = bytearray()
        self.greeted = False
        self.asks: dict[int, Listener] = {}
        self.failure: Optional[HostFailure] = None
        #: Why it seems to hang, until it is heard again.
        self.hanging: Optional[HostFailure] = None
        self.heard_at = time.monotonic()
        self.ended = threading.Event()
        self._ringing = ringing
        self._rung = False
        self.outgoing = Outgoing(channel, self.set)

    def set(self) -> None:
        if not self._rung:
            self._rung = True
            self._ringing.put(self)

    def clear(self) -> None:
        """Nothing: the loop takes the link from its queue, and that is all there is to clear."""

    def read(self) -> tuple[bytes, int, bool]:
        """Return what came on stdout, how much on stderr, and whether that was the end."""
        self._rung = False
        ended = self.channel.closed
        try:
            data = self.channel.recv(READ_LENGTH) if self.channel.recv_ready() else b""
            said = self.channel.recv_stderr(READ_LENGTH) if self.channel.recv_stderr_ready() else b""
        except (OSError, EOFError, SSHException):
            return b"", 0, True
        self.stderr += said
        del self.stderr[:-MAX_STDERR]
        if data or said:  # there may be more, after the others had their turn
            self.set()
        return data, len(said), ended and not data and not said

    def why_ended(self, sudo: str) -> HostFailure:
        lines = [printable(line) for line in self.stderr.decode("utf-8", "replace").splitlines()]
        said = next((line for line in reversed(lines) if line), "")
        status = self.channel.recv_exit_status() if self.channel.exit_status_ready() else -1
        if status < 0:
            return HostFailure("lost", "its SSH connection was lost" + f" ({said})" * bool(said))
        if self.greeted:
            return HostFailure("lost", explain_ending(status, said))
        return HostFailure("agent", explain_start(status, said, sudo))


class Channels:
    """
    The agents of all hosts of a run; leave it by `close`, or as a context.

    A host that failed stays in it: what it is asked fails with the same reason, at once.
    """

    def __init__(
        self,
        channels: Mapping[str, Union[Channel, LocalAgent, HostFailure]],
        opening: Opening = NO_OPENING,
        on_closed: Callable[[], None] = lambda: None,
        running: Container[str] = (),
    ) -> None:
        """
        Take over the channels and start the agents.

        Args:
            channels: what `connect_all` returned.
            opening: what every agent's input begins with.
            on_closed: called after `close`, for what the channels go through.
            running: those whose agent runs already, and needs no opening.
        """
        self._on_closed = on_closed
        self._ringing: queue.SimpleQueue[Optional[_Link]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._ids = itertools.count(GREETING + 1)
        self._opening = opening
        #: When `close` waits for nobody any more, by the monotonic clock.
        self.close_by = math.inf
        self._unreachable: dict[str, HostFailure] = {}
        self._links: dict[str, _Link] = {}
        for host, channel in channels.items():
            if isinstance(channel, HostFailure):
                self._unreachable[host] = channel
            else:
                self._links[host] = _Link(host, channel, self._ringing)
        self._greeting = Ask(self, dict.fromkeys(channels, GREETING), late=NO_AGENT)
        self._writers = Writers(min(WRITERS, len(self._links)))
        starting = [host for host in self._links if host not in running]
        self._supply = Supply(opening.bundle, opening.pass_on, starting, self)
        self._begin(self._greeting, dict.fromkeys(channels, GREETING))
        for link in self._links.values():
            if link.host not in running:
                self._writers.send(link.outgoing, opening.program)
            link.channel.in_buffer.set_event(link)
            link.channel.in_stderr_buffer.set_event(link)
        self._loop = start_thread(self._run, "channels")

    def __enter__(self) -> Channels:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], *exc: object) -> None:
        if kind is KeyboardInterrupt:
            self.abandon()
        else:
            self.close()

    def greet(
        self,
        timeout: float,
        on_event: Optional[OnEvent] = None,
        on_answer: Optional[OnAnswer] = None,
    ) -> dict[str, Answer]:
        """Wait until every agent has said `hello`; see `Ask.wait`."""
        return self._greeting.wait(timeout, on_event, on_answer=on_answer)

    def begin(self, requests: Mapping[str, Message], *, insist: bool = False) -> Ask:
        """
        Send each host its request, without waiting; fields without `id`, and what is attached.

        Args:
            insist: ask those too that seem to hang; else they fail at once, with what they failed with then.
        """
        ids = {host: next(self._ids) for host in requests}
        ask = Ask(self, ids, {host: str(one.fields["do"]) for host, one in requests.items()})
        for link in self._begin(ask, ids, insist=insist):
            message = requests[link.host]
            ask.asked_at[link.host] = time.monotonic()
            self._send(link, {**message.fields, "id": ids[link.host]}, message.attached)
        return ask

    def ask(
        self,
        requests: Mapping[str, Message],
        timeout: Optional[float] = None,
        on_event: Optional[OnEvent] = None,
        silence: Optional[float] = None,
        on_answer: Optional[OnAnswer] = None,
        *,
        insist: bool = False,
    ) -> dict[str, Answer]:
        """Send each host its request and wait for all answers; see `begin` and `Ask.wait`."""
        return self.begin(requests, insist=insist).wait(timeout, on_event, silence, on_answer)

    def failures(self) -> dict[str, HostFailure]:
        """Return the hosts that cannot be asked any more, or seem to hang, and why."""
        lost = {host: link.failure or link.hanging for host, link in self._links.items()}
        return {**self._unreachable, **{host: why for host, why in lost.items() if why is not None}}

    def stderr(self, host: str) -> str:
        """Return the end of what the agent of *host* wrote to stderr, control characters escaped."""
        link = self._links.get(host)
        text = link.stderr.decode("utf-8", "replace") if link is not None else ""
        return "\n".join(printable(line, MAX_STDERR) for line in text.splitlines())[-MAX_STDERR:]

    def reached_at(self, host: str) -> str:
        """Return the IP address that SSH went to; empty where something is between, and on this machine."""
        link = self._links.get(host)
        sock = None if link is None else link.channel.get_transport().sock
        with suppress(OSError):
            if isinstance(sock, socket.socket):
                return str(sock.getpeername()[0]).partition("%")[0]
        return ""

    def forget(self, host: str, request: int) -> None:
        """Nobody waits for that answer any more."""
        with self._lock:
            if host in self._links:
                self._links[host].asks.pop(request, None)

    def missed(self, host: str, request: int, failure: HostFailure) -> None:
        """The answer is late: nobody waits for it any more, nor for others if the host seems to hang."""
        self.forget(host, request)
        link = self._links.get(host)
        with self._lock:
            if link is None or (link.greeted and time.monotonic() - link.heard_at < HANGS_AFTER):
                return
            link.hanging = failure
            # Not who supplies hosts with the agent: that has a clock, and is told by the thread that reads.
            waiting = {number: one for number, one in link.asks.items() if isinstance(one, Ask)}
            for number in waiting:
                del link.asks[number]
        for ask in set(waiting.values()):
            ask.hear(host, failure)

    def send(self, host: str, *parts: bytes) -> None:
        """Send *host* what is no message: a part of its opening."""
        self._writers.send(self._links[host].outgoing, *parts)

    def tell(self, host: str, message: Message, listener: Listener) -> None:
        """Send *host* a request; *listener* hears of it from the thread that reads."""
        link, number = self._links[host], next(self._ids)
        with self._lock:
            link.asks[number] = listener
        self._send(link, {**message.fields, "id": number}, message.attached)

    def close(self, grace: float = 5.0) -> None:
        """End the agents' input, give them *grace* seconds altogether to end by themselves, and hang up."""
        deadline = min(time.monotonic() + grace, self.close_by)
        for link in self._links.values():
            with suppress(OSError, EOFError, SSHException):
                if link.outgoing.idle:
                    link.channel.shutdown_write()
                else:  # it does not read: a writer may hold Paramiko's lock until the kernel gives it up
                    link.channel.get_transport().close()
        for link in self._links.values():
            link.ended.wait(max(0.0, deadline - time.monotonic()))
        self._ringing.put(None)
        self._loop.join(grace)
        self._writers.stop()
        for link in self._links.values():
            with suppress(OSError, EOFError, SSHException):
                link.channel.get_transport().close()
        self._on_closed()

    def abandon(self) -> None:
        """Hang up without waiting for anybody: the agents end once they notice."""
        for link in self._links.values():
            with suppress(OSError, EOFError, SSHException):
                link.channel.get_transport().sock.close()

    def _begin(self, ask: Ask, ids: Mapping[str, int], *, insist: bool = False) -> list[_Link]:
        """Have *ask* wait for those that can be asked, and return them; the others fail at once."""
        asked = []
        for host, request in ids.items():
            with self._lock:
                link = self._links.get(host)
                failure = self._unreachable.get(host) if link is None else link.failure
                if link is not None and not insist:
                    failure = failure or link.hanging
                if failure is None and link is not None:
                    link.asks[request] = ask
                    asked.append(link)
            if failure is not None or link is None:
                ask.hear(host, failure or HostFailure("unreachable", f"{host} is not in this run"))
        return asked

    def _run(self) -> None:
        """Read whatever rings, until closed."""
        beat = time.monotonic() + HEARTBEAT_INTERVAL
        while True:
            with suppress(queue.Empty):
                link = self._ringing.get(timeout=BLOCKED_TICK if self._writers.blocked else TICK)
                if link is None:
                    return
                self._read(link)
            self._writers.retry()
            self._supply.look(now=time.monotonic())
            if time.monotonic() >= beat:
                beat = time.monotonic() + HEARTBEAT_INTERVAL  # not one for each that a stopped process missed
                for link in self._links.values():
                    if link.greeted and link.failure is None and link.outgoing.idle:
                        self._send(link, {**Heartbeat().fields(), "id": next(self._ids)})

    def _read(self, link: _Link) -> None:
        data, length, ended = link.read()
        if data:
            with self._lock:
                link.heard_at, link.hanging = time.monotonic(), None
        if link.failure is not None:  # what comes after garbage is not looked at
            if ended:
                link.ended.set()
            return
        try:
            lines, messages, words = link.reader.line_bytes, link.reader.receive(data), 0
            for message in messages:
                if not self._heard(link, message):
                    words += 1
                    length += len(message.attached)
            length += link.reader.line_bytes - lines
            link.talk.heard(length, words, now=time.monotonic())
        except ControlError as error:
            self._fail(link, HostFailure("agent", f"it does not speak as an agent does: {error}"))
            link.channel.close()
        if ended:
            link.ended.set()
            if link.failure is None:
                self._fail(link, link.why_ended(self._opening.sudo))

    def _heard(self, link: _Link, message: Message) -> bool:
        """Take a message; return whether it is the answer to what somebody asked."""
        event, request = message.fields.get("event"), message.fields.get("id")
        if type(request) is int and request != GREETING:
            with self._lock:
                finished = event in ("done", "failed")
                ask = link.asks.pop(request, None) if finished else link.asks.get(request)
            if ask is not None:
                ask.hear(link.host, message)
            return finished and ask is not None
        if event in ("bootstrap", "received", "unfetched"):
            with self._lock:
                greeting = link.asks.get(GREETING)
            if greeting is not None and event != "received":
                greeting.hear(link.host, message)
            self._supply.heard(link.host, message, now=time.monotonic())
        elif event == "hello":
            self._greeted(link, message)
        elif event == "failed":
            self._fail(link, HostFailure("agent", printable(str(message.fields.get("reason")))))
        return False

    def _greeted(self, link: _Link, message: Message) -> None:
        theirs = message.fields.get("version")
        if theirs != VERSION:
            reason = f"its agent speaks version {theirs!r:.20} of the contract, not {VERSION}"
            self._fail(link, HostFailure("agent", reason))
            return
        link.greeted = True
        with self._lock:
            ask = link.asks.pop(GREETING, None)
        if ask is not None:
            ask.hear(link.host, message)
        self._supply.greeted(link.host, now=time.monotonic())

    def _fail(self, link: _Link, failure: HostFailure) -> None:
        """From now on everything asked of this host fails with *failure*."""
        with self._lock:
            link.failure = failure
            waiting, link.asks = set(link.asks.values()), {}
        for ask in waiting:
            ask.hear(link.host, failure)
        self._supply.lost(link.host, now=time.monotonic())

    def _send(self, link: _Link, fields: Mapping[str, Any], attached: bytes = b"") -> None:
        # The attachment is not copied: the same torrent may be on its way to hundreds of hosts.
        if attached:
            fields = {**fields, "attached": len(attached)}
        self._writers.send(link.outgoing, encode_message(fields), attached)
