"""Reading a torrent strictly (BEP 3, 12, 19, 47): what is returned can be written to disk as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Optional

from ..bencoding import decode, encode
from ..errors import BencodeError, MetainfoError
from .geometry import Geometry
from .links import link_fault, link_target, link_text
from .paths import Path, conflict, name_fault, path_fault, shown
from .values import Directory, FileEntry, Info, Metainfo

#: Bytes.  A torrent of 100,000 files takes about 15 MiB.
LONGEST_TORRENT = 64 * 1024 * 1024
MOST_FILES = 1_000_000
#: Bytes; BEP 3 sets no bounds.  The upper one is what a peer may have to fetch again for one wrong bit.
SHORTEST_PIECE = 1024
LONGEST_PIECE = 64 * 1024 * 1024
#: What other languages' numbers hold exactly, and more than any disk.
MOST_BYTES = 2**53
MOST_NANOSECONDS = 2**63 - 1


def parse_metainfo(data: bytes) -> Metainfo:
    """
    Return what the bytes of a torrent file say.

    Raises:
        MetainfoError: not a torrent, or one that breaks BEP 3 or asks for what no tree may hold; the
            sentence names the field.
    """
    try:
        top = _Fields(decode(data, LONGEST_TORRENT), "the torrent")
    except BencodeError as error:
        raise MetainfoError(f"this is not a torrent: {error}") from None
    if b"info" not in top.value:
        top.refuse("has no info dictionary")
    info = parse_info(top.value[b"info"], _raw_info(data, top.value))
    announce = top.optional_string(b"announce")
    return Metainfo(
        info=info,
        announce=_address(announce, "announce") if announce else None,
        announce_list=_announce_list(top),
        mtimes=_mtimes(top, len(info.files)),
        url_list=_url_list(top),
    )


def parse_info(value: Any, raw: bytes) -> Info:
    """
    Return what an info dictionary says, given decoded and as its bencoding.

    Raises:
        MetainfoError: as `parse_metainfo`.
    """
    fields = _Fields(value, "info")
    if b"pieces" not in fields.value and b"file tree" in fields.value:
        fields.refuse("is of BitTorrent v2 only; make a v1 or a hybrid torrent of it")
    name = fields.string(b"name")
    fault = name_fault(name)
    if fault is not None:
        fields.refuse(f"name {fault}")
    piece_length = fields.integer(b"piece length", SHORTEST_PIECE, LONGEST_PIECE)
    single_file = b"length" in fields.value
    if single_file == (b"files" in fields.value):
        fields.refuse("has both length and files" if single_file else "has neither length nor files")
    files = (_single_file(fields, name),) if single_file else _files(fields)
    directories = _directories(fields, single_file)
    check_tree(files, directories)
    geometry = Geometry(piece_length, [entry.length for entry in files])
    return Info(
        name=name,
        piece_length=piece_length,
        pieces_sha1=_hashes(fields, b"pieces", 20, geometry),
        pieces_sha256=(
            _hashes(fields, b"murder pieces sha256", 32, geometry)
            if b"murder pieces sha256" in fields.value
            else None
        ),
        files=files,
        directories=directories,
        single_file=single_file,
        private=fields.integer(b"private", 0, MOST_BYTES, default=0) == 1,
        raw=raw,
    )


def _raw_info(data: bytes, top: dict[bytes, Any]) -> bytes:
    """Cut the info dictionary out of canonical bencoding: encoding 100,000 files again takes a second."""
    before = sum(len(encode(key)) + len(encode(top[key])) for key in top if key < b"info")
    after = sum(len(encode(key)) + len(encode(top[key])) for key in top if key > b"info")
    return data[len(b"d") + before + len(b"4:info") : len(data) - after - len(b"e")]


class _Fields:
    """A dictionary of a torrent, and what it is called in sentences about it."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise MetainfoError(f"this is not a usable torrent: {where} is not a dictionary")
        self.value: dict[bytes, Any] = value
        self._where = where

    def refuse(self, fault: str) -> NoReturn:
        raise MetainfoError(f"this is not a usable torrent: {self._where} {fault}")

    def integer(self, key: bytes, least: int, most: int, default: Optional[int] = None) -> int:
        found = self.value.get(key, default)
        if not isinstance(found, int):
            self.refuse(f"has no {key.decode()}" if found is None else f"{key.decode()} is not a number")
        if not least <= found <= most:
            self.refuse(f"{key.decode()} is {found}, and must be from {least} to {most}")
        return found

    def optional_string(self, key: bytes) -> Optional[bytes]:
        found = self.value.get(key)
        if found is not None and not isinstance(found, bytes):
            self.refuse(f"{key.decode()} is not a string")
        return found

    def string(self, key: bytes) -> bytes:
        found = self.optional_string(key)
        if found is None:
            self.refuse(f"has no {key.decode()}")
        return found

    def items(self, key: bytes) -> list[Any]:
        found = self.value.get(key)
        if not isinstance(found, list):
            self.refuse(f"has no {key.decode()}" if found is None else f"{key.decode()} is not a list")
        return found

    def names(self, key: bytes) -> Path:
        found = self.items(key)
        if not all(isinstance(name, bytes) for name in found):
            self.refuse(f"{key.decode()} is not a list of strings")
        return tuple(found)


def _single_file(info: _Fields, name: bytes) -> FileEntry:
    entry = _file_entry(info, (name,))
    if entry.symlink is not None or entry.padding:
        info.refuse("attr makes the only file a link or padding")
    return entry


def _files(info: _Fields) -> tuple[FileEntry, ...]:
    found = info.items(b"files")
    if len(found) > MOST_FILES:
        info.refuse(f"files names {len(found)} files, and {MOST_FILES} is the most")
    entries = []
    for number, value in enumerate(found):
        fields = _Fields(value, f"info.files[{number}]")
        path = fields.names(b"path")
        fault = path_fault(path)
        if fault is not None:
            fields.refuse(f"path {fault}")
        entries.append(_file_entry(fields, path))
    return tuple(entries)


def _file_entry(fields: _Fields, path: Path) -> FileEntry:
    attributes = fields.optional_string(b"attr") or b""
    if b"p" in attributes:
        return FileEntry(path, fields.integer(b"length", 0, MOST_BYTES), padding=True)
    if b"l" in attributes:
        # Some makers leave the length of a link out.
        fields.integer(b"length", 0, 0, default=0)
        return FileEntry(path, 0, symlink=_symlink(fields, path))
    mode: Optional[int] = 0o755 if b"x" in attributes else None
    if b"murder mode" in fields.value:
        mode = fields.integer(b"murder mode", 0, 0o777)
    sha256 = fields.optional_string(b"murder sha256")
    if sha256 is not None and len(sha256) != 32:
        fields.refuse(f"murder sha256 is {len(sha256)} bytes long, and must be 32")
    return FileEntry(path, fields.integer(b"length", 0, MOST_BYTES), mode, sha256)


def _symlink(fields: _Fields, path: Path) -> bytes:
    target = fields.names(b"symlink path")
    if any(name_fault(name) for name in target):
        fields.refuse(f"symlink path {shown(target)} is not a path from the root of the torrent")
    text = fields.optional_string(b"murder symlink")
    if text is None:
        return link_text(path, target)
    if link_target(path, text) != target:
        fields.refuse("murder symlink and symlink path differ")
    return text


def _directories(info: _Fields, single_file: bool) -> tuple[Directory, ...]:
    if b"murder directories" not in info.value:
        return ()
    if single_file:
        info.refuse("has murder directories beside a single file")
    directories = []
    for number, value in enumerate(info.items(b"murder directories")):
        fields = _Fields(value, f"info.murder directories[{number}]")
        path = fields.names(b"path")
        fault = path_fault(path) if path else None
        if fault is not None:
            fields.refuse(f"path {fault}")
        directories.append(Directory(path, fields.integer(b"murder mode", 0, 0o777)))
    return tuple(directories)


def check_tree(files: Sequence[FileEntry], directories: Sequence[Directory]) -> None:
    """
    Refuse entries, each of which is in order, that make no tree together.

    Raises:
        MetainfoError: none is there, two are in each other's way, a link leads out, or it is too much.
    """
    # Padding is never written, and hybrid torrents use one name for many runs of it.
    real = [entry for entry in files if not entry.padding]
    if not real and (files or not any(directory.path for directory in directories)):
        what = "holds nothing but padding" if files else "is empty"
        raise MetainfoError(f"this is not a usable torrent: info.files {what}")
    fault = conflict((entry.path for entry in real), (directory.path for directory in directories))
    if fault is None:
        fault = link_fault({entry.path: entry.symlink for entry in real if entry.symlink is not None})
    if fault is not None:
        raise MetainfoError(f"this is not a usable torrent: in info.files, {fault}")
    length = sum(entry.length for entry in files)
    if length > MOST_BYTES:
        raise MetainfoError(
            f"this is not a usable torrent: info files come to {length} bytes, and {MOST_BYTES} is the most"
        )


def _hashes(info: _Fields, key: bytes, size: int, geometry: Geometry) -> bytes:
    hashes = info.string(key)
    if len(hashes) != size * geometry.piece_count:
        info.refuse(
            f"{key.decode()} is {len(hashes)} bytes long,"
            f" and the {geometry.piece_count} pieces of the files need {size * geometry.piece_count}"
        )
    return hashes


def _address(value: Any, key: str) -> str:
    try:
        text = value.decode("utf-8")
    except (AttributeError, UnicodeDecodeError):
        raise MetainfoError(f"this is not a usable torrent: {key} is not an address") from None
    if not text.isprintable():
        raise MetainfoError(f"this is not a usable torrent: {key} holds control characters")
    return str(text)


def _announce_list(top: _Fields) -> tuple[tuple[str, ...], ...]:
    if b"announce-list" not in top.value:
        return ()
    tiers = top.items(b"announce-list")
    if not all(isinstance(tier, list) for tier in tiers):
        top.refuse("announce-list is not a list of lists")
    return tuple(tuple(_address(url, "announce-list") for url in tier) for tier in tiers if tier)


def _url_list(top: _Fields) -> tuple[str, ...]:
    """Return the web seeds (BEP 19): a list, or one alone, which is empty where a maker had none."""
    found = top.value.get(b"url-list", [])
    urls = found if isinstance(found, list) else [found]
    return tuple(_address(url, "url-list") for url in urls if url != b"")


def _mtimes(top: _Fields, count: int) -> Optional[tuple[int, ...]]:
    if b"murder mtimes" not in top.value:
        return None
    found = top.items(b"murder mtimes")
    if len(found) != count:
        top.refuse(f"murder mtimes has {len(found)} times for {count} files")
    if not all(isinstance(value, int) and abs(value) <= MOST_NANOSECONDS for value in found):
        top.refuse("murder mtimes holds what is no time")
    return tuple(found)
