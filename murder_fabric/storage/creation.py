"""Making a torrent of what is on disk, and making sure that it stood still meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Optional, Union

from ..errors import TreeError
from ..metainfo.building import InfoBuilder
from ..metainfo.geometry import choose_piece_length
from ..metainfo.paths import shown
from ..metainfo.values import Metainfo
from .checking import Progress
from .directories import Directories
from .payload import READ_SIZE
from .tree import SourceFile, Tree, scan, stamp

#: Bytes.  Handing smaller reads to another thread costs more than it gains.
WORTH_A_THREAD = 256 * 1024


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
        TreeError: the tree cannot be deployed, cannot be read, or changed while it was read.
        MetainfoError: the piece length or the name is none.
    """
    patterns = tuple(exclude)
    tree = scan(path, patterns)
    total = sum(file.length for file in tree.files)
    builder = InfoBuilder(
        tree.name if name is None else name,
        choose_piece_length(total) if piece_length is None else piece_length,
        single_file=tree.single_file,
    )
    with ThreadPoolExecutor(1) as pool:
        _feed(builder, tree, _Beside(pool, builder.update_pieces), total, progress)
    _must_be_unchanged(tree, scan(path, patterns))
    return Metainfo(builder.build(), announce, mtimes=tuple(file.mtime for file in tree.files))


class _Beside:
    """Two buffers: while one is filled, what is in the other is hashed; in a thread, if we may have one."""

    def __init__(self, pool: ThreadPoolExecutor, hash_pieces: Callable[[memoryview], None]) -> None:
        self._pool: Optional[ThreadPoolExecutor] = pool
        self._hash_pieces = hash_pieces
        self._filled, self._other = memoryview(bytearray(READ_SIZE)), memoryview(bytearray(READ_SIZE))
        self._length = 0
        self._under_way: Optional[Future[None]] = None

    def room(self) -> memoryview:
        """Return where the next bytes go; never empty."""
        return self._filled[self._length :]

    def add(self, length: int) -> memoryview:
        """Count so many bytes of `room` as read, and return them; they stay until `room` is called."""
        data = self._filled[self._length : self._length + length]
        self._length += length
        if self._length == READ_SIZE:
            self._hand_over()
        return data

    def finish(self) -> None:
        """Return when all is hashed."""
        self._hand_over()
        self._wait()

    def _hand_over(self) -> None:
        self._wait()
        data, self._length = self._filled[: self._length], 0
        self._filled, self._other = self._other, self._filled
        if self._pool is None or len(data) < WORTH_A_THREAD:
            self._hash_pieces(data)
            return
        try:
            self._under_way = self._pool.submit(self._hash_pieces, data)
        except RuntimeError:
            # The kernel lets us have none. It is never asked again: what a pool was handed it keeps, and
            # would hash once more in a thread that starts later.
            self._pool = None
            self._hash_pieces(data)

    def _wait(self) -> None:
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None


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
            builder.begin_file(file.path, file.mode)
            for data in _read(directories, file, beside):
                builder.update_file(data)
                done += len(data)
                if progress is not None:
                    progress(done, total)
        beside.finish()
    finally:
        directories.close()


def _read(directories: Directories, file: SourceFile, beside: _Beside) -> Iterator[memoryview]:
    """Yield the bytes of a file, as many at a time as there is room for."""
    try:
        parent = directories.open(file.path[:-1])
        descriptor = os.open(file.path[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
        try:
            if stamp(os.fstat(descriptor)) != file.stamp:
                raise _changed(directories.full(file.path))
            left = file.length
            while left:
                count = os.readv(descriptor, [beside.room()[:left]])
                if not count:
                    raise _changed(directories.full(file.path))
                left -= count
                yield beside.add(count)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise _changed(directories.full(file.path)) from None
    except OSError as error:
        raise TreeError(f"{directories.shown(file.path)} cannot be read: {error.strerror}") from None


def _must_be_unchanged(before: Tree, after: Tree) -> None:
    """Compare two scans of one tree: what came, went or changed between them may be hashed wrongly."""
    if before == after:
        return
    old = {file.path: file for file in before.files}
    new = {file.path: file for file in after.files}
    changed = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    if not changed:
        changed = sorted({d.path for d in set(before.directories) ^ set(after.directories)})
    raise _changed(os.path.join(before.root, *(changed[0] if changed else ())))


def _changed(path: bytes) -> TreeError:
    return TreeError(
        f"source changed: {shown(path)} was changed while its tree was read; no torrent was made."
        " Run it again once nothing writes there"
    )
