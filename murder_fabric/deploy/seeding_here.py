"""The operator's machine as the seeder: where the hosts find it, and whether they can."""

from __future__ import annotations

import secrets
import socket
from collections import Counter
from collections.abc import Mapping

from .. import control
from ..errors import BadInput
from .failures import HostFailure, printable
from .outcome import grouped
from .ranges import fold
from .roles import HERE
from .run import Run

WITHOUT = "leave --seed-here out, and the tree goes to a host over SSH; nothing was changed"


def find_here(run: Run, addresses: Mapping[str, str]) -> str:
    """
    Return where the hosts reach this machine; it is said which of them cannot, as they depend on others then.

    Args:
        addresses: where each host is found by the others.

    Raises:
        BadInput: none can, or they do not agree on where.
    """
    answers = run.muster.ask(run.outcome.going, lambda _: control.Locate())
    run.need_going()
    seen = {host: str(one.fields["operator"] or "") for host, one in answers.items()}
    address = address_here(seen)
    for host, other in seen.items():
        if other != address:
            why = f"it says that SSH came from {other or 'nowhere'}, and most hosts say {address}"
            run.outcome.failed(host, HostFailure("failed", why))
    _must_be_reached(run, addresses, address)
    return address


def address_here(seen: Mapping[str, str]) -> str:
    """
    Return the address of this machine that the hosts see, or more than half of them.

    Args:
        seen: by host, where SSH came from; empty where the host does not know.

    Raises:
        BadInput: there is none, or more than one, or it is not ours.
    """
    address, count = Counter(seen.values()).most_common(1)[0]
    if address and 2 * count > len(seen):
        return _must_be_ours(address)
    unknown = [host for host, address in seen.items() if not address]
    if unknown:
        raise BadInput(
            f"{fold(unknown)} cannot say where SSH came from (SSH_CONNECTION is not set); {WITHOUT}"
        )
    at: dict[str, list[str]] = {}
    for host, address in seen.items():
        at.setdefault(address, []).append(host)
    views = ", ".join(f"{fold(hosts)} as {address}" for address, hosts in at.items())
    raise BadInput(f"the hosts see this machine differently, {views}; {WITHOUT}")


def _must_be_ours(address: str) -> str:
    if not _is_ours(address):
        raise BadInput(
            f"the hosts see this machine as {address}, which is no address of its own: a NAT or a jump host"
            f" is between; {WITHOUT}"
        )
    return address


def _must_be_reached(run: Run, addresses: Mapping[str, str], here: str) -> None:
    muster, mark = run.muster, secrets.token_hex(16)
    first, last = run.settings.peer_port_range()
    standing = muster.ask([HERE], lambda _: control.StandBy(here, first, last, mark))
    if HERE not in standing:
        return  # which the run finds out, as of any seeder
    port = int(standing[HERE].fields["port"])
    going = [host for host in run.outcome.going if host in addresses]
    answers = muster.ask(going, lambda host: control.Reach(addresses[host], here, port, mark))
    problems = {
        host: printable(one.fields["problem"]) for host, one in answers.items() if one.fields["problem"]
    }
    where = f"this machine at {here}, port {port}"
    for line in grouped({host: f"it does not reach {where}: {why}" for host, why in problems.items()}):
        muster.view.say(f"  {line}")
    if len(problems) == len(answers):
        raise BadInput(f"no host reaches {where}: open murder.peer_ports in its firewall, or {WITHOUT}")


def _is_ours(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
