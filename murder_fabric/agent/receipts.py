"""
The receipts of a destination: which releases were verified there, and not elsewhere or under another name.

A receipt names its tag and the id of its destination, which is drawn with the first one. Where it names
another, it was copied from there and says nothing. One without an id is of an older agent, and one may have
lost what it is compared with: those say what was verified, but not that it was here.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from ..errors import BadInput
from .files import read_limited, write_durably
from .records import read_record

_ID = re.compile(r"[0-9a-f]{32}")


class Receipts:
    """
    The receipts in *own*, a destination's `.murder`; every method does blocking file I/O.

    Whoever writes has the destination's lock.
    """

    def __init__(self, own: str) -> None:
        self._own = own

    def find(self, tag: str) -> dict[str, Any] | None:
        """Return the receipt of *tag*; None where there is none, or it is torn, or another one's."""
        record = read_record(self._path(tag))
        ours, its = self._id(), record.get("destination")
        if record.get("tag") != tag or not isinstance(record.get("digest"), str):
            return None
        return None if None not in (ours, its) and its != ours else record

    def is_bound(self, tag: str) -> bool:
        """Say whether the receipt of *tag* says that it was verified here."""
        record = self.find(tag)
        return record is not None and record.get("destination") == self._id() is not None

    def bind(self, tag: str) -> None:
        """
        Note that the release *tag*, if it has a receipt, has been read again here and is what that says.

        Raises:
            StorageError: the disk refuses.
        """
        record = self.find(tag)
        if record is not None and not self.is_bound(tag):
            self.keep(record)

    def keep(self, record: dict[str, Any]) -> None:
        """
        Write a receipt (with `tag` and `digest`) of this destination; it outlives a power cut.

        Raises:
            StorageError: the disk refuses.
        """
        identity = self._id()
        if identity is None:
            self._unbind()
            identity = os.urandom(16).hex()
            write_durably(os.path.join(self._own, "id"), identity.encode())
        write_durably(self._path(record["tag"]), json.dumps({**record, "destination": identity}).encode())

    def _unbind(self) -> None:
        """The id is lost, or was never drawn: what was verified stays known, but not that it was here."""
        directory = os.path.join(self._own, "receipts")
        for tag in os.listdir(directory) if os.path.isdir(directory) else ():
            if (record := read_record(self._path(tag))).pop("destination", None) is not None:
                write_durably(self._path(tag), json.dumps(record).encode())

    def _path(self, tag: str) -> str:
        return os.path.join(self._own, "receipts", tag)

    def _id(self) -> str | None:
        try:
            text = read_limited(os.path.join(self._own, "id"), 64).decode("ascii", "replace")
        except BadInput:
            return None
        return text if _ID.fullmatch(text) else None
