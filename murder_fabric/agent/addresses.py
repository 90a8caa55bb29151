"""Where to listen: `ADDRESS:PORT` as it is written on a command line, with a range of ports if need be."""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import re
import socket
import struct
from typing import Any, NamedTuple

from ..errors import BadInput, ListenError, quoted
from .port_holder import holder_of

#: Asks the kernel for an interface's IPv4 address (netdevice(7)).
_SIOCGIFADDR = 0x8915

_LISTEN = re.compile(
    r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?"
)


class Listen(NamedTuple):
    """An IP address of ours and the ports to try there, both ends included; port 0 takes any free one."""

    address: str
    first_port: int
    last_port: int
    #: How other ports are asked for, where all of these are taken.
    chosen_by: str = "--listen"

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
            f"--listen {quoted(text)}: expected ADDRESS:PORT, such as 10.0.0.5:6881 or [fd00::5]:6881-6999"
        ) from None
    first = int(match["first"])
    last = int(match["last"] or first)
    if not 0 <= first <= last <= 65535:
        raise BadInput(f"--listen {quoted(text)}: ports are 0 to 65535, the lower one first")
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
        except (CannotListenError, OSError) as error:
            # Two agents may bind a port at the same moment; the second of them fails at listen(2) only,
            # and that error Twisted lets through as it is.
            cause = getattr(error, "socketError", error)
            reason = getattr(cause, "strerror", None) or str(cause)
            if getattr(cause, "errno", None) == errno.EADDRINUSE:
                holder = holder_of(listen.address, port)
                reason += f" ({port} by {holder})" if holder is not None else ""
                reason += f"; free a port there, or choose others with {listen.chosen_by}"
    raise ListenError(f"cannot listen on {listen}: {reason}")


def address_of_interface(name: str, like: str | None) -> str:
    """
    Return this host's address on the interface *name*, of the kind (IPv4 or IPv6) of *like*; IPv4 if None.

    Raises:
        BadInput: there is no such interface, or it has no such address.
    """
    if like is not None and ipaddress.ip_address(like).version == 6:
        for line in _lines_of("/proc/net/if_inet6"):
            digits, _, _, scope, _, interface = line.split()
            if interface == name and scope == "00":
                return str(ipaddress.IPv6Address(bytes.fromhex(digits)))
        raise BadInput(f"there is no interface {name} with an IPv6 address here")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        except OSError:
            raise BadInput(f"there is no interface {name} with an IPv4 address here") from None
    return socket.inet_ntoa(answer[20:24])


def _lines_of(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().splitlines()
    except OSError:
        return []
