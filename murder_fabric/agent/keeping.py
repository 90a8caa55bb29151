"""Which releases of a destination one may go back to, and which have been kept long enough."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: What Capistrano calls its releases: the time in UTC.
CAPISTRANO = re.compile(r"[0-9]{14}")


@dataclass(frozen=True)
class Release:
    """One directory in `releases/`, and what we know of it."""

    tag: str
    #: In hex; empty where it was not verified here.
    digest: str = ""
    #: When it was verified, for people; empty where it was not.
    verified: str = ""
    #: Bytes of its files.
    length: int = 0
    current: bool = False
    #: 0 became current first of all that have been; None where it never did.
    place: int | None = None
    #: Why it is bad; empty where nobody says so.
    bad: str = ""
    #: Unix seconds of the last thing that is known to have happened to it.
    at: float = 0.0

    @property
    def state(self) -> str:
        """Say in a word what it is worth."""
        if self.bad:
            return "bad"
        if not self.digest:
            return "unknown"
        return "good" if self.current or self.place is not None else "fetched"


def ways_back(releases: Iterable[Release]) -> list[str]:
    """Return the tags that have been current before, and may be again; the last one first."""
    usable = [
        (release.place, release.tag)
        for release in releases
        if release.place is not None and not release.current and not release.bad
    ]
    return [tag for _, tag in sorted(usable, reverse=True)]


def surplus(releases: Sequence[Release], keep: int) -> list[str]:
    """
    Return the tags that may go, oldest first, if *keep* good releases are to be left.

    1. What is current stays, and so does the first way back.
    2. Of those that have been current and are not bad, the *keep* that were so last stay: in the order of the
       history, whatever the host's clock said then.
    3. The others (bad, fetched and never switched to, made by Capistrano) do not count among these. The
       *keep* newest of them stay, as long as they are newer than the oldest one kept by rule 2, or as there
       are fewer than *keep* of those.
    4. What has neither a receipt nor a name as Capistrano's was made by somebody else and stays.
    """
    ordered = sorted(releases, key=lambda release: release.at, reverse=True)
    good = [release for release in ordered if release.place is not None and not release.bad]
    kept = sorted(good, key=lambda release: release.place or 0, reverse=True)[:keep]
    oldest = min(release.at for release in kept) if len(kept) == keep else float("-inf")
    others = [release for release in ordered if release not in good and release.at > oldest]
    stay = {release.tag for release in (*kept, *others[:keep])}
    stay.update(ways_back(releases)[:1])
    return [
        release.tag
        for release in reversed(ordered)
        if release.tag not in stay
        and not release.current
        and (release.digest or CAPISTRANO.fullmatch(release.tag))
    ]
