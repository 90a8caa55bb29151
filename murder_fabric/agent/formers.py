"""The releases of a destination that another one can be filled from."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import StorageError
from ..storage.reuse import Former
from .destination import Destination
from .drift import kept_torrent
from .releases import list_releases

#: Releases that are looked at: older ones have little that these have not, and each torrent takes time.
MOST_FORMERS = 3


def formers(destination: Destination, tag: str) -> Iterator[Former]:
    """
    Yield the releases of *destination* that were verified here: *tag* if it was, what is current, the newest.

    One whose torrent is lost is passed over.

    Raises:
        StorageError: `current` or `releases/` is not what it must be.
    """
    verified = [release for release in list_releases(destination) if release.digest]
    verified.sort(key=lambda release: (release.tag != tag, not release.current))
    for release in verified[:MOST_FORMERS]:
        try:
            metainfo, _ = kept_torrent(destination, release.tag)
        except StorageError:
            continue
        yield Former(release.tag, metainfo, destination.release(release.tag))
