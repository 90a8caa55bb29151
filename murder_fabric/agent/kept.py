"""Torrents kept on the seeder from one task to the next, each by its tag and with its payload's path."""

from __future__ import annotations

import json
import os
import secrets

from ..control import check_tag
from ..errors import BadInput, StorageError
from ..metainfo.parsing import LONGEST_TORRENT
from .files import read_limited, write_atomically
from .records import LONGEST_RECORD, parse_record
from .state import state_directory


def keep(tag: str, torrent: bytes, path: str, token: str | None = None) -> None:
    """
    Keep the torrent of what lies at *path* as *tag*; one that was kept so before is replaced.

    *token* is for swarms of a tracker that is not ours, and so keeps no secret for them; None: a new one.

    Raises:
        StorageError: our state directory cannot take it.
    """
    kept, record = _paths(tag)
    try:
        os.makedirs(os.path.dirname(kept), mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{os.path.dirname(kept)}: {error.strerror}") from None
    write_atomically(kept, torrent, 0o600)
    fields = {"path": path, "token": token or secrets.token_hex(16)}
    write_atomically(record, json.dumps(fields).encode(), 0o600)


def recall(tag: str) -> tuple[bytes, str, str]:
    """
    Return the torrent kept as *tag*, where its payload lay, and a secret for its swarm, in hex.

    Raises:
        BadInput: there is none, or it cannot be read, or it is damaged.
    """
    kept, record = _paths(tag)
    try:
        os.stat(record)
    except FileNotFoundError:
        missing = f"no torrent of {tag} is kept here; murder.create-torrent --tag {tag} makes one"
        raise BadInput(missing) from None
    except OSError as error:
        raise BadInput(f"{record}: {error.strerror}") from None
    # Not `read_record`: a new torrent is no help against a disk or permissions that say no.
    fields = parse_record(read_limited(record, LONGEST_RECORD))
    path, token = fields.get("path"), fields.get("token")
    if not isinstance(path, str) or not isinstance(token, str):
        raise BadInput(f"{record} is damaged; murder.create-torrent --tag {tag} makes a new one")
    return read_limited(kept, LONGEST_TORRENT), path, token


def forget(tag: str) -> list[str]:
    """Remove the torrent kept as *tag*, if there is one; return the paths that went."""
    removed = []
    for path in _paths(tag):
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}") from None
        removed.append(path)
    return removed


def _paths(tag: str) -> tuple[str, str]:
    base = os.path.join(state_directory(), "torrents", check_tag(tag))
    return f"{base}.torrent", f"{base}.json"
