"""Making a torrent of what is on disk, and making sure that it stood still meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Optional, Union

from ..errors import TreeError
from ..metainfo.building import Both, InfoBuilder
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
    with ThreadPoolExecutor(1) as pool:
        builder = InfoBuilder(
            tree.name if name is None else name,
            choose_piece_length(total) if piece_length is None else piece_length,
            single_file=tree.single_file,
            both=_beside_each_other(pool),
        )
        _feed(builder, tree, total, progress)
    _must_be_unchanged(tree, scan(path, patterns))
    return Metainfo(builder.build(), announce, mtimes=tuple(file.mtime for file in tree.files))


def _beside_each_other(pool: ThreadPoolExecutor) -> Both:
    def both(first: Callable[[], None], second: Callable[[], None], length: int) -> None:
        if length < WORTH_A_THREAD:
            first()
            second()
            return
        beside = pool.submit(first)
        second()
        beside.result()

    return both


def _feed(builder: InfoBuilder, tree: Tree, total: int, progress: Optional[Progress]) -> None:
    directories = Directories(tree.root)
    buffer = memoryview(bytearray(READ_SIZE))
    done = 0
    try:
        for directory in tree.directories:
            builder.add_directory(directory.path, directory.mode)
        for file in tree.files:
            if file.symlink is not None:
                builder.add_link(file.path, file.symlink)
                continue
            builder.begin_file(file.path, file.mode)
            for count in _read(directories, file, buffer):
                builder.update(buffer[:count])
                done += count
                if progress is not None:
                    progress(done, total)
    finally:
        directories.close()


def _read(directories: Directories, file: SourceFile, buffer: memoryview) -> Iterator[int]:
    """Yield how many bytes of a file are in `buffer`, again and again until its end."""
    try:
        parent = directories.open(file.path[:-1])
        descriptor = os.open(file.path[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
        try:
            if stamp(os.fstat(descriptor)) != file.stamp:
                raise _changed(directories.full(file.path))
            left = file.length
            while left:
                count = os.readv(descriptor, [buffer[: min(left, READ_SIZE)]])
                if not count:
                    raise _changed(directories.full(file.path))
                left -= count
                yield count
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
