"""`murder.doctor`: all that can be known before a deploy about its hosts, and whom of them reaches whom."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import control
from ..control import Message, Request
from ..storage.tree import Tree
from ..tracker.addresses import canonical_host
from ..units import counted, shown_size
from . import inventory
from .calls import Call, Door, faults, is_sample, rounds
from .choosing import by_value
from .clocks import offset_of
from .deployment import Deployment
from .failures import HostFailure, printable
from .muster import MOST_TOLD, PROMPT_TIMEOUT, shared_addresses, sharing_sentence
from .outcome import HostState
from .preflight import SPARE_BYTES, lack_of_room
from .run import Run
from .settings import split_paths

#: Seconds that two clocks may differ before that is said.
CLOCK_TOLERANCE = 1.0
ALSO = "; also: "


def check_up(deployment: Deployment, tree: Tree | None = None) -> str:
    """
    Look at every host of the run, and have them call at each other; nothing is changed but for the agent.

    Args:
        tree: what is to be deployed, if that is known: hosts without room for it are not fit.
    """
    run = deployment.plan
    run.need_going()
    checkup = _Checkup(run, run.outcome.going)
    with run.view.stage("examine") as said:
        if run.wanted.destination:
            checkup.examine(tree)
        checkup.read_clocks()
        said.append(f"{counted(len(checkup.hosts), 'host')} looked at")
    with run.view.stage("reach") as said:
        calls = checkup.call()
        in_vain = sum(bool(call.problem) for call in calls)
        sampled = "a sample of " * is_sample(len({call.caller for call in calls}))
        said.append(f"{sampled}{counted(len(calls), 'call')} from host to host, {in_vain} in vain")
    for host, sentences in checkup.problems.items():
        run.outcome.failed(host, HostFailure("failed", ALSO.join(dict.fromkeys(sentences))))
    facts = {host: run.outcome[host].facts for host in checkup.hosts}
    run.outcome.report = report_text(facts, None if tree is None else _needs(tree)[0])
    fit = len(run.outcome.going)
    count = fit + len(run.outcome.lost)
    return f"{fit} of {counted(count, 'host')} {'is' if fit == 1 else 'are'} fit for a deploy"


def report_text(facts: Mapping[str, Mapping[str, Any]], length: int | None = None) -> str:
    """
    Return a line for each group of hosts that are alike, with what there is to know of them.

    Args:
        length: bytes of what is to be deployed, where that is known.
    """
    lines = []
    for hosts in by_value({host: _alike(one) for host, one in facts.items()}).values():
        known = [facts[host] for host in hosts]
        parts = [f"Python {known[0].get('python') or 'unknown'}"]
        if "current" in known[0]:
            parts.append(f"current is {known[0]['current'] or 'nothing'}")
            free = min(one["free_bytes"] for one in known)
            parts.append(f"{shown_size(free)} free{' or more' * bool(known[1:])}{_after(free, length)}")
        parts.append(_clock(known[0]))
        lines.append(f"{inventory.counted(hosts)}: {', '.join(parts)}")
    return "\n".join(lines)


class _Checkup:
    """What is found out about *hosts*: facts go into the outcome; each may have several problems."""

    def __init__(self, run: Run, hosts: list[str]) -> None:
        self.hosts = hosts
        self.problems: dict[str, list[str]] = {}
        self._run = run
        for host in hosts:
            agent = "brought" if host in run.muster.supplied else "present"
            run.outcome.noted(host, python=run.muster.pythons.get(host), agent=agent)

    def examine(self, tree: Tree | None) -> None:
        """Make the checks of a deploy, on hosts that would be deployed to."""
        run = self._run
        request = control.Examine(run.wanted.destination, split_paths(run.settings.linked_files))
        peers = [host for host in self.hosts if host in run.roles.peers]
        for host, fields in self._ask(peers, lambda _: request).items():
            self._fault(host, *fields["problems"][:MOST_TOLD])
            if not fields["problems"]:
                room = fields.get("free_bytes", 0), fields.get("free_inodes")
                run.outcome.noted(
                    host, current=fields.get("current"), free_bytes=room[0], free_inodes=room[1]
                )
                length, entries = _needs(tree)
                if lack := lack_of_room(run.wanted.destination, room, length, entries):
                    self._fault(host, lack)

    def read_clocks(self) -> None:
        """Compare the hosts' clocks with ours."""
        ask = self._run.muster.channels.begin(
            dict.fromkeys(self.hosts, Message(control.Heartbeat().fields()))
        )
        answers = self._settled(ask.wait(PROMPT_TIMEOUT))
        epoch = time.time() - time.monotonic()
        for host, fields in answers.items():
            # Every answer says what time it is there.
            found = offset_of(fields.get("time", 0.0) - epoch, ask.asked_at[host], ask.heard_at[host])
            self._run.outcome.noted(
                host, clock_offset=round(found.seconds, 3), clock_error=round(found.error, 3)
            )

    def call(self) -> list[Call]:
        """Have the hosts stand by and call at each other; return all calls."""
        run, settings = self._run, self._run.settings
        addresses = {
            host: canonical_host(str(fields["address"]))
            for host, fields in self._ask(
                self.hosts, lambda _: control.Locate(settings.interface or None)
            ).items()
        }
        doors = self._stand_by(addresses, *settings.peer_port_range())
        self._tell_namesakes(doors)
        ring = [doors[host] for host in run.outcome.going if host in doors and host in run.roles.peers]
        for_all = [doors[host] for host in run.roles.seeders if host in doors]
        if run.roles.tracker in addresses and not settings.tracker_url:
            tracker = {run.roles.tracker: addresses[run.roles.tracker]}
            for_all += self._stand_by(tracker, *settings.tracker_port_range()).values()
        calls = self._make(rounds(ring, for_all), addresses)
        for host, sentences in faults(calls, self.hosts).items():
            self._fault(host, *sentences)
        return calls

    def _stand_by(self, addresses: Mapping[str, str], first: int, last: int) -> dict[str, Door]:
        marks = {host: secrets.token_hex(8) for host in addresses}
        answers = self._ask(
            addresses, lambda host: control.StandBy(addresses[host], first, last, marks[host])
        )
        doors = {
            host: Door(host, addresses[host], int(fields["port"]), marks[host])
            for host, fields in answers.items()
        }
        for host, door in doors.items():
            self._run.outcome.noted(host, address=door.address)
        return doors

    def _tell_namesakes(self, doors: dict[str, Door]) -> None:
        """
        Find out of hosts with the same address whether they are one; its second name then stands aside.

        A host that hears the mark of another one at its own address is that other one, on its own word:
        nobody can say so of others. Of hosts that are not one, the address is that of the one which SSH
        reaches there, as in a deploy; if that is none of them, or several, nobody can tell.
        """
        reached_at = self._run.muster.channels.reached_at
        for address, hosts in shared_addresses({host: door.address for host, door in doors.items()}).items():
            there = [host for host in hosts if reached_at(host) == address]
            owner = there[0] if len(there) == 1 else ""
            first, *others = [*there, *(host for host in hosts if host not in there)]
            heard = self._make([dict.fromkeys(others, doors[first])], dict.fromkeys(others, address))
            for call in heard:
                other = call.caller
                if call.problem:
                    for host in [other] if owner else [first, other]:
                        self._fault(host, sharing_sentence(hosts, address, owner))
                else:
                    self._run.outcome.reached(other, HostState.SKIPPED, f"another name of {first}")
                    self._run.view.say(f"  {other} is another name of {first}: it is deployed to once")

    def _make(self, todo: Iterable[Mapping[str, Door]], addresses: Mapping[str, str]) -> list[Call]:
        asks = []
        for calls in todo:
            requests = {
                caller: Message(control.Reach(addresses[caller], door.address, door.port, door.mark).fields())
                for caller, door in calls.items()
            }
            asks.append((calls, self._run.muster.channels.begin(requests)))
        made = []
        for count, (calls, ask) in enumerate(asks):
            self._run.view.progress(f"{count} of {len(asks)} rounds of calls heard")
            for caller, fields in self._settled(ask.wait(PROMPT_TIMEOUT)).items():
                made.append(Call(caller, calls[caller], str(fields["problem"])))
        return made

    def _ask(
        self, hosts: Iterable[str], request_of: Callable[[str], Request]
    ) -> dict[str, Mapping[str, Any]]:
        requests = {host: Message(request_of(host).fields()) for host in hosts}
        return self._settled(self._run.muster.channels.ask(requests, PROMPT_TIMEOUT))

    def _fault(self, host: str, *sentences: str) -> None:
        """Note what is wrong with *host*, each thing once: one that hangs fails at all it is asked."""
        for sentence in map(printable, sentences):
            if sentence not in (noted := self.problems.setdefault(host, [])):
                noted.append(sentence)

    def _settled(self, answers: Mapping[str, Message | HostFailure]) -> dict[str, Mapping[str, Any]]:
        """Return the fields of those that answered; why the others did not is a problem of theirs."""
        done: dict[str, Mapping[str, Any]] = {}
        for host, answer in answers.items():
            if isinstance(answer, HostFailure):
                self._fault(host, answer.reason)
            else:
                done[host] = answer.fields
        return done


def _after(free: int, length: int | None) -> str:
    """Say what must be free for a release of *length* bytes, and what is when it is there."""
    if length is None:
        return ""
    needed = length + SPARE_BYTES
    left = f", {shown_size(free - length)} left then" * (free >= needed)
    return f" ({shown_size(needed)} needed{left})"


def _needs(tree: Tree | None) -> tuple[int, int]:
    if tree is None:
        return 0, 0
    return sum(file.length for file in tree.files), len(tree.files) + len(tree.directories)


def _alike(facts: Mapping[str, Any]) -> tuple[Any, ...]:
    return facts.get("python"), "current" in facts, facts.get("current"), _clock(facts)


def _clock(facts: Mapping[str, Any]) -> str:
    offset, error = facts.get("clock_offset"), facts.get("clock_error", 0.0)
    if offset is None:
        return "clock unknown"
    if abs(offset) <= error + CLOCK_TOLERANCE:
        return "clock right"
    return f"clock {abs(offset):.0f} s {'ahead' if offset > 0 else 'behind'}"
