"""Where to listen: `ADDRESS:PORT` as it is written on a command line, with a range of ports if need be."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, NamedTuple

from ..errors import BadInput, ListenError

_LISTEN = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<first>\d+)(?:-(?P<last>\d+))?")


class Listen(NamedTuple):
    """An IP address of ours and the ports to try there, both ends included; port 0 takes any free one."""

    address: str
    first_port: int
    last_port: int

    def __str__(self) -> str:
        shown = f"[{self.address}]" if ":" in self.address else self.address
        ports = (
            f"{self.first_port}"
            if self.first_port == self.last_port
            else f"{self.first_port}-{self.last_port}"
        )
        return f"{shown}:{ports}"


def parse_listen(text: str) -> Listen:
    """
    Read `10.0.0.5:6881`, `[fd00::5]:6881-6999`, `0.0.0.0:0`.

    Raises:
        BadInput: *text* is none of these.
    """
    match = _LISTEN.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        address = str(ipaddress.ip_address(match["v6"] or match["host"]))
    except ValueError:
        raise BadInput(
            f"--listen {text}: expected ADDRESS:PORT, such as 10.0.0.5:6881 or [fd00::5]:6881-6999"
        ) from None
    first = int(match["first"])
    last = int(match["last"] or first)
    if not 0 <= first <= last <= 65535:
        raise BadInput(f"--listen {text}: ports are 0 to 65535, the lower one first")
    return Listen(address, first, last)


def listen_on(reactor: Any, listen: Listen, factory: Any, backlog: int) -> Any:
    """
    Return the listening port: the first that is free of those asked for.

    Raises:
        ListenError: none is, or the address is not ours.
    """
    from twisted.internet.error import CannotListenError

    for port in range(listen.first_port, listen.last_port + 1):
        try:
            return reactor.listenTCP(port, factory, backlog=backlog, interface=listen.address)
        except CannotListenError as error:
            reason = getattr(error.socketError, "strerror", None) or str(error.socketError)
    raise ListenError(f"cannot listen on {listen}: {reason}")
