"""Where peers are: addresses as text and port, and the three spellings trackers have for lists of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from ..errors import TrackerError

#: Bytes of an IPv4 peer in compact form (BEP 23).
_COMPACT_IPV4 = 6


class _Address(NamedTuple):
    host: str
    port: int


class PeerAddress(_Address):
    """Where a peer listens: *host* is an IPv4 or IPv6 address as `canonical_host` spells it."""

    @cached_property
    def packed(self) -> bytes:
        """In compact form: 6 bytes of IPv4 (BEP 23), or 18 of IPv6 (BEP 7); a tracker says it many times."""
        return ipaddress.ip_address(self.host).packed + self.port.to_bytes(2, "big")


@lru_cache(maxsize=4096)
def canonical_host(host: str) -> str:
    """
    Return the one spelling of the IP address *host*; IPv4 mapped into IPv6 becomes IPv4 again.

    A tracker asks for the same few hosts with each announce: the answers are kept.

    Raises:
        ValueError: *host* is no IP address.
    """
    return str(_plain(ipaddress.ip_address(host)))


def encode_compact(peers: Iterable[PeerAddress]) -> tuple[bytes, bytes]:
    """Return *peers* in compact form: IPv4 as 6 bytes each (BEP 23), IPv6 as 18 each (BEP 7)."""
    packed = [peer.packed for peer in peers]
    everybody = b"".join(packed)
    if len(everybody) == _COMPACT_IPV4 * len(packed):  # as nearly always
        return everybody, b""
    ipv4 = [peer for peer in packed if len(peer) == _COMPACT_IPV4]
    ipv6 = [peer for peer in packed if len(peer) != _COMPACT_IPV4]
    return b"".join(ipv4), b"".join(ipv6)


def encode_dictionaries(peers: Iterable[PeerAddress]) -> list[dict[bytes, bytes | int]]:
    """Return *peers* in the form of BEP 3, less the peer ids, as if `no_peer_id` were asked for."""
    return [{b"ip": host.encode("ascii"), b"port": port} for host, port in peers]


def decode_compact(name: str, value: Any, address_length: int) -> Iterator[PeerAddress]:
    """
    Yield each usable peer of a compact list; *address_length* is 4 (BEP 23) or 16 (BEP 7).

    Raises:
        TrackerError: *value* is no string, or is cut within a peer.
    """
    size = address_length + 2
    if not isinstance(value, bytes) or len(value) % size:
        raise TrackerError(f"the tracker's {name} is not a list of {size} bytes a peer")
    for start in range(0, len(value), size):
        host = ipaddress.ip_address(value[start : start + address_length])
        yield from _usable(host, int.from_bytes(value[start + address_length : start + size], "big"))


def decode_dictionaries(value: Any) -> Iterator[PeerAddress]:
    """
    Yield each usable peer of a list as in BEP 3; host names are not looked up but passed over.

    Raises:
        TrackerError: an entry without `ip` or `port`.
    """
    for entry in value:
        host, port = (entry.get(b"ip"), entry.get(b"port")) if isinstance(entry, dict) else (None, None)
        if not isinstance(host, bytes) or not isinstance(port, int):
            raise TrackerError("the tracker's peers have an entry without ip and port")
        try:
            address = ipaddress.ip_address(host.decode("ascii", "replace"))
        except ValueError:
            continue
        yield from _usable(address, port)


def _usable(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> Iterator[PeerAddress]:
    """Yield one peer, or nothing where nobody can listen: port 0, `0.0.0.0`, a multicast group."""
    address = _plain(address)
    if 0 < port < 65536 and not address.is_multicast and not address.is_unspecified:
        yield PeerAddress(str(address), port)


def _plain(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped
