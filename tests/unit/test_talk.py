"""A host that says far more than any agent does fails, alone; its channel is a fake."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from murder_fabric.control import VERSION, Message
from murder_fabric.deploy.connecting import channels as connected
from murder_fabric.deploy.connecting.channels import Channels
from murder_fabric.deploy.connecting.talk import BYTES, BYTES_BURST, WORDS, WORDS_BURST, Talk
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.errors import ControlError

AT_ONCE = int(WORDS * WORDS_BURST)


def test_an_agent_that_says_each_second_how_far_it_is_may_do_so_for_ever() -> None:
    talk = Talk(now=0.0)
    for second in range(10_000):
        talk.heard(700, 2, now=float(second))


def test_what_was_said_while_this_process_was_stopped_may_come_at_once() -> None:
    talk = Talk(now=0.0)
    talk.heard(400 * 600, 600, now=600.0)


@pytest.mark.parametrize(
    ("length", "words", "why"), [(100, 1, "what nobody asked"), (10_000, 0, "talks without end")]
)
def test_who_talks_without_end_is_told_from_who_says_much_at_once(length: int, words: int, why: str) -> None:
    talk = Talk(now=0.0)
    for _ in range(AT_ONCE if words else int(BYTES * BYTES_BURST) // length):
        talk.heard(length, words, now=0.0)
    with pytest.raises(ControlError, match=why):
        talk.heard(length, words, now=0.0)


class Buffer:
    """Where a channel rings."""

    def set_event(self, event: Any) -> None:
        self.event = event
        event.set()


class Channel:
    """What Paramiko has, on a host whose agent answers each request with *answer*, *count* times."""

    def __init__(self, answer: dict[str, Any], count: int = 1, attached: bytes = b"") -> None:
        self.in_buffer, self.in_stderr_buffer = Buffer(), Buffer()
        self.closed = False
        self._answer, self._count, self._attached = answer, count, attached
        self._said = self._line({"event": "hello", "version": VERSION})
        self._lock = threading.Lock()

    def recv_ready(self) -> bool:
        return bool(self._said)

    def recv(self, length: int) -> bytes:
        with self._lock:
            said, self._said = self._said[:length], self._said[length:]
        return said

    def send(self, data: bytes) -> int:
        said = b""
        for line in data.splitlines():
            asked = json.loads(line)
            if asked["do"] != "heartbeat":
                said += (self._line({**self._answer, "id": asked["id"]}) + self._attached) * self._count
        with self._lock:
            self._said += said
        self.in_buffer.event.set()
        return len(data)

    def recv_stderr_ready(self) -> bool:
        return False

    def exit_status_ready(self) -> bool:
        return False

    def settimeout(self, timeout: float) -> None:
        """Nothing is waited for."""

    def shutdown_write(self) -> None:
        self.close()

    def get_transport(self) -> Channel:
        return self

    def close(self) -> None:
        self.closed = True
        self.in_buffer.event.set()

    @staticmethod
    def _line(fields: dict[str, Any]) -> bytes:
        return json.dumps(fields).encode() + b"\n"


def channels_of(**channels: Channel) -> Channels:
    made = Channels(channels)  # type: ignore[arg-type]
    assert all(isinstance(answer, Message) for answer in made.greet(20).values())
    return made


def test_who_talks_without_end_fails_alone() -> None:
    evil = Channel({"event": "progress", "bytes": 1}, AT_ONCE + 100)
    with channels_of(web1=Channel({"event": "done"}), web2=evil) as channels:
        answers = channels.ask(dict.fromkeys(("web1", "web2"), Message({"do": "heartless"})), 20)
    assert isinstance(answers["web1"], Message)
    failure = answers["web2"]
    assert isinstance(failure, HostFailure)
    assert failure.cause == "agent"
    assert "it says without end what nobody asked" in failure.reason
    assert evil.closed


def test_what_is_attached_to_an_answer_is_not_talk() -> None:
    attached = bytes(int(BYTES * BYTES_BURST) + 1)
    answer = {"event": "done", "attached": len(attached)}
    with channels_of(web1=Channel(answer, attached=attached)) as channels:
        answers = channels.ask({"web1": Message({"do": "heartless"})}, 20)
        assert channels.failures() == {}
    said = answers["web1"]
    assert isinstance(said, Message)
    assert len(said.attached) == len(attached)


class Hanging(Channel):
    """Its agent has said hello, and then nothing until it is woken."""

    asleep = True

    def send(self, data: bytes) -> int:
        return len(data) if self.asleep else super().send(data)


def test_who_seems_to_hang_is_not_waited_for_again_until_it_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connected, "HANGS_AFTER", 0.0)
    web2 = Hanging({"event": "done"})
    question = Message({"do": "heartless"})
    late = {"web2": HostFailure("late", "no answer within 0.1 s")}
    with channels_of(web1=Channel({"event": "done"}), web2=web2) as channels:
        before = channels.begin({"web2": question})
        assert channels.ask({"web2": question}, 0.1) == late
        assert before.wait() == channels.ask({"web2": question}) == channels.failures() == late
        assert isinstance(channels.ask({"web1": question})["web1"], Message)
        assert channels.ask({"web2": question}, 0.2, insist=True) == {
            "web2": HostFailure("late", "no answer within 0.2 s")
        }
        web2.asleep = False
        assert isinstance(channels.ask({"web2": question}, insist=True)["web2"], Message)
        assert isinstance(channels.ask({"web2": question})["web2"], Message)
        assert channels.failures() == {}


def test_who_is_slow_to_answer_and_was_heard_meanwhile_is_asked_the_next_thing() -> None:
    web1 = Hanging({"event": "done"})
    with channels_of(web1=web1) as channels:
        late = {"web1": HostFailure("late", "no answer within 0.1 s")}
        assert channels.ask({"web1": Message({"do": "heartless"})}, 0.1) == late
        assert channels.failures() == {}
        web1.asleep = False
        assert isinstance(channels.ask({"web1": Message({"do": "heartless"})}, 20)["web1"], Message)


def test_no_host_is_greeted_by_what_is_no_hello() -> None:
    class Impostor(Channel):
        @staticmethod
        def _line(fields: dict[str, Any]) -> bytes:
            return json.dumps({"event": "done", "id": 0}).encode() + b"\n"

    with Channels({"web1": Impostor({})}) as channels:  # type: ignore[dict-item]
        why = "it let us in, but its agent did not start within 0.1 s"
        assert channels.greet(0.1) == {"web1": HostFailure("late", why)}
