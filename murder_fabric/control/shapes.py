"""What a field of a message can be, and whether a value is that."""

from __future__ import annotations

import math
from typing import Any, Union, get_args, get_origin, get_type_hints

#: Numbers are smaller: what has hundreds of digits is no number of anything, and no float.
NUMBERS_END = 1 << 80


class Count:
    """The type of a whole number from 0 on, such as of bytes."""


class Amount:
    """The type of any number from 0 on, such as of seconds."""


def fits(value: object, kind: Any) -> bool:
    """
    Return whether *value*, which JSON made, is of *kind*: a type of `typing`'s, `Count`, or `Amount`.

    A tuple stands for a list of so many; a `TypedDict` for an object with its keys, and maybe others.
    """
    origin, of = get_origin(kind), get_args(kind)
    if origin is Union:
        return any(fits(value, one) for one in of)
    if origin is list:
        return isinstance(value, list) and all(fits(one, of[0]) for one in value)
    if origin is tuple:
        return isinstance(value, list) and len(value) == len(of) and all(map(fits, value, of))
    if origin is dict:
        return isinstance(value, dict) and all(fits(one, of[1]) for one in value.values())
    if _is_record(kind):
        keys = get_type_hints(kind).items()
        return isinstance(value, dict) and all(key in value and fits(value[key], one) for key, one in keys)
    if kind is float:
        return (type(value) is float and math.isfinite(value)) or _is_whole(value, -NUMBERS_END)
    if kind is Amount:
        return (type(value) is float and 0 <= value < NUMBERS_END) or _is_whole(value, 0)
    if kind is Count:
        return _is_whole(value, 0)
    return kind is Any or type(value) is kind


def _is_record(kind: Any) -> bool:
    """Return whether *kind* is a `TypedDict`; Python 3.9 has no word for that."""
    return isinstance(kind, type) and hasattr(kind, "__required_keys__")


def _is_whole(value: object, least: int) -> bool:
    return type(value) is int and least <= value < NUMBERS_END
