"""Making a torrent of what is on disk, and making sure that it stood still meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Callable, Optional, Union

from ..errors import TreeError
from ..metainfo.building import Hash, InfoBuilder
from ..metainfo.geometry import choose_piece_length
from ..metainfo.parsing import LONGEST_TORRENT, MOST_FILES
from ..metainfo.paths import shown
from ..metainfo.values import Info, Metainfo
from .checking import Progress
from .directories import Directories
from .payload import READ_SIZE
from .tree import SourceFile, Tree, changed, is_unchanged, scan, stamp

#: Bytes.  Handing smaller reads to another thread costs more than it gains.
WORTH_A_THREAD = 256 * 1024
#: Bytes that stand beside the info dictionary at the most: for the date of each file, and for addresses.
_DATE, _ADDRESSES = 22, 4096


def create_metainfo(
    path: Union[str, bytes],
    announce: Optional[str],
    *,
    piece_length: Optional[int] = None,
    exclude: Iterable[str] = (),
    name: Optional[bytes] = None,
    progress: Optional[Progress] = None,
) -> Metainfo:
    """
    Read a directory or a file once, and return its torrent.

    The same tree under the same name has the same info hash, whoever makes it and when.  `piece_length`
    is chosen by the size of the tree, and `name` is that of the path, unless they are given.

    Raises:
        TreeError: the tree cannot be deployed, cannot be read, has too many files, or changed while it was
            read.
        MetainfoError: the piece length or the name is none.
    """
    patterns = tuple(exclude)
    tree = scan(path, patterns)
    if len(tree.files) > MOST_FILES:
        raise _too_many(tree)
    total = sum(file.length for file in tree.files)
    builder = InfoBuilder(
        tree.name if name is None else name,
        choose_piece_length(total) if piece_length is None else piece_length,
        single_file=tree.single_file,
    )
    beside = _Beside(builder.hashes)
    try:
        _feed(builder, tree, beside, total, progress)
    finally:
        beside.close()
    if not is_unchanged(tree, patterns):
        _must_be_unchanged(tree, scan(path, patterns))
    return Metainfo(_built(builder, tree), announce, mtimes=tuple(file.mtime for file in tree.files))


class _Thread:
    """A thread of its own for what is hashed, if we may have one."""

    def __init__(self) -> None:
        self._pool: Optional[ThreadPoolExecutor] = ThreadPoolExecutor(1)
        self._under_way: Optional[Future[None]] = None

    def begin(self, work: Callable[[], None]) -> None:
        """Begin what is to be done; what it needs must stay until `wait` returns."""
        if self._pool is not None:
            try:
                self._under_way = self._pool.submit(work)
                return
            except RuntimeError:
                # The kernel lets us have none. It is never asked again: what a pool was handed it keeps, and
                # would hash once more in a thread that starts later.
                self._pool = None
        work()

    def wait(self) -> None:
        """Return when what was begun is done."""
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None

    def close(self) -> None:
        """End the thread."""
        if self._pool is not None:
            self._pool.shutdown()


class _Beside:
    """Two buffers: while one is filled, what is in the other is hashed."""

    def __init__(self, hashes: Sequence[Hash]) -> None:
        self._hashes = hashes
        self._threads = [_Thread() for _ in hashes]
        self._filled, self._other = memoryview(bytearray(READ_SIZE)), memoryview(bytearray(READ_SIZE))
        self._length = 0
        #: Where in the buffer that is being filled files end.
        self._ends: list[int] = []

    def room(self) -> memoryview:
        """Return where the next bytes go; never empty."""
        return self._filled[self._length :]

    def add(self, length: int) -> None:
        """Count so many bytes of `room` as read."""
        self._length += length
        if self._length == READ_SIZE:
            self._hand_over()

    def end_file(self) -> None:
        """Take note that a file ends here."""
        self._ends.append(self._length)

    def finish(self) -> None:
        """Return when all is hashed."""
        self._hand_over()
        self._wait()

    def close(self) -> None:
        """End the threads."""
        for thread in self._threads:
            thread.close()

    def _hand_over(self) -> None:
        self._wait()
        data, ends = self._filled[: self._length], self._ends
        self._length, self._ends = 0, []
        self._filled, self._other = self._other, self._filled
        elsewhere, here = self._shares(len(data), len(ends))
        for thread, hashes in zip(self._threads, elsewhere):
            thread.begin(partial(_tell, hashes, data, ends))
        _tell(here, data, ends)

    def _shares(self, length: int, files: int) -> tuple[list[Sequence[Hash]], Sequence[Hash]]:
        """Return which hashes go to threads, one after the other in each, and which stay in this one."""
        if length < WORTH_A_THREAD:
            return [], self._hashes
        if length < WORTH_A_THREAD * files:
            # To begin the hash of the next file a thread waits for the interpreter, and we for the thread.
            *pieces, of_files = self._hashes
            return [pieces], [of_files]
        return [[one] for one in self._hashes], []

    def _wait(self) -> None:
        for thread in self._threads:
            thread.wait()


def _tell(hashes: Sequence[Hash], data: memoryview, ends: Sequence[int]) -> None:
    for update in hashes:
        update(data, ends)


def _feed(
    builder: InfoBuilder, tree: Tree, beside: _Beside, total: int, progress: Optional[Progress]
) -> None:
    directories = Directories(tree.root)
    done = 0
    try:
        for directory in tree.directories:
            builder.add_directory(directory.path, directory.mode)
        for file in tree.files:
            if file.symlink is not None:
                builder.add_link(file.path, file.symlink)
                continue
            builder.add_file(file.path, file.mode, file.length)
            for count in _read(directories, file, beside):
                done += count
                if progress is not None:
                    progress(done, total)
            beside.end_file()
        beside.finish()
    finally:
        directories.close()


def _read(directories: Directories, file: SourceFile, beside: _Beside) -> Iterator[int]:
    """Read a file, as much of it at a time as there is room for; yield how many bytes that were."""
    try:
        parent = directories.open(file.path[:-1])
        descriptor = os.open(file.path[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
        try:
            if stamp(os.fstat(descriptor)) != file.stamp:
                raise changed(directories.full(file.path))
            left = file.length
            while left:
                count = os.readv(descriptor, [beside.room()[:left]])
                if not count:
                    raise changed(directories.full(file.path))
                left -= count
                beside.add(count)
                yield count
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise changed(directories.full(file.path)) from None
    except OSError as error:
        raise TreeError(f"{directories.shown(file.path)} cannot be read: {error.strerror}") from None


def _built(builder: InfoBuilder, tree: Tree) -> Info:
    """Return the info dictionary, if a torrent with it is one that hosts take."""
    info = builder.build()
    if len(info.raw) + len(tree.files) * _DATE + _ADDRESSES > LONGEST_TORRENT:
        raise _too_many(tree)
    return info


def _too_many(tree: Tree) -> TreeError:
    return TreeError(
        f"{shown(tree.root)} holds {len(tree.files)} files, more than go into one torrent: that may name"
        f" {MOST_FILES} and have {LONGEST_TORRENT >> 20} MiB, some 150 bytes of which are for each file;"
        " no torrent was made. Pack files, or leave some out with --exclude"
    )


def _must_be_unchanged(before: Tree, after: Tree) -> None:
    """Compare two scans of one tree: what came, went or changed between them may be hashed wrongly."""
    if before == after:
        return
    old = {file.path: file for file in before.files}
    new = {file.path: file for file in after.files}
    differ = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    if not differ:
        differ = sorted({d.path for d in set(before.directories) ^ set(after.directories)})
    raise changed(os.path.join(before.root, *(differ[0] if differ else ())))
