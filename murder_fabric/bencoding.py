"""The one door to `bencode.py`, made strict: what decodes is canonical (BEP 3), or it is an error."""

from __future__ import annotations

import re
from typing import Any, Union

from bencodepy import BencodeDecoder, BencodeEncoder
from bencodepy.exceptions import BencodeDecodeError

from .errors import BencodeError

#: What bencoding can say. Strings are bytes, names and hashes being no text (`encode` takes `str` as UTF-8).
Bencodable = Union[int, bytes, str, list[Any], tuple[Any, ...], dict[Any, Any]]

#: Nesting deeper than any torrent, answer or extended handshake needs.
MAX_DEPTH = 32

_INTEGER = re.compile(rb"i(0|-?[1-9][0-9]{0,18})e")
_LENGTH = re.compile(rb"(0|[1-9][0-9]{0,9}):")


class _StrictDecoder(BencodeDecoder):
    """
    The library's decoder with its two leaf rules tightened.

    Python's `int` takes ` 7 `, `+5` and `1_0`, and a key of negative length moves the library's position
    backwards, for ever (`d1:ai1e-6:`).
    """

    def decode_int(self, x: bytes, f: int, **_: Any) -> tuple[int, int]:
        match = _INTEGER.match(x, f)
        if match is None:
            raise ValueError
        return int(match[1]), match.end()

    def decode_string(self, x: bytes, f: int, **_: Any) -> tuple[bytes, int]:
        match = _LENGTH.match(x, f)
        if match is None:
            raise ValueError
        start, end = match.end(), match.end() + int(match[1])
        if end > len(x):
            raise ValueError
        return x[start:end], end


_decoder = _StrictDecoder(encoding=None, max_depth=MAX_DEPTH - 1)  # which counts from 0
_encoder = BencodeEncoder()


def encode(value: Bencodable) -> bytes:
    """
    Return *value* in canonical bencoding: keys sorted as bytes.

    Raises:
        BencodeError: *value* holds something bencoding has no word for.
    """
    try:
        return _encoder.encode(value)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise BencodeError(f"cannot bencode {value!r:.80}") from None


def decode(data: bytes, max_length: int) -> Any:
    """
    Return the value that *data* encodes; every string in it is `bytes`.

    Args:
        data: the whole of one bencoded value, nothing after it.
        max_length: more bytes than this are refused unread.

    Raises:
        BencodeError: too long, nested deeper than `MAX_DEPTH`, or anything but the one canonical
            encoding of a value (unsorted or repeated keys, leading zeros, trailing bytes).
    """
    if len(data) > max_length:
        raise BencodeError(f"{len(data)} bytes of bencoding where at most {max_length} are taken")
    try:
        value = _decoder.decode(data)
    except BencodeDecodeError as error:
        raise BencodeError(f"not bencoding: {error}") from None
    if _encoder.encode(value) != data:
        raise BencodeError("not canonical bencoding: keys unsorted or repeated")
    return value
