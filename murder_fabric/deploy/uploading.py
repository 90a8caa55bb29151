"""Bringing the operator's tree to the seeder: only the bytes it lacks, a few megabytes ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

from ..control import Message, StorePiece
from ..errors import TreeError
from ..metainfo.holdings import Holdings
from ..metainfo.paths import shown
from ..metainfo.values import Info, Metainfo
from ..storage.payload import Payload
from .connecting.asking import Ask
from .connecting.channels import Channels
from .failures import HostFailure

#: Bytes on their way at a time: enough for SSH's window, little enough for memory.
AHEAD = 16 << 20
#: Seconds a piece may take.
PIECE_TIMEOUT = 60.0


def upload_pieces(
    channels: Channels,
    host: str,
    tag: str,
    metainfo: Metainfo,
    root: str,
    has: Holdings,
    on_piece: Callable[[int], None],
) -> HostFailure | None:
    """
    Send *host* what *has* lacks of the payload at *root*, piece by piece.

    Args:
        on_piece: told how many bytes came with each piece that arrived.

    Returns:
        Why it did not work, or None.

    Raises:
        StorageError: the operator's own tree cannot be read (any more).
        TreeError: it was changed after it was hashed.
    """
    geometry = metainfo.info.geometry
    waiting: deque[tuple[Ask, int]] = deque()
    on_the_way = 0
    payload = Payload(metainfo.info, root)
    try:
        for index in has.pieces.missing():
            piece = payload.read(index, 0, geometry.piece_size(index))
            _must_be_unchanged(metainfo.info, root, index, piece)
            data = b"".join(piece[begin : begin + length] for begin, length in has.lacking(index))
            message = Message(StorePiece(tag, index).fields(), data)
            waiting.append((channels.begin({host: message}), len(data)))
            on_the_way += len(data)
            while on_the_way > AHEAD:
                ask, length = waiting.popleft()
                failure = _failure(ask, host)
                if failure is not None:
                    return failure
                on_the_way -= length
                on_piece(length)
        for ask, length in waiting:
            failure = _failure(ask, host)
            if failure is not None:
                return failure
            on_piece(length)
    finally:
        payload.close()
    return None


def _must_be_unchanged(info: Info, root: str, index: int, data: bytes) -> None:
    hasher = info.hasher()
    hasher.update(data)
    if hasher.digest() != info.piece_hash(index):
        paths = [
            os.path.join(os.fsencode(root), *info.files[file].path) for file in info.geometry.files_of(index)
        ]
        more = f" or one of the {len(paths) - 1} files after it" if len(paths) > 1 else ""
        raise TreeError(
            f"source changed: {shown(paths[0])}{more} was changed during the deploy; nothing was switched."
            " Run the same command again"
        )


def _failure(ask: Ask, host: str) -> HostFailure | None:
    answer = ask.wait(PIECE_TIMEOUT)[host]
    return answer if isinstance(answer, HostFailure) else None
