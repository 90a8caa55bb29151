"""An existing torrent, stock or ours, deployed as it is: whoever seeds it is elsewhere."""

from __future__ import annotations

import os
import time
from urllib.parse import urlsplit

from ..control import check_tag
from ..errors import BadInput, MetainfoError
from ..metainfo.parsing import LONGEST_TORRENT, parse_metainfo
from ..metainfo.values import Metainfo
from .settings import Settings
from .wanted import Wanted, operator_name


def wanted_torrent(settings: Settings, path: str, *, force: bool = False) -> Wanted:
    """
    Return the release that is to be made of what the torrent at *path* describes.

    Raises:
        BadInput: it is none, or names nobody who could have the payload.
    """
    if not settings.default_destination_path:
        raise BadInput(
            "--destination-path is missing:"
            " fab -H … murder.deploy --torrent app.torrent --destination-path /srv/app"
        )
    metainfo = _read(os.path.expanduser(path))
    if not (settings.tracker_url or settings.web_seeds or tracker_of(metainfo)):
        raise BadInput(
            f"{path} names no tracker with an http:// URL; say with murder.tracker_url where its seeder is"
            " known, or with murder.web_seeds who has the files. No host was touched"
        )
    tag = check_tag(settings.default_tag or time.strftime("%Y%m%d%H%M%S", time.gmtime()))
    origin = f"{operator_name()}:{os.path.abspath(os.path.expanduser(path))}"
    return Wanted(
        tag, settings.default_destination_path, "", metainfo, origin=origin, force=force, elsewhere=True
    )


def tracker_of(metainfo: Metainfo) -> str:
    """Return the first tracker of a torrent that can be asked by HTTP; empty where there is none."""
    urls = [metainfo.announce or "", *(url for tier in metainfo.announce_list for url in tier)]
    return next((url for url in urls if _is_http(url)), "")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "http" and bool(parts.hostname)


def _read(path: str) -> Metainfo:
    try:
        with open(path, "rb") as file:
            data = file.read(LONGEST_TORRENT + 1)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; no host was touched") from None
    try:
        return parse_metainfo(data)
    except MetainfoError as error:
        raise MetainfoError(f"{path}: {error}; no host was touched") from None
