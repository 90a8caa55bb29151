"""Inputs that are almost right: what is valid, after chance changed a few things; a seed draws them again."""

from __future__ import annotations

import json
import marshal
import random
import re
import struct
from collections.abc import Sequence
from typing import Any, Callable, NamedTuple

from murder_fabric.bencoding import decode, encode

#: What breaks parsers: ends of words, pieces of other formats.
TOKENS = [
    *(b"", b"0", b"-", b"-1", b"00", b"e", b"i", b"l", b"d", b":", b"1:", b"d1:", b"i-0e", b"99999999999:"),
    *(b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\r\n", b"\n", b"%"),
    *(
        b"9223372036854775808",
        b"18446744073709551616",
        b"../",
        b"/",
        b"..",
        b"\\u0000",
        b"{",
        b"[" * 40,
        b"&",
    ),
    *(
        b" ",
        b"'",
        b'"',
        b"\x1b[2J",
        b"\xc3\xa9",
        b"\xe2\x80\xae",
        b"1e999",
        b"NaN",
        b"null",
        b"+",
        b"_",
        b"=",
        b",",
    ),
]
#: What numbers end at, and what they are compared with.
NUMBERS = [0, 1, 2, 5, 7, 20, 127, 128, 255, 256, 511, 512, 1023, 1024, 16384, 16385]
NUMBERS += [2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -1, -(2**63)]
#: Nothing that is made is longer, in bytes, by what is said in it once more.
LONGEST = 8192

_DIGITS = re.compile(rb"[0-9]{1,19}")
_WORD = struct.Struct(">I")


class Shape(NamedTuple):
    """How to take an input apart, so that something changes inside and what holds it together still fits."""

    open: Callable[[bytes], Any]
    close: Callable[[Any], bytes]
    #: What may stand anywhere in it, and is meant nowhere.
    odd: Sequence[Any]


def parts(separator: bytes) -> Shape:
    """Return the shape of what is a list of words, with *separator* between them."""

    def close(value: Any) -> bytes:
        return separator.join(value if isinstance(value, list) else [value])

    return Shape(lambda data: data.split(separator), close, (b"", b"0", b"=", separator))


BENCODING = Shape(
    lambda data: decode(data, 1 << 20),
    encode,
    (*NUMBERS, b"", b"..", b"/", b"\0", b"a" * 300, [], [b"..", b"a"], {}),
)
JSON = Shape(
    json.loads,
    lambda value: json.dumps(value).encode(),
    [
        *(*NUMBERS, 10**400, 0.5, -0.0, 1e300, float("inf"), float("nan")),
        *(None, True, False, "", "..", "/", "\0", "\n", "\ud800", "a" * 300, [], [[]], {}, {"": ""}),
    ],
)


class Mutants:
    """
    Draws inputs.

    Args:
        samples: what is valid.
        seed: the same one draws the same inputs.
        shape: that of the samples; half of the inputs then keep it.
        words: what may stand anywhere in these samples, beside `TOKENS`.
    """

    def __init__(
        self, samples: Sequence[bytes], seed: int, shape: Shape | None = None, words: Sequence[bytes] = ()
    ) -> None:
        self._rng = random.Random(seed)
        self._samples = samples
        self._shape = shape
        # Each is loaded anew wherever it is put, as what is put somewhere may be changed there.
        self._opened = [] if shape is None else [marshal.dumps(shape.open(sample)) for sample in samples]
        self._odd = [] if shape is None else [marshal.dumps(value) for value in shape.odd]
        self._tokens = [*TOKENS, *words]
        self._changes = [
            *(self._flip, self._noise, self._put, self._put_over, self._cut, self._shorten, self._repeat),
            *(self._move, self._splice, self._number, self._number, self._word),
        ]

    def draw(self) -> bytes:
        """Return the next input."""
        if self._shape is not None and self._rng.random() < 0.5:
            value = self._loaded(self._opened)
            for _ in range(self._few()):
                value = self._changed_inside(value)
            return self._shape.close(value)
        data = bytearray(self._pick(self._samples))
        for _ in range(self._few()):
            self._pick(self._changes)(data)
        return bytes(data)

    # Chance: `randrange` and `choice` take four times as long --------------------------------------------

    def _below(self, end: int) -> int:
        return int(self._rng.random() * end)

    def _pick(self, among: Sequence[Any]) -> Any:
        return among[int(self._rng.random() * len(among))]

    def _loaded(self, among: Sequence[bytes]) -> Any:
        return marshal.loads(self._pick(among))

    def _few(self) -> int:
        """Return how many changes: mostly one, sometimes none, at most five."""
        return (0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 5)[int(self._rng.random() * 12)]

    def _run(self, data: bytearray) -> tuple[int, int]:
        """Return start and end of some bytes: often a few, seldom many."""
        start = self._below(len(data) + 1)
        return start, min(len(data), start + int(2 ** (7 * self._rng.random())))

    # Of bytes -------------------------------------------------------------------------------------------

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._below(len(data))] ^= 1 << self._below(8)

    def _noise(self, data: bytearray) -> None:
        start = self._below(len(data) + 1)
        noise = self._rng.randbytes(1 + self._below(4))
        data[start : start + len(noise)] = noise

    def _put(self, data: bytearray) -> None:
        start = self._below(len(data) + 1)
        data[start:start] = self._pick(self._tokens)

    def _put_over(self, data: bytearray) -> None:
        start, token = self._below(len(data) + 1), self._pick(self._tokens)
        data[start : start + len(token)] = token

    def _cut(self, data: bytearray) -> None:
        start, end = self._run(data)
        del data[start:end]

    def _shorten(self, data: bytearray) -> None:
        del data[self._below(len(data) + 1) :]

    def _repeat(self, data: bytearray) -> None:
        start, end = self._run(data)
        times = min(int(2 ** (7 * self._rng.random())), max(0, LONGEST - len(data)) // (end - start or 1))
        data[end:end] = data[start:end] * times

    def _move(self, data: bytearray) -> None:
        start, end = self._run(data)
        moved = data[start:end]
        del data[start:end]
        to = self._below(len(data) + 1)
        data[to:to] = moved

    def _splice(self, data: bytearray) -> None:
        """Go on as another sample does, or take a run of it in."""
        other = self._pick(self._samples)
        if self._rng.random() < 0.5:
            data[self._below(len(data) + 1) :] = other[self._below(len(other) + 1) :]
        else:
            start, end = self._run(other)
            to = self._below(len(data) + 1)
            data[to:to] = other[start:end]

    def _number(self, data: bytearray) -> None:
        """Make another of a number in decimal digits, such as the length of what follows."""
        found = _DIGITS.search(data, self._below(len(data) + 1)) or _DIGITS.search(data)
        if found is not None:
            data[found.start() : found.end()] = b"%d" % self._another(int(found[0]))

    def _word(self, data: bytearray) -> None:
        """Make another of four bytes, which may be a length or an index."""
        if len(data) >= 4:
            start = self._below(len(data) - 3)
            _WORD.pack_into(data, start, self._another(*_WORD.unpack_from(data, start)) & 0xFFFFFFFF)

    def _another(self, number: int) -> int:
        return self._pick(
            (number + 1, number - 1, number * 2, -number, self._pick(NUMBERS), self._pick(NUMBERS))
        )

    # Inside of a shape ----------------------------------------------------------------------------------

    def _changed_inside(self, value: Any) -> Any:
        """Change one thing anywhere in *value*, or all of it."""
        if not _has_inside(value):
            return self._loaded(self._odd)
        place, key = self._place(value)
        dice = self._rng.random()
        if dice < 0.2:
            del place[key]
        elif dice < 0.4:
            place[key] = self._loaded(self._odd)
        elif dice < 0.5:  # what stands somewhere else, there or in another sample
            other = self._loaded(self._opened)
            if _has_inside(other):
                other, where = self._place(other)
                other = other[where]
            place[key] = other
        elif dice < 0.6 and isinstance(place, list):
            place.insert(self._below(len(place) + 1), place[key])
        elif dice < 0.7 and isinstance(place, dict):
            place[self._leaf(key)] = place.pop(key)
        else:
            place[key] = self._leaf(place[key])
        return value

    def _place(self, value: Any) -> tuple[Any, Any]:
        """Return a list or dictionary somewhere in *value*, and where in it."""
        while True:
            key = self._pick(list(value)) if isinstance(value, dict) else self._below(len(value))
            inside = value[key]
            if not _has_inside(inside) or self._rng.random() < 0.2:
                return value, key
            value = inside

    def _leaf(self, value: Any) -> Any:
        """Return *value* changed; it is of the same kind, if there is anything to change in it."""
        if type(value) is int:
            return self._another(value)
        if isinstance(value, (bytes, str)):
            text = isinstance(value, str)
            data = bytearray(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)
            self._pick(self._changes)(data)
            return data.decode("utf-8", "replace") if text else bytes(data)
        return self._loaded(self._odd)


def _has_inside(value: Any) -> bool:
    return isinstance(value, (list, dict)) and bool(value)
