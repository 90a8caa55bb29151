"""What a field of a message can be, and whether a value is that."""

from __future__ import annotations

import ipaddress
import math
import re
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from .request import is_tag

#: Numbers are smaller: no disk holds so many bytes, and no clock shows so many seconds.
NUMBERS_END = 1 << 63
_HEX = re.compile(r"[0-9a-f]{0,128}")
_TOKEN = re.compile(r"[0-9a-f]{32}")


class Count:
    """The type of a whole number from 0 on, such as of bytes."""


class Amount:
    """The type of any number from 0 on, such as of seconds."""


def _is_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text and not address.is_unspecified and not address.is_multicast


def _is_name(text: str) -> bool:
    return 0 < len(text) < 256 and text.isprintable() and "/" not in text


#: The types of text that others make something of: an IP address, at which one host can be; a tag; the name
#: of what lies in a directory; hex digits, or none; a secret.
Address = Annotated[str, _is_address]
Tag = Annotated[str, is_tag]
Name = Annotated[str, _is_name]
Hex = Annotated[str, _HEX.fullmatch]
Token = Annotated[str, _TOKEN.fullmatch]
#: Where something listens.
Port = Annotated[int, range(1, 1 << 16).__contains__]
#: Bytes a second, less than a terabyte; seconds since 1970, for 8,000 years.
Rate = Annotated[Amount, lambda rate: rate < 1 << 40]
Moment = Annotated[Amount, lambda moment: moment < 1 << 38]


def fits(value: object, kind: Any) -> bool:
    """
    Return whether *value*, which JSON made, is of *kind*: a type of `typing`'s, `Count`, or `Amount`.

    A tuple stands for a list of so many; a `TypedDict` for an object with its keys, and maybe others; what is
    `Annotated` must pass the test that it is annotated with.
    """
    origin, of = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return fits(value, of[0]) and bool(of[1](value))
    if origin is Union:
        return any(fits(value, one) for one in of)
    if origin is list:
        return isinstance(value, list) and all(fits(one, of[0]) for one in value)
    if origin is tuple:
        return isinstance(value, list) and len(value) == len(of) and all(map(fits, value, of))
    if origin is dict:
        return isinstance(value, dict) and all(
            fits(key, of[0]) and fits(one, of[1]) for key, one in value.items()
        )
    if _is_record(kind):
        keys = get_type_hints(kind, include_extras=True).items()
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
