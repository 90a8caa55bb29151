"""
Where releases lie on this host: `releases/<tag>`, `current`, and our own records in `.murder/`.

    /srv/app/current -> releases/v2
    /srv/app/releases/v1, v2
    /srv/app/.murder/staging/v3     a release that is not complete yet
    /srv/app/.murder/torrents/v2    the torrent of a release
    /srv/app/.murder/receipts/v2    that it was verified here, when, and its digest
    /srv/app/.murder/id             what receipts call this destination
    /srv/app/.murder/bad/v1         that nobody is to go back to it
    /srv/app/.murder/history        what has been current, and when
    /srv/app/.murder/lock           who deploys at the moment
    /srv/app/.murder/held           who wants nobody to deploy
    /srv/app/.murder/runs/<run>/    a mark of each host of a run
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ..control import check_depth, check_tag
from ..errors import BadInput, StorageError, UnfitError, quoted
from ..storage.additions import Additions
from ..storage.tree import RECORDS
from .files import mount_of, move_directory, must_be_writable, nearest, sync_directory, write_durably
from .history import History
from .keeping import CAPISTRANO
from .leftovers import NEW_LINK, remove_abandoned, remove_leftovers
from .locking import RunLock
from .ownership import must_be_closed, must_be_trusted
from .receipts import Receipts

#: What we keep in `.murder`, each in a directory of its own.
RECORD_DIRECTORIES = ("staging", "torrents", "receipts", "bad", "runs")


class Destination:
    """One deploy destination; every method does blocking file I/O and raises MurderError with its path."""

    def __init__(self, path: str) -> None:
        self.path = expand(path)
        self.own = os.path.join(self.path, RECORDS)
        #: When this object replaced `current`, on the monotonic clock; None if it has not.
        self.pointed_at: float | None = None
        self.receipts = Receipts(self.own)
        self._lock = RunLock(self.path, os.path.join(self.own, "lock"))

    def staging(self, tag: str) -> str:
        """Return where the release *tag* is put together."""
        return os.path.join(self.own, "staging", check_tag(tag))

    def release(self, tag: str) -> str:
        """Return where the release *tag* lies once it is verified."""
        return os.path.join(self.path, "releases", check_tag(tag))

    def is_there(self) -> bool:
        """Say whether anybody ever deployed here, or tried to: we, or Capistrano."""
        own = (self.own, os.path.join(self.path, "releases"), os.path.join(self.path, "current"))
        return any(map(os.path.lexists, own))

    def prepare(self) -> None:
        """
        Make our directories where they are missing; what `current` is must be ours to move.

        Raises:
            UnfitError: as `must_fit` has it: somebody must change something there first.
            StorageError: the disk refuses.
        """
        try:
            self.must_fit()
        except StorageError as error:
            raise UnfitError(str(error)) from None
        with self._naming(self.path):
            os.makedirs(self.path, exist_ok=True)
            for name in ("", *RECORD_DIRECTORIES):
                os.makedirs(os.path.join(self.own, name), mode=0o700, exist_ok=True)
            os.makedirs(os.path.join(self.path, "releases"), exist_ok=True)
        # Somebody else may have been quicker to make one of them.
        self.must_fit()

    def must_fit(self) -> None:
        """
        Refuse a destination where no release can be put, or none be switched to; changes nothing.

        Raises:
            StorageError: what is there is not ours to change, or cannot be written.
        """
        self.current()
        releases = os.path.join(self.path, "releases")
        with self._naming(self.path):
            must_be_trusted(self.path, may_be_sticky=True)
            must_be_trusted(releases)  # sticky or not: a release that we had once is anybody's to make there
            must_be_trusted(os.path.join(self.path, "shared"))
            for path in (self.own, *(os.path.join(self.own, name) for name in RECORD_DIRECTORIES)):
                must_be_closed(path)
            places = [nearest(path) for path in (self.path, self.own, releases)]
            for path in dict.fromkeys(places):
                must_be_writable(path)
            if len(set(map(mount_of, places[1:]))) > 1:
                raise StorageError(
                    f"{releases} is on another file system than {self.own}, or mounted apart from it: a"
                    " release could not be moved there in one step; nothing was changed"
                )

    def share(self, linked_dirs: Sequence[str], linked_files: Sequence[str]) -> None:
        """
        Make the directories below `shared/` that a release gets links to; the files must be there.

        Raises:
            StorageError: a directory cannot be made, or a file is missing.
        """
        for name in (*linked_dirs, *map(os.path.dirname, linked_files)):
            path = self.shared(name)
            with self._naming(path):
                os.makedirs(path, exist_ok=True)
        self.must_have_shared(linked_files)

    def must_have_shared(self, linked_files: Sequence[str]) -> None:
        """
        Refuse a destination where a file is missing below `shared/`.

        Raises:
            StorageError: one is; names it.
        """
        missing = [path for path in map(self.shared, linked_files) if not os.path.exists(path)]
        if missing:
            more = f" (and {len(missing) - 1} more)" if missing[1:] else ""
            raise StorageError(
                f"{missing[0]}{more} is missing, and murder.linked_files names it; nothing was changed."
                " Put it there, then run the same command again"
            )

    def shared(self, name: str) -> str:
        """Return where what is shared under the relative path *name* lies."""
        return os.path.join(self.path, "shared", *_components(name))

    def room(self, tag: str | None) -> tuple[int, int | None]:
        """
        Return the bytes and the inodes that the release *tag* may take, what it has already included.

        None stands for as many inodes as are needed; as *tag*, for a release that has nothing yet.
        """
        held_bytes = held_inodes = 0
        for tree in () if tag is None else (self.staging(tag), self.release(tag)):
            for path, directories, files in os.walk(tree):
                for name in (*directories, *files):
                    with contextlib.suppress(OSError):
                        held_bytes += os.lstat(os.path.join(path, name)).st_blocks * 512
                        held_inodes += 1
        with self._naming(self.own):
            found = os.statvfs(nearest(self.own))
        # 0 of 0: a file system that makes inodes as it needs them.
        inodes = found.f_favail + held_inodes if found.f_files else None
        return found.f_bavail * found.f_frsize + held_bytes, inodes

    def current(self) -> str | None:
        """Return the tag that `current` points at; None where there is no `current`."""
        link = os.path.join(self.path, "current")
        try:
            target = os.readlink(link)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise StorageError(
                    f"{link} is a directory or file of its own, not a link to a release; nothing was changed."
                    f" To keep it as a release: mv {link} {self.path}/releases/before-murder"
                ) from None
            raise self._refusal(error, link) from None
        where = os.path.normpath(os.path.join(self.path, target))
        if os.path.dirname(where) != os.path.join(self.path, "releases"):
            raise StorageError(
                f"{link} points at {target}, outside {self.path}/releases; nothing was changed."
                f" If nothing needs it any more: rm {link}"
            )
        return os.path.basename(where)

    # The lock -------------------------------------------------------------------------------------------

    def lock(self, run: str, operator: str, tag: str | None = None) -> bool:
        """
        Take the destination for *run*; False where another name of this host has taken it for the same run.

        What runs that were killed left here goes; and, where *tag* is about to come here, what lies half done
        of other tags since `leftovers.ABANDONED_AGE`.

        Raises:
            MurderError: another run has it; says whose.
        """
        if not self._lock.take(run, operator):
            return False
        remove_leftovers(self.path, self.own, run)
        if tag is not None:
            remove_abandoned(self.own, tag)
        return True

    def run_under_way(self) -> dict[str, str] | None:
        """Return which `run` has the destination, of which `operator`, `since` when; None where none has."""
        holder = self._lock.holder()
        return holder and {name: str(holder.get(name, "?")) for name in ("run", "operator", "since")}

    def must_be_free(self) -> None:
        """
        Refuse a destination that a run has.

        Raises:
            MurderError: says whose.
        """
        self._lock.must_be_free()

    def unlock(self) -> None:
        """Give the destination free, if we had it."""
        self._lock.give_back()

    # Which names are one host ---------------------------------------------------------------------------

    def leave_mark(self, run: str, nonce: str) -> None:
        """Leave the mark of one name of this host."""
        marks = os.path.join(self.own, "runs", check_tag(run))
        with self._naming(marks):
            os.makedirs(marks, mode=0o700, exist_ok=True)
            os.close(os.open(os.path.join(marks, check_tag(nonce)), os.O_WRONLY | os.O_CREAT, 0o600))

    def marks(self, run: str) -> list[str]:
        """Return the marks that lie here."""
        with self._naming(self.own):
            try:
                return sorted(os.listdir(os.path.join(self.own, "runs", check_tag(run))))
            except FileNotFoundError:
                return []

    def clear_marks(self, run: str) -> None:
        """Remove the marks of a run."""
        shutil.rmtree(os.path.join(self.own, "runs", check_tag(run)), ignore_errors=True)

    # Releases -------------------------------------------------------------------------------------------

    def receipt(self, tag: str) -> dict[str, Any] | None:
        """
        Return the receipt of a release that was verified; None where nothing has its name.

        Raises:
            StorageError: something else has: a directory without one, a file, a link that leads nowhere.
        """
        if not os.path.lexists(self.release(tag)):
            return None
        record = self.receipts.find(tag) if os.path.isdir(self.release(tag)) else None
        if record is None:
            raise StorageError(
                f"{self.release(tag)} is there already and is not a release of ours; nothing was changed."
                " Choose another --tag"
            )
        return record

    def is_verified(self, tag: str) -> bool:
        """Say whether *tag* is a release that was verified here."""
        try:
            return self.receipt(tag) is not None
        except (BadInput, StorageError):  # it is called as we would call none, or was made by somebody else
            return False

    def additions(self, tag: str) -> Additions:
        """Return what the verified release *tag* has beside its torrent."""
        receipt = self.receipt(tag) or {}
        linked, revision = receipt.get("linked", []), receipt.get("revision", "")
        if not isinstance(linked, list) or not isinstance(revision, str):
            return Additions()
        return self.wanted_additions([str(name) for name in linked], revision)

    def wanted_additions(self, linked: Sequence[str], revision: str) -> Additions:
        """Return links to *linked* below `shared/`, and a REVISION."""
        links = {
            tuple(map(os.fsencode, _components(name))): os.fsencode(self.shared(name)) for name in linked
        }
        return Additions(links, revision)

    def commit(
        self,
        tag: str,
        digest: str,
        torrent: bytes,
        *,
        length: int | None = None,
        linked: Sequence[str] = (),
        revision: str = "",
    ) -> None:
        """Make the verified staging tree a release, with torrent and receipt."""
        verified = time.strftime("%Y-%m-%d %H:%M:%S %z")
        record: dict[str, Any] = {"tag": tag, "digest": digest, "verified": verified, "length": length}
        record.update({"linked": list(linked), "revision": revision})
        # The records first: a receipt without a release means nothing, a release without one is a stranger.
        write_durably(os.path.join(self.own, "torrents", tag), torrent)
        self.receipts.keep(record)
        staging, release = self.staging(tag), self.release(tag)
        with self._naming(release):
            move_directory(staging, release)
        sync_directory(os.path.join(self.path, "releases"))

    def switch(self, tag: str) -> str | None:
        """
        Point `current` at the release *tag*, atomically; return what it pointed at.

        It was verified here; or it was made by Capistrano or was current before us, and nobody can say.
        """
        if not self.may_be_current(tag) and self.receipt(tag) is None:
            raise StorageError(f"{self.release(tag)} was not verified; {self.path}/current stays as it is")
        previous = self.current()
        self._point(tag)
        return previous

    def may_be_current(self, tag: str) -> bool:
        """Say whether `switch` takes *tag*."""
        return self.is_verified(tag) or self.has_been_current(tag)

    def has_been_current(self, tag: str) -> bool:
        """Say whether *tag* is a release that was current here before, or that Capistrano made."""
        known = CAPISTRANO.fullmatch(tag) or any(tag == entry.tag for entry in History(self.own).order())
        return bool(known) and os.path.isdir(self.release(tag))

    def switch_back(self, tag: str, previous: str | None) -> None:
        """Undo `switch`, if `current` still points at *tag*."""
        if self.current() != tag:
            return
        if previous is not None:
            # It was current before us, so it may be again, whoever made it and whatever it is called there.
            if os.path.basename(previous) != previous or previous in ("", ".", ".."):
                raise BadInput(f"{previous!r:.120} names no release; {self.path}/current stays as it is")
            self._point(previous)
            return
        with self._naming(os.path.join(self.path, "current")):
            os.unlink(os.path.join(self.path, "current"))
        sync_directory(self.path)

    def _point(self, tag: str) -> None:
        temporary = os.path.join(self.path, f"{NEW_LINK}{os.getpid()}")
        with self._naming(os.path.join(self.path, "current")):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            os.symlink(os.path.join("releases", tag), temporary)
            os.replace(temporary, os.path.join(self.path, "current"))
            self.pointed_at = time.monotonic()
        sync_directory(self.path)

    @contextlib.contextmanager
    def _naming(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._refusal(error, path) from None

    def _refusal(self, error: OSError, path: str) -> StorageError:
        if error.errno == errno.ENOTDIR:
            return StorageError(f"{self.path} is no directory, or lies below a file; nothing was changed")
        return StorageError(f"{error.filename or path}: {error.strerror}; nothing was switched")


def _components(name: str) -> list[str]:
    """Return the names in a relative path, which stays below where it begins."""
    names = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in names or "\0" in name or not (names or not name):
        raise BadInput(f"{name!r:.120} is no path below shared/; nothing was changed")
    return names


def expand(path: str) -> str:
    """
    Return *path*, where something is to be written, absolute, `~` being the home directory here.

    Raises:
        BadInput: it is relative, has `..` in it, or is so short that it cannot be meant.
    """
    return check_depth(expand_source(path))


def expand_source(path: str) -> str:
    """Return *path*, which is only read, in the same way; it may be as short as `/build`."""
    try:
        expanded = os.fsdecode(os.path.expanduser(os.fsencode(path)))
    except ValueError:  # a NUL in the name of a user, or half of a character
        expanded = ""
    if not os.path.isabs(expanded) or ".." in expanded.split("/") or "\0" in expanded:
        raise BadInput(f"{quoted(path)}: give an absolute path without '..', or one that starts with ~/")
    return os.path.normpath("/" + expanded.lstrip("/"))
