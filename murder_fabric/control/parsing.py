"""From the fields of a message to the request that they stand for."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from ..errors import ControlError
from . import agents, errands, preflight, releasing, swarming
from .request import Request
from .shapes import fits


def _requests() -> Iterator[type[Request]]:
    for module in (agents, errands, preflight, releasing, swarming):
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Request) and "name" in vars(kind):
                yield kind


#: Every request by its name.
REQUESTS: dict[str, type[Request]] = {kind.name: kind for kind in _requests()}


@functools.cache
def _types(name: str) -> dict[str, Any]:
    """Return what each field of the request called *name* must be; finding out takes as long as all else."""
    return get_type_hints(REQUESTS[name], include_extras=True)


def parse_request(fields: Mapping[str, Any]) -> Request:
    """
    Return the request that a message's fields stand for; keys it does not know are ignored.

    Raises:
        ControlError: no such request, or a field is missing or of the wrong type.
    """
    kind = REQUESTS.get(str(fields.get("do")))
    if kind is None:
        raise ControlError(f"no request is called {fields.get('do')!r:.60}: is the operator's version newer?")
    values = {}
    types = _types(kind.name)
    for field in dataclasses.fields(kind):
        if field.name in fields:
            value = fields[field.name]
            if not fits(value, types[field.name]):
                raise ControlError(f"{kind.name}: {field.name} cannot be {value!r:.60}")
            values[field.name] = value
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise ControlError(f"{kind.name}: {field.name} is missing")
    return kind(**values)
