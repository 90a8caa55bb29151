"""How messages of `control` become bytes: a line of JSON each, some with raw bytes behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import ControlError

MAX_LINE = 1 << 20
MAX_ATTACHED = 64 << 20
#: What a login shell may print before the agent's first line.
MAX_NOISE = 64 << 10


class Message(NamedTuple):
    """One line, and what was attached to it."""

    fields: dict[str, Any]
    attached: bytes = b""


def encode_message(fields: Mapping[str, Any], attached: bytes = b"") -> bytes:
    """Return the bytes of one message."""
    if attached:
        fields = {**fields, "attached": len(attached)}
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n" + attached


class MessageReader:
    """
    Turns bytes into messages, however they were cut on the way.

    With *noise*, lines that are no message are passed over until the first one that is: a login shell may
    print a greeting before the agent speaks.
    """

    def __init__(self, *, noise: bool = False) -> None:
        self._noise = MAX_NOISE if noise else 0
        self._buffer = bytearray()
        self._open: dict[str, Any] | None = None
        self._wanted = 0
        #: Bytes of all lines until now, and not of what was attached.
        self.line_bytes = 0

    def receive(self, data: bytes) -> list[Message]:
        """
        Add bytes; return the messages that are now complete.

        Raises:
            ControlError: what came is no message, or larger than any message may be.
        """
        self._buffer += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        while self._open is None:
            end = self._buffer.find(b"\n")
            if max(end, len(self._buffer) * (end < 0)) > MAX_LINE:
                raise ControlError(f"a control line of more than {MAX_LINE} bytes")
            if end < 0:
                return None
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self.line_bytes += end + 1
            self._open = self._parse(line)
        if len(self._buffer) < self._wanted:
            return None
        message = Message(self._open, bytes(self._buffer[: self._wanted]))
        del self._buffer[: self._wanted]
        self._open = None
        return message

    def _parse(self, line: bytes) -> dict[str, Any] | None:
        """Return the fields of *line*, or None for noise that is passed over."""
        try:
            fields = json.loads(line)
            if not isinstance(fields, dict) or not ("event" in fields or "do" in fields):
                raise ValueError
            self._wanted = fields.pop("attached", 0)
            if type(self._wanted) is not int or not 0 <= self._wanted <= MAX_ATTACHED:
                raise ValueError
        except (ValueError, RecursionError):
            self._noise -= len(line) + 1
            if self._noise < 0:
                raise ControlError(f"not a control message: {line[:80]!r}") from None
            return None
        self._noise = 0
        return fields
