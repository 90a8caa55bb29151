"""What runs on the hosts now, whoever started it: trackers, seeders, peers, and how far each host is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .. import control
from ..units import counted, shown_seconds, shown_size
from .failures import HostFailure, printable
from .muster import Muster
from .ranges import fold
from .recipes import must_have_some

#: Hosts of a swarm that are told one by one, those that still need longest first.
MOST_NAMED = 20

#: What agents tell, by host; see `control.Status`.
Agents = Mapping[str, Sequence[Mapping[str, Any]]]

#: Since when somebody deploys somewhere; the hosts of one run were taken at different moments.
Holders = dict[tuple[str, str], str]


class Member(NamedTuple):
    """A host that takes part in the swarm of a tag."""

    host: str
    #: Of a detached agent; empty where a run is under way.
    agent: str
    progress: Mapping[str, Any]

    @property
    def complete(self) -> bool:
        """Whether it has everything."""
        return bool(self.progress["bytes"] >= self.progress["length"])

    @property
    def seconds_left(self) -> float:
        """How long it needs at this rate; infinite where nothing comes."""
        if self.complete:
            return 0.0
        lacking, rate = self.progress["length"] - self.progress["bytes"], self.progress["rate"]
        return lacking / rate if rate > 0 else float("inf")


def status(muster: Muster) -> str:
    """Ask every host what agents of ours do there; it is in the report, and in the facts of each host."""
    must_have_some(muster)
    answers = muster.ask(muster.outcome.going, lambda _: control.Status())
    found: dict[str, Any] = {}
    for host, answer in answers.items():
        agents: Any = answer.fields.get("agents")
        try:
            status_text({host: agents})
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
            muster.drop(host, HostFailure("failed", "it told what runs there in a way that cannot be read"))
        else:
            muster.outcome.noted(host, agents=agents)
            found[host] = agents
    must_have_some(muster)
    muster.outcome.report = status_text(found)
    busy = [host for host, agents in found.items() if agents]
    return f"agents at work on {counted(len(busy), 'host')} of {len(found)}"


def status_text(found: Agents) -> str:
    """Return what agents do as text: trackers, then each swarm, then who is busy outside of any."""
    blocks = [*_trackers(found), *_swarms(found), *_busy(found)]
    idle = [host for host, agents in found.items() if not agents]
    if idle:
        blocks.append(f"nothing runs on {fold(idle)} ({counted(len(idle), 'host')})")
    return "\n".join(blocks)


def _trackers(found: Agents) -> Iterable[str]:
    for host, agents in found.items():
        for agent in agents:
            tracker = agent["tracker"]
            if tracker is not None:
                peers = f"{tracker['complete']} complete, {tracker['incomplete']} not yet"
                where = f"{tracker['address']}, port {tracker['port']}"
                line = f"tracker on {host}, address {where}: {peers}"
                yield "\n  ".join(
                    [printable(line), *(printable(str(tracker[page])) for page in ("stats", "metrics"))]
                )


def _swarms(found: Agents) -> Iterable[str]:
    by_tag: dict[str, list[Member]] = {}
    holders: dict[str, Holders] = {}
    for host, agents in found.items():
        for agent in agents:
            for torrent in agent["torrents"]:
                tag = str(torrent["tag"])
                by_tag.setdefault(tag, []).append(Member(host, str(agent["agent"]), torrent))
                for destination in agent["destinations"]:
                    _hold(holders.setdefault(tag, {}), destination)
    for tag, members in by_tag.items():
        yield "\n".join([_heading(tag, members), *_held(holders.get(tag, {})), *_lines(members)])


def _heading(tag: str, members: Sequence[Member]) -> str:
    # Where more than one agent of a host takes part, what the host has is what one of them has.
    by_bytes = sorted(members, key=lambda member: member.progress["bytes"])
    furthest = {member.host: member for member in by_bytes}.values()
    length = sum(member.progress["length"] for member in furthest) or 1
    share = 100 * sum(member.progress["bytes"] for member in furthest) // length
    complete = sum(member.complete for member in furthest)
    rate = shown_size(sum(member.progress["rate"] for member in members))
    hosts = counted(len(furthest), "host")
    return printable(f"{tag} on {hosts}: {complete} complete, {share} % of all bytes there, {rate}/s")


def _lines(members: Sequence[Member]) -> list[str]:
    """Return a line for each of those that need longest."""
    ordered = sorted(members, key=lambda member: -member.seconds_left)
    shown = ordered[:MOST_NAMED]
    width = max(len(member.host) for member in shown)
    lines = [f"  {member.host:<{width}}  {_going(member)}" for member in shown]
    more = len(members) - len(shown)
    return lines + [f"  and {more} more, nearer to the end"] * (more > 0)


def _going(member: Member) -> str:
    told = member.progress
    peers, up = counted(told["peers"], "peer"), f"up {shown_size(told['upload_rate'])}/s"
    who = f", {printable(member.agent)}" * bool(member.agent)
    if member.complete:
        return f"complete, {up}, {peers}{who}"
    share = 100 * told["bytes"] // (told["length"] or 1)
    left = member.seconds_left
    when = f"{shown_seconds(left)} left" if left != float("inf") else "nothing comes"
    return f"{share} %, {when}, down {shown_size(told['rate'])}/s, {up}, {peers}{who}"


def _busy(found: Agents) -> Iterable[str]:
    """Yield who works at a destination and is in no swarm: it takes in an upload, hashes, verifies, waits."""
    hosts: dict[tuple[str, str], list[str]] = {}
    holders: Holders = {}
    for host, agents in found.items():
        for agent in agents:
            for destination in agent["destinations"] if not agent["torrents"] else ():
                hosts.setdefault(_hold(holders, destination), []).append(host)
    for holder, named in hosts.items():
        who = "\n".join(_held({holder: holders[holder]}))
        yield f"{fold(named)} ({counted(len(named), 'host')}): at work, in no swarm just now\n{who}"


def _hold(holders: Holders, destination: Mapping[str, Any]) -> tuple[str, str]:
    """Note who holds *destination* since when, and return by what `holders` knows it."""
    holder, since = (str(destination["path"]), str(destination["operator"])), str(destination["since"] or "")
    holders[holder] = min(filter(None, (holders.get(holder), since)), default="")
    return holder


def _held(holders: Holders) -> list[str]:
    return [
        "  " + printable(f"{operator or 'somebody'} deploys to {path}" + f" since {since}" * bool(since))
        for (path, operator), since in holders.items()
    ]
