"""Our small records on this host, a JSON object each: one that is torn, or somebody else's, says nothing."""

from __future__ import annotations

import json
from typing import Any

from ..errors import BadInput
from .files import read_limited

#: Bytes of what is read as a record, where nothing else is said.
LONGEST_RECORD = 64 << 10


def parse_record(data: bytes) -> dict[str, Any]:
    """Return the fields of a record; none where *data* is no JSON object."""
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def read_record(path: str, max_length: int = LONGEST_RECORD) -> dict[str, Any]:
    """Return the fields of the record at *path*; none where it cannot be read, or is longer."""
    try:
        return parse_record(read_limited(path, max_length))
    except BadInput:
        return {}
