"""What is to be done about releases, given what every host says it has: pure decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from ..errors import BadInput
from .failures import printable
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

    def why_not(self, tag: str, *, back: bool = False) -> str:
        """Say why *tag* cannot become current here, as a way back or at all; empty where it can."""
        release = self.releases.get(tag)
        if release is None:
            bringing = "murder.releases lists what there is" if back else "murder.fetch brings it"
            return f"it has no release {tag}; {bringing}"
        if back and release["state"] == "bad":
            why = printable(str(release["reason"]))
            return f"its {tag} is marked bad: {why}; murder.switch --tag {tag} goes there still"
        return "" if release["usable"] else f"its release {tag} is not of ours, and nobody knows what it is"


class Way(NamedTuple):
    """A rollback: from *left*, which most hosts have, to *tag*, on *hosts*; the others are there already."""

    left: str
    tag: str
    hosts: list[str]


class Behind(NamedTuple):
    """What it takes to bring all hosts to one release."""

    tag: str
    digest: str
    #: Hosts that have it as it was verified; those where it is current first.
    having: list[str]
    #: Hosts that do not, or of whose release somebody has changed files.
    lacking: list[str]
    #: Hosts whose `current` is to move, or whose services are to hear of other files; those that lack it too.
    elsewhere: list[str]

    def sources(self) -> list[str]:
        """Return the hosts that are to give it."""
        return self.having[: max(LEAST_SOURCES, SOURCES_FOR_ONE * len(self.lacking))]


def is_deployed(listings: Mapping[str, Listing]) -> bool:
    """Say whether any host has a release."""
    return any(one.current or one.releases for one in listings.values())


def nothing_deployed(destination: str, hosts: Iterable[str]) -> str:
    """Say that there is no release at a destination, and what to do about it."""
    return (
        f"nothing is deployed in {destination} on {fold(hosts)}, and nothing was changed; name another"
        " --destination-path, or murder.deploy brings a first release there"
    )


def way_back(listings: Mapping[str, Listing], to: str | None = None) -> Way:
    """
    Decide where a rollback goes; whether hosts can go there `cannot_go` says.

    1. What most hosts have as `current` is left.
    2. They must agree on the good release that was current before, unless *to* names one.

    Raises:
        BadInput: there is nothing to go back to, or nobody knows where that is.
    """
    left = _most_common(one.current for one in listings.values() if one.current)
    if left is None:
        raise BadInput("nothing to roll back: no host has a current release, or as many have one as another")
    if to == left:
        raise BadInput(f"nothing to roll back: {to} is current already; nothing was changed")
    tag = to or _agreed(left, listings)
    return Way(left, tag, [host for host, one in listings.items() if one.current != tag])


def cannot_go(
    listings: Mapping[str, Listing], tag: str, hosts: Iterable[str], *, back: bool = False
) -> dict[str, str]:
    """
    Return the hosts that cannot go to *tag*, and why.

    1. One that has not got it, or where nobody knows what it is; for a way back, where it is marked bad.
    2. One whose release of that name is another one than most have; all, where none is what most have.

    Args:
        hosts: those that are to go; rule 2 is about the others too.
        back: it is a rollback.
    """
    reasons = {host: listings[host].why_not(tag, back=back) for host in hosts}
    reasons = {host: why for host, why in reasons.items() if why}
    digests = by_value({host: one.digest(tag) for host, one in listings.items() if tag in one.releases})
    if len(digests) > 1:
        right = _most_common(one.digest(tag) for one in listings.values() if tag in one.releases)
        said = ", ".join(f"{digest[:12] or 'unverified'} on {fold(its)}" for digest, its in digests.items())
        for digest, its in digests.items():
            if digest != right:
                reasons.update(dict.fromkeys(its, f"{tag} is not the same release on all hosts: {said}"))
    return reasons


def behind(
    listings: Mapping[str, Listing],
    tag: str | None = None,
    damaged: Container[str] = (),
    digest: str | None = None,
) -> Behind:
    """
    Decide which hosts lack what most hosts have as `current`, or *tag*.

    Args:
        damaged: hosts of whose release somebody has changed files.
        digest: of what all are to have, once that is decided: hosts that fail later change nothing about it.

    Raises:
        BadInput: no release is what most hosts have, or nobody has it with a torrent.
    """
    if tag is None:
        tag = _most_common(one.current for one in listings.values() if one.current)
    if tag is None:
        raise BadInput("as many hosts have one release as another; say which with --tag; nothing was changed")
    digest = digest or _most_common(filter(None, (one.digest(tag) for one in listings.values())))
    if digest is None:
        raise BadInput(
            f"no host has {tag} as a verified release with its torrent, or as many one as another;"
            " nothing was changed. Deploy it"
        )
    having = [host for host, one in listings.items() if one.digest(tag) == digest and host not in damaged]
    having.sort(key=lambda host: listings[host].current != tag)
    lacking = [host for host in listings if host not in having]
    elsewhere = [host for host, one in listings.items() if one.current != tag or host in lacking]
    return Behind(tag, digest, having, lacking, elsewhere)


def by_value(values: Mapping[str, Key]) -> dict[Key, list[str]]:
    """Return the hosts that have each value, those of the most hosts first."""
    groups: dict[Key, list[str]] = {}
    for host, value in values.items():
        groups.setdefault(value, []).append(host)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def confirmed(said: Sequence[Key], *, is_alone: bool) -> Key | None:
    """
    Return what most hosts say of what no digest covers, if they are two or more; None if that is nothing.

    Args:
        said: what each of them says.
        is_alone: there is but one that can know; it is believed.
    """
    value = _most_common(said)
    return value if is_alone or sum(one == value for one in said) > 1 else None


def _agreed(left: str, listings: Mapping[str, Listing]) -> str:
    """Return where the hosts that have *left* would go back to, if that is one place."""
    places = by_value({host: one.next_back() for host, one in listings.items() if one.current == left})
    tag = next(iter(places))
    if len(places) > 1:
        said = ", ".join(f"{fold(hosts)} to {place or 'nothing'}" for place, hosts in places.items())
        raise BadInput(
            f"the hosts would go back to different releases: {said}; nothing was changed. Say which with --to"
        )
    if tag is None:
        raise BadInput(
            f"nothing to roll back to: no good release was current before {left}; nothing was changed."
            " murder.releases lists what there is, --to TAG names one"
        )
    return tag


def _most_common(values: Iterable[Key]) -> Key | None:
    """Return the value there is most of; None where there is none, or two there are as many of."""
    counted = Counter(values).most_common(2)
    if not counted or (len(counted) == 2 and counted[0][1] == counted[1][1]):
        return None
    return counted[0][0]
