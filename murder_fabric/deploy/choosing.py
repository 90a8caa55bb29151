"""What is to be done about releases, given what every host says it has: pure decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from ..errors import BadInput, HostsFailed
from .ranges import fold

Key = TypeVar("Key", bound=Hashable)

#: Hosts that have a release are asked to give it; more than so many for each that lacks it are not needed.
SOURCES_FOR_ONE = 2
LEAST_SOURCES = 4


@dataclass(frozen=True)
class Listing:
    """What one host answered to `control.ListReleases`."""

    current: str | None
    held: Mapping[str, str] | None
    #: By tag, newest first: the fields of each release.
    releases: Mapping[str, Mapping[str, Any]]

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Listing:
        """Take the fields of the answer."""
        releases = {str(one["tag"]): one for one in fields["releases"]}
        return cls(fields["current"], fields["held"], releases)

    def digest(self, tag: str | None) -> str:
        """Return the digest of a release; empty where it is not here, or was not verified here."""
        return str(self.releases.get(tag or "", {}).get("digest", ""))

    def next_back(self) -> str | None:
        """Return the tag of the good release that was current last before this one."""
        return next((tag for tag, one in self.releases.items() if one["rank"] == 1), None)

    def why_not(self, tag: str) -> str:
        """Say why one cannot go back to *tag* here; empty where one can."""
        release = self.releases.get(tag)
        if release is None:
            return "it is not there"
        if release["state"] == "bad":
            return f"it is marked bad: {release['reason']}"
        return "" if release["usable"] else "nobody knows what it is"


class Way(NamedTuple):
    """A rollback: from *left*, which most hosts have, to *tag*, on *hosts*; the others are there already."""

    left: str
    tag: str
    hosts: list[str]


class Behind(NamedTuple):
    """What it takes to bring all hosts to one release."""

    tag: str
    digest: str
    #: Hosts that have it and are to give it.
    sources: list[str]
    #: Hosts that do not have it.
    lacking: list[str]
    #: Hosts whose `current` is another one, those that lack it included.
    elsewhere: list[str]


def way_back(listings: Mapping[str, Listing], to: str | None = None) -> Way:
    """
    Decide where a rollback goes.

    1. What most hosts have as `current` is left.
    2. They must agree on the good release that was current before, unless *to* names one.
    3. Every host must be able to go there, or be there; and it must be the same release everywhere.

    Raises:
        BadInput: there is nothing to go back to.
        HostsFailed: some hosts could go and others not; says which.
    """
    left = _most_common(one.current for one in listings.values() if one.current)
    if left is None:
        raise BadInput("nothing to roll back: no host has a current release, or as many have one as another")
    if to == left:
        raise BadInput(f"nothing to roll back: {to} is current already; nothing was changed")
    tag = to or _agreed(left, listings)
    hosts = [host for host, one in listings.items() if one.current != tag]
    reasons = by_value({host: listings[host].why_not(tag) for host in hosts})
    reasons.pop("", None)
    if reasons:
        said = "; ".join(f"{fold(named)} cannot go back to {tag}: {why}" for why, named in reasons.items())
        other = "" if to else ". --to TAG names another release, murder.releases lists them"
        raise HostsFailed(f"{said}; nothing was changed{other}")
    must_be_one(tag, listings)
    return Way(left, tag, hosts)


def must_be_one(tag: str, listings: Mapping[str, Listing]) -> None:
    """
    Refuse a tag that means different things on different hosts.

    Raises:
        HostsFailed: it does.
    """
    digests = by_value({host: one.digest(tag) for host, one in listings.items() if tag in one.releases})
    if len(digests) > 1:
        said = ", ".join(
            f"{digest[:12] or 'unverified'} on {fold(hosts)}" for digest, hosts in digests.items()
        )
        raise HostsFailed(f"{tag} is not the same release on all hosts: {said}; nothing was changed")


def behind(listings: Mapping[str, Listing], tag: str | None = None) -> Behind:
    """
    Decide which hosts lack what most hosts have as `current`, or *tag*.

    Raises:
        BadInput: no release is what most hosts have, or nobody has it with a torrent.
    """
    if tag is None:
        tag = _most_common(one.current for one in listings.values() if one.current)
    if tag is None:
        raise BadInput("as many hosts have one release as another; say which with --tag; nothing was changed")
    digest = _most_common(filter(None, (one.digest(tag) for one in listings.values())))
    if digest is None:
        raise BadInput(
            f"no host has {tag} as a verified release with its torrent, or as many one as another;"
            " nothing was changed. Deploy it"
        )
    having = [host for host, one in listings.items() if one.digest(tag) == digest]
    having.sort(key=lambda host: listings[host].current != tag)
    lacking = [host for host in listings if host not in having]
    most = max(LEAST_SOURCES, SOURCES_FOR_ONE * len(lacking))
    elsewhere = [host for host, one in listings.items() if one.current != tag or host in lacking]
    return Behind(tag, digest, having[:most], lacking, elsewhere)


def by_value(values: Mapping[str, Key]) -> dict[Key, list[str]]:
    """Return the hosts that have each value, those of the most hosts first."""
    groups: dict[Key, list[str]] = {}
    for host, value in values.items():
        groups.setdefault(value, []).append(host)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def _agreed(left: str, listings: Mapping[str, Listing]) -> str:
    """Return where the hosts that have *left* would go back to, if that is one place."""
    places = by_value({host: one.next_back() for host, one in listings.items() if one.current == left})
    tag = next(iter(places))
    if len(places) > 1:
        said = ", ".join(f"{fold(hosts)} to {place or 'nothing'}" for place, hosts in places.items())
        raise HostsFailed(f"the hosts would go back to different releases: {said}; say which with --to")
    if tag is None:
        raise BadInput(
            f"nothing to roll back to: no good release was current before {left}; nothing was changed."
            " murder.releases lists what there is, --to TAG names one"
        )
    return tag


def _most_common(values: Iterable[str]) -> str | None:
    """Return the value there is most of; None where there is none, or two there are as many of."""
    counted = Counter(values).most_common(2)
    if not counted or (len(counted) == 2 and counted[0][1] == counted[1][1]):
        return None
    return counted[0][0]
