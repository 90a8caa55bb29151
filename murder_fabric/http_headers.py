"""The header lines of an HTTP message (RFC 9110, RFC 9112), as trackers and web seeds both have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Container

_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")


def parse_headers(
    lines: bytes, framing: Container[bytes], refuse: Callable[[str], Exception]
) -> dict[bytes, bytes]:
    """
    Return header names, in lower case, with their values; of two values the first counts.

    Args:
        lines: what stands between the first line of the message and the empty one, less the last CRLF.
        framing: names, in lower case, that decide what the body is: said twice, they must say the same.
        refuse: makes the error that is raised of what is wrong, such as `a header line that is none`.
    """
    found: dict[bytes, bytes] = {}
    for line in lines.split(b"\r\n") if lines else ():
        header = _HEADER.fullmatch(line)
        if header is None:
            raise refuse("a header line that is none")
        name = header[1].lower()
        if found.setdefault(name, header[2]) != header[2] and name in framing:
            raise refuse(f"two different values of {name.decode('ascii')}")
    return found
