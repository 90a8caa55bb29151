"""The one door to `bencode.py`, made strict: what decodes is canonical (BEP 3), or it is an error."""

from __future__ import annotations

import re
from operator import lt
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
_COLON, _INT, _END = b":ie"
#: Nearly every string is as short, and what is found here is canonical.
_SHORT = {str(length).encode(): length for length in range(1000)}


class _StrictDecoder(BencodeDecoder):
    """
    The library's decoder with its rules tightened: what it takes encodes to the same bytes again.

    Python's `int` takes ` 7 `, `+5` and `1_0`, a key of negative length moves the library's position
    backwards, for ever (`d1:ai1e-6:`), and keys may be repeated or unsorted there. A torrent of many files
    is short strings for the most part, which are cut out without a call.
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

    def decode_list(self, x: bytes, f: int, *, depth: int = 0, **_: Any) -> tuple[list[Any], int]:
        if depth > self.max_depth:
            raise BencodeDecodeError("exceeded maximum depth")
        found: list[Any] = []
        add, size, short, find, integer = found.append, len(x), _SHORT.get, x.find, _INTEGER.match
        f += 1
        while (kind := x[f]) != _END:
            if kind < _COLON:
                colon = find(b":", f, f + 4)
                length = short(x[f:colon]) if colon > 0 else None
                if length is not None:
                    f = colon + 1 + length
                    if f > size:
                        raise ValueError
                    add(x[colon + 1 : f])
                    continue
            elif kind == _INT and (match := integer(x, f)) is not None:
                add(int(match[1]))
                f = match.end()
                continue
            value, f = self.decode_func[x[f : f + 1]](x, f, depth=depth + 1)
            add(value)
        return found, f + 1

    def decode_dict(self, x: bytes, f: int, *, depth: int = 0, **_: Any) -> tuple[dict[bytes, Any], int]:
        items, f = self.decode_list(x, f, depth=depth)
        keys, values = items[::2], items[1::2]
        # One that is no string compares with none.
        if len(keys) != len(values) or (keys and type(keys[0]) is not bytes) or not _ascend(keys):
            raise ValueError
        return dict(zip(keys, values)), f


def _ascend(keys: list[bytes]) -> bool:
    return all(map(lt, keys, keys[1:]))


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
        return _decoder.decode(data)
    except BencodeDecodeError as error:
        raise BencodeError(f"not canonical bencoding: {error}") from None
