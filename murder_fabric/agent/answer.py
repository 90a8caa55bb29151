"""What a request comes to: what is said meanwhile, and how it is answered in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

#: Sends one event of the request that is being served: its name and fields.
Emit = Callable[[str, Mapping[str, Any]], None]


@dataclass
class Answer:
    """The fields of a request's `done`, and what is attached to it."""

    fields: dict[str, Any]
    attached: bytes = b""
