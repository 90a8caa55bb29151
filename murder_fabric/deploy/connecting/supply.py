"""Sends hosts the agent that they lack, or tells them which other host has it."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterable
from typing import Optional, Protocol

from ...control import Message, PassNoMore, PassOn, check_event
from ...errors import ControlError
from ...tracker.addresses import canonical_host
from .asking import Answer, Listener
from .passing_on import Do, PassingOn, Place, Step


class Sender(Protocol):
    """What reaches the hosts; `Channels`."""

    def send(self, host: str, *parts: bytes) -> None:
        """Send bytes that are no message."""

    def tell(self, host: str, message: Message, listener: Listener) -> None:
        """Send a request, and let *listener* hear what comes of it."""

    def reached_at(self, host: str) -> str:
        """Return the IP address that SSH went to; empty where something is between."""


class Supply:
    """
    Does what `PassingOn` decides; told all by the one thread that reads.

    Args:
        bundle: the agent, as it is sent.
        pass_on: how a host is asked to give it to others; None if all get it over SSH.
        hosts: all on which an agent is to start.
        sender: reaches them.
    """

    def __init__(
        self, bundle: bytes, pass_on: Optional[PassOn], hosts: Iterable[str], sender: Sender
    ) -> None:
        self._bundle = bundle
        self._pass_on = pass_on
        self._hosts = list(hosts)
        self._sender = sender
        self._passing = PassingOn(self._hosts, len(bundle))
        self._place: Optional[Place] = None

    def heard(self, host: str, message: Message, *, now: float) -> None:
        """Take what the bootstrap program on *host* says."""
        event, lacks = message.fields.get("event"), not message.fields.get("have")
        if self._pass_on is None:
            if event == "bootstrap" and lacks:
                self._sender.send(host, self._bundle)
        elif event == "unfetched":
            self._take(self._passing.unfetched(host, now=now))
        elif event == "received":
            self._take(self._passing.received(host, now=now))
        elif event == "bootstrap" and lacks:
            self._take(self._passing.lacks(host, now=now))

    def greeted(self, host: str, *, now: float) -> None:
        """The agent of *host* speaks."""
        if self._pass_on is not None:
            self._take(self._passing.greeted(host, now=now))

    def lost(self, host: str, *, now: float) -> None:
        """*host* cannot be talked to any more."""
        if self._pass_on is not None:
            self._take(self._passing.lost(host, now=now))

    def look(self, *, now: float) -> None:
        """Time has passed."""
        if self._pass_on is not None:
            self._take(self._passing.look(now=now))

    def hear(self, host: str, what: Answer) -> None:
        """Take the answer of a host that was asked to pass the agent on."""
        event = what.fields.get("event") if isinstance(what, Message) else "failed"
        now = time.monotonic()
        if event == "failed":
            self._take(self._passing.refused(host, now=now))
        elif event == "done" and isinstance(what, Message) and self._pass_on is not None:
            self._place = self._place_on(host, self._pass_on, what)
            heard = self._passing.serves if self._place is not None else self._passing.refused
            self._take(heard(host, now=now))

    def _place_on(self, host: str, asked: PassOn, said: Message) -> Optional[Place]:
        """Return where *host* says that it passes the agent on, if all others are to go there."""
        try:
            check_event(asked.name, said.fields)
        except ControlError:
            return None
        address = canonical_host(said.fields["address"])
        if not self._may_be_at(host, address, asked):
            return None
        return Place(address, said.fields["port"], asked.path, self._passing.patience)

    def _may_be_at(self, host: str, address: str, asked: PassOn) -> bool:
        """
        Say whether *host* is believed to be at *address*: it could send all others anywhere with it.

        It is there if SSH reached it there. Where SSH does not tell, as something is between, or goes by
        another network than `murder.interface`, it may be at any address at which SSH reached no other host;
        but at none that leads each host to itself, or to its cloud's metadata.
        """
        reached_at = self._sender.reached_at
        if address == reached_at(host):
            return True
        if reached_at(host) and not asked.interface:
            return False
        ip = ipaddress.ip_address(address)
        is_elsewhere = not (ip.is_loopback or ip.is_link_local)
        return is_elsewhere and all(reached_at(other) != address for other in self._hosts)

    def _take(self, steps: Iterable[Step]) -> None:
        for do, host in steps:
            if do is Do.SEND:
                self._sender.send(host, _line(None), self._bundle)
            elif do is Do.SEND_AFTER_ALL:
                self._sender.send(host, self._bundle)
            elif do is Do.POINT:
                self._sender.send(host, _line(self._place))
            elif do is Do.ASK and self._pass_on is not None:
                self._sender.tell(host, Message(self._pass_on.fields(), self._bundle), self)
            elif do is Do.DISMISS:
                self._sender.tell(host, Message(PassNoMore().fields()), _Nobody())


class _Nobody:
    """Whoever passes nothing on any more may say so."""

    def hear(self, host: str, what: Answer) -> None:
        """Nothing comes of it."""


def _line(place: Optional[Place]) -> bytes:
    fields = None if place is None else place.fields()
    return json.dumps({"fetch": fields}).encode("ascii") + b"\n"
