"""Channels that answer at once from a table, and write down what they were asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Optional, Union

from murder_fabric.control import Message
from murder_fabric.deploy.connecting.asking import Answer, OnAnswer, OnEvent, OnLook
from murder_fabric.deploy.failures import HostFailure

#: What hosts say to a request: the fields of `done`, a failure, or what makes one of host and fields.
Said = Union[dict[str, Any], HostFailure, Message]
Saying = Union[Said, Callable[[str, dict[str, Any]], Said]]


class Answered:
    """Stands in for an `Ask` that has all its answers."""

    def __init__(self, answers: dict[str, Answer], note: Callable[..., None] = lambda *bounds: None) -> None:
        self.answers = answers
        self._note = note
        self.asked_at = self.heard_at = dict.fromkeys(answers, 0.0)

    def waiting(self) -> list[str]:
        return []

    def give_up(self, host: str, why: HostFailure) -> None:
        self.answers[host] = why

    def wait(
        self,
        timeout: Optional[float] = None,
        on_event: Optional[OnEvent] = None,
        silence: Optional[float] = None,
        on_answer: Optional[OnAnswer] = None,
        on_look: Optional[OnLook] = None,
    ) -> dict[str, Answer]:
        self._note(timeout, silence)
        for host, answer in self.answers.items() if on_answer is not None else ():
            on_answer(host, answer)
        return self.answers


class FakeChannels:
    """
    Stands in for `Channels`.

    Args:
        says: by request, what every host says to it; what is not named is done without a word.
        silent: hosts without a connection.
        old: hosts that take the agent in when they are greeted.
    """

    def __init__(
        self, says: Mapping[str, Saying] = {}, silent: Mapping[str, HostFailure] = {}, old: str = ""
    ) -> None:
        self.says, self.silent, self.old = says, silent, old.split()
        self.hosts: list[str] = []
        #: By host, the IP address that SSH goes to, where that is known.
        self.at: dict[str, str] = {}
        #: Host, agent it was meant for (empty: the first), request.
        self.asked: list[tuple[str, str, str]] = []
        self.attached: list[bytes] = []
        #: Request, seconds for all hosts, seconds of silence.
        self.bounds: list[tuple[str, Optional[float], Optional[float]]] = []
        #: What is asked of those too that seem to hang.
        self.insisted: set[str] = set()

    def greet(
        self, timeout: float, on_event: Optional[OnEvent] = None, on_answer: Optional[OnAnswer] = None
    ) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}
        for host in self.hosts:
            if on_event is not None and host not in self.silent:
                on_event(host, Message({"event": "bootstrap", "have": host not in self.old}))
            answers[host] = self.silent.get(host) or Message({"event": "hello"})
            if on_answer is not None:
                on_answer(host, answers[host])
        return answers

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
        self.bounds += [(str(message.fields["do"]), timeout, silence) for message in requests.values()]
        self.insisted.update(str(message.fields["do"]) for message in requests.values() if insist)
        answers = {host: self._answer(host, message) for host, message in requests.items()}
        for host, answer in answers.items():
            if on_answer is not None:
                on_answer(host, answer)
        return answers

    def begin(self, requests: Mapping[str, Message], *, insist: bool = False) -> Answered:
        def note(timeout: Optional[float], silence: Optional[float]) -> None:
            self.bounds += [(str(message.fields["do"]), timeout, silence) for message in requests.values()]

        return Answered(self.ask(requests, insist=insist), note)

    def reached_at(self, host: str) -> str:
        return self.at.get(host, "")

    def failures(self) -> dict[str, HostFailure]:
        return dict(self.silent)

    def heard(self, request: str) -> list[str]:
        """Return the hosts that were asked that, in order."""
        return [host for host, _, asked in self.asked if asked == request]

    def _answer(self, host: str, message: Message) -> Answer:
        if host in self.silent:
            return self.silent[host]
        name = str(message.fields["do"])
        self.asked.append((host, str(message.fields.get("to", "")), name))
        self.attached.append(message.attached)
        said = self.says.get(name, {})
        if callable(said):
            said = said(host, dict(message.fields))
        return Message({"event": "done", **said}) if isinstance(said, dict) else said
