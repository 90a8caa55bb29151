"""The record of one run: what `murder.history` and the HTML page are made of, as a value and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import BadInput

#: Another number is another format; what an older or newer version wrote is not shown.
FORMAT = 1
#: Hosts in the table of who sent to whom; where there are more, neighbours share a row.
MOST_ROWS = 100
#: No number of a record comes near it, though a host may say any below 2**63 (`control.shapes`), and here are
#: sums of what 100,000 hosts say of 100,000 others; nor does a time (Unix seconds).
_MOST, _LATEST = 1e30, 1e12
#: States of a host that did not do what was asked.
FAILED = ("failed", "unreachable")
#: The state in which a host is where a task was to bring it, where that is another one than "switched".
_AIMS = {"fetch": "verified", "cleanup": "ready"}


@dataclasses.dataclass(frozen=True)
class HostRecord:
    """What became of one host; see `HostResult`."""

    state: str
    error: str = ""
    bytes_moved: int = 0
    bytes_reused: int = 0
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class StageRecord:
    """A stage: seconds from the beginning of the run, and how long it took."""

    name: str
    began: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class Sample:
    """How far each host was, in per cent of the payload, so many seconds after the run began."""

    at: float
    shares: Sequence[int]


@dataclasses.dataclass(frozen=True)
class Exchange:
    """
    Who sent to whom.

    `names` are hosts, or folded groups of neighbours (`web[1-10]`); `sent[i][j]` are the bytes that came from
    `names[i]` to `names[j]`. What came from elsewhere, such as the operator's machine, is the last row.
    """

    names: Sequence[str] = ()
    sent: Sequence[Sequence[int]] = ()


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """One run of a task; there is no secret in it."""

    #: When it began, in UTC, and hexadecimal digits of chance: `20261122-063500-3f2a91c07be4`.
    id: str
    task: str
    #: Who ran it and where: `user@machine`.
    operator: str
    #: Unix seconds.
    began_at: float
    seconds: float
    #: None until it has ended; so it stays where the run is killed.
    exit_code: int | None
    message: str
    tag: str
    destination: str
    digest: str
    #: Bytes of the payload; 0 where none was moved.
    length: int
    #: Who had all of it first; this machine has no host's name.
    seeders: Sequence[str]
    hosts: Mapping[str, HostRecord]
    #: Bytes that each agent sent to others, by host; seeders that are no peers are among them.
    uploads: Mapping[str, int] = dataclasses.field(default_factory=dict)
    stages: Sequence[StageRecord] = ()
    #: In the order in which they were taken; `shares` are in the order of `hosts`.
    samples: Sequence[Sample] = ()
    exchange: Exchange = Exchange()

    def to_json(self) -> str:
        """Return it as one JSON object, on one line."""
        return json.dumps(self.fields(), separators=(",", ":"))

    def fields(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    def summary(self) -> dict[str, Any]:
        """Return what is the same for all hosts, and how many of these ended how, as values of JSON."""
        names = ("id", "task", "operator", "began_at", "seconds", "exit_code", "message", "tag")
        states = [one.state for one in self.hosts.values()]
        return {
            **{name: getattr(self, name) for name in (*names, "destination", "digest", "length")},
            "hosts": {state: states.count(state) for state in dict.fromkeys(states)},
        }

    @classmethod
    def from_json(cls, text: str | bytes) -> RunRecord:
        """
        Return the record that *text* is.

        Raises:
            BadInput: it is none of this format.
        """
        try:
            fields = json.loads(text)
            if fields.pop("format") != FORMAT:
                raise ValueError
            record = cls(
                **{
                    **fields,
                    "hosts": {host: HostRecord(**one) for host, one in fields["hosts"].items()},
                    "stages": [StageRecord(**one) for one in fields["stages"]],
                    "samples": [Sample(**one) for one in fields["samples"]],
                    "exchange": Exchange(**fields["exchange"]),
                }
            )
            _check(record)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise BadInput("it is no record of a run that this version can read") from None
        return record

    @property
    def failed(self) -> list[str]:
        """The hosts that failed, unreachable ones included."""
        return [host for host, one in self.hosts.items() if one.state in FAILED]

    def count(self, *states: str) -> int:
        """Return how many hosts ended in any of *states*."""
        return sum(one.state in states for one in self.hosts.values())

    def total(self, field: str) -> int:
        """Return the sum of a field of `HostRecord` over all hosts."""
        return sum(getattr(one, field) for one in self.hosts.values())

    @property
    def uploaded(self) -> tuple[int, int]:
        """The bytes that seeders sent, and that all other hosts did."""
        of_seeders = sum(count for host, count in self.uploads.items() if host in self.seeders)
        return of_seeders, sum(self.uploads.values()) - of_seeders

    @property
    def has_ended(self) -> bool:
        """Whether it is known how it ended; else it goes on, or was killed."""
        return self.exit_code is not None

    @property
    def took(self) -> str:
        """How long it took, for people; a dash where that is not known."""
        return f"{self.seconds:.1f} s" if self.has_ended else "-"

    @property
    def verdict(self) -> str:
        """What it ended with, for people."""
        return f"exit code {self.exit_code}" if self.has_ended else "not ended"

    @property
    def aim(self) -> str:
        """The state in which a host is where the run was to bring it."""
        return _AIMS.get(self.task, "switched")

    @property
    def unfinished(self) -> list[str]:
        """The hosts that are not where the run was to bring them, those included that waited for others."""
        return [host for host, one in self.hosts.items() if one.state not in (self.aim, "skipped")]


def _check(record: RunRecord) -> None:
    """Raise ValueError or TypeError where a field is of another kind than it must be."""
    texts: list[Any] = [record.id, record.task, record.operator, record.message]
    texts += [record.tag, record.destination, record.digest, *record.exchange.names]
    for host in record.hosts.values():
        texts += [host.state, host.error]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("texts")
    names, sent = record.exchange.names, record.exchange.sent
    if not (len(names) <= len(sent) <= len(names) + 1 and all(len(row) == len(names) for row in sent)):
        raise ValueError("exchange")
    if not all(len(sample.shares) == len(record.hosts) for sample in record.samples):
        raise ValueError("samples")
    if not 0 <= record.began_at < _LATEST:
        raise ValueError("began_at")
    numbers: list[Any] = [record.seconds, record.length]
    numbers += [record.exit_code] * record.has_ended
    numbers += record.uploads.values()
    for host in record.hosts.values():
        numbers += [host.bytes_moved, host.bytes_reused, host.seconds]
    for stage in record.stages:
        numbers += [stage.began, stage.seconds]
    for sample in record.samples:
        numbers += [sample.at, *sample.shares]
    for row in record.exchange.sent:
        numbers += row
    if not all(isinstance(number, (int, float)) and -_MOST < number < _MOST for number in numbers):
        raise TypeError("numbers")
