"""Where the records of runs lie: one file each in the operator's state directory, readable by nobody else."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator

from ...errors import BadInput, StorageError, quoted
from .record import RunRecord

#: Records that are kept; each is some 10 KB, and 300 KB where 500 hosts were deployed to.
MOST_RECORDS = 200
#: Bytes of a file that may be one.
MAX_RECORD = 16 << 20
#: Seconds in which a record is written, however slow the disk.
WRITTEN_WITHIN = 600.0
#: Bytes of chance in a run's id: were two runs of one operator, begun in the same second, called the same,
#: they would share the lock of a host, and a record replace another. A thousand are, twice in 10**9 times.
CHANCE = 6
_NAME = re.compile(r"(\d{8}-\d{6}-[0-9a-f]+)\.json")
_UNFINISHED = ".unfinished-"


def directory() -> str:
    """Return where records lie, by the XDG base directory specification; it may not be there yet."""
    home = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(home):  # relative ones are to be ignored
        home = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(home, "murder_fabric", "runs")


def new_id(began_at: float, chance: bytes) -> str:
    """Return what a run that began then (Unix seconds) is called, given `CHANCE` bytes of chance."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(began_at))}-{chance.hex()}"


def keep(record: RunRecord) -> str:
    """
    Write *record*, whole or not at all, and remove those beyond `MOST_RECORDS`; return its path.

    What a killed run was writing here goes as well.

    Raises:
        StorageError: the directory cannot be written; what was there is as it was.
        BadInput: it cannot be read again. It stays, so that nobody takes the run before it for the last one.
    """
    where = directory()
    path = os.path.join(where, f"{record.id}.json")
    try:
        os.makedirs(where, mode=0o700, exist_ok=True)
        write(path, record.to_json() + "\n")
        _sweep(where)
        for name in _names(where)[MOST_RECORDS:]:
            with contextlib.suppress(FileNotFoundError):  # another run of ours did so at the same time
                os.unlink(os.path.join(where, f"{name}.json"))
    except OSError as error:
        raise StorageError(f"{error.filename or where}: {error.strerror}") from None
    _read(path)
    return path


def write(path: str, text: str, mode: int = 0o600) -> None:
    """
    Give the file at *path* new contents: all of them, or on failure the old ones.

    Raises:
        OSError: the disk or the permissions do not allow it.
    """
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=_UNFINISHED)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(descriptor, mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _sweep(where: str) -> None:
    """Remove from the directory *where* what was begun so long ago that nobody writes it any more."""
    for name in os.listdir(where):
        path = os.path.join(where, name)
        with contextlib.suppress(FileNotFoundError):
            if name.startswith(_UNFINISHED) and os.stat(path).st_mtime < time.time() - WRITTEN_WITHIN:
                os.unlink(path)


def newest(destination: str | None = None) -> Iterator[RunRecord]:
    """Yield the records, or those of a destination, newest first; files that are none are passed over."""
    where = directory()
    for name in _names(where):
        with contextlib.suppress(BadInput):
            record = _read(os.path.join(where, f"{name}.json"))
            if destination is None or record.destination == destination:
                yield record


def unreadable(destination: str, since: str = "") -> str:
    """
    Return the path of the newest file that cannot be read and may be the record of a run to *destination*.

    Args:
        since: the id of a run; only what is newer counts. The return is empty where there is none.
    """
    where = directory()
    for name in itertools.takewhile(lambda one: one > since, _names(where)):
        path = os.path.join(where, f"{name}.json")
        try:
            _read(path)
        except BadInput:
            if _destination(path) in (destination, None):
                return path
    return ""


def find(name: str) -> RunRecord:
    """
    Return the record of the run called *name*: its id, the beginning or the end of it, or `last`.

    Raises:
        BadInput: there is none, there are several, or it cannot be read.
    """
    where = directory()
    names = _names(where)
    found = names[:1] if name == "last" else [one for one in names if one == name]
    found = found or [one for one in names if name and (one.startswith(name) or one.endswith(name))]
    if not found:
        raise BadInput(
            f"no run is called {quoted(name):.60} in {where}; murder.history names those there are"
        )
    if found[1:]:
        raise BadInput(f"{len(found)} runs are called {name}…, the newest {found[0]}; say more of the name")
    path = os.path.join(where, f"{found[0]}.json")
    try:
        return _read(path)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None


def _names(where: str) -> list[str]:
    """Return the ids of the runs whose records lie in the directory *where*, newest first."""
    try:
        files = os.listdir(where)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadInput(f"{where}: {error.strerror}") from None
    return sorted((match[1] for match in map(_NAME.fullmatch, files) if match), reverse=True)


def _read(path: str) -> RunRecord:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_RECORD + 1)
    except OSError as error:
        raise BadInput(f"{error.strerror}") from None
    if len(data) > MAX_RECORD:
        raise BadInput(f"it is longer than {MAX_RECORD} bytes")
    return RunRecord.from_json(data)


def _destination(path: str) -> str | None:
    """Return where the run of a file went that is no record, as far as that is said; None where it is not."""
    try:
        with open(path, "rb") as file:
            said = json.loads(file.read(MAX_RECORD))["destination"]
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    return said if isinstance(said, str) else None
