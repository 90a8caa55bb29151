"""What every request is made of, and the numbers that operator and agent agree on."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, ClassVar

from ..errors import BadInput, quoted

#: Said in the agent's `hello`; another number is another contract.
VERSION = 1
#: The operator says something at least this often (seconds) …
HEARTBEAT_INTERVAL = 10.0
#: … and after this much silence (seconds) the agent ends what it started: a laptop asleep closes nothing.
LEASE = 60.0
#: The event of a request that is under way and has no more to say for now; every few seconds.
WORKING = "working"
#: Bytes of the longest file of certificates that either reads; what browsers trust comes to a quarter of it.
MAX_CERTIFICATES = 1 << 20

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def is_tag(text: str) -> bool:
    """Return whether *text* is a tag; see `check_tag`."""
    return _TAG.fullmatch(text) is not None


def check_tag(tag: str) -> str:
    """Return *tag*, which becomes part of paths on every host; BadInput says what a tag is made of."""
    if not is_tag(tag):
        raise BadInput(
            f"a tag cannot be {tag!r:.120}: letters, digits, '.', '_' and '-', at most 100,"
            " the first one a letter or digit"
        )
    return tag


def check_depth(path: str) -> str:
    """Return *path*, where something is to be written; BadInput if it is too short to be meant."""
    if path.startswith("/") and path.rstrip("/").count("/") < 2:  # where ~ leads is known on the host alone
        raise BadInput(f"{quoted(path)}: a destination is at least two directories deep, such as /srv/app")
    return path


@dataclasses.dataclass(frozen=True)
class Request:
    """What the operator asks of an agent; `name` is what `do` says."""

    name: ClassVar[str]

    def fields(self) -> dict[str, Any]:
        """Return the request as a message's fields, without its `id`."""
        return {"do": self.name, **dataclasses.asdict(self)}
