"""
Host expressions, and back: `web[1-500]` is five hundred hosts, and five hundred hosts are `web[1-500]`.

    expression = term *("," term)
    term       = ["!"] (host / "@" role)        ; "!" takes hosts away again
    host       = [user "@"] name [":" port]     ; any part of it may hold brackets
    brackets   = "[" item *("," item) "]"
    item       = number / number "-" number ["/" step]

Leading zeros are kept (`web[001-120]`), the order is the written one, and nothing is deduplicated: `a,a` is
two calls for an ordinary Fabric task.  IPv6 addresses are left alone, bare (`::1`) or bracketed (`[::1]:22`).
"""

from __future__ import annotations

import ipaddress
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Optional, Union

from ..errors import HostRangeError

#: Larger than any fleet; stops a typing error such as `web[1-99999999]` from eating the memory.
MAX_HOSTS = 100_000
#: Numbers longer than this are names of something, not counters.
MAX_DIGITS = 18

#: What a role may be written as: one expression, or a list of them.
RoleHosts = Union[str, Sequence[str]]

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_DIGITS = rf"([0-9]{{1,{MAX_DIGITS}}})"
_NUMBER = re.compile(_DIGITS)
_ITEM = re.compile(rf"{_DIGITS}(?:-{_DIGITS}(?:/{_DIGITS})?)?")
_ROLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
#: `user`: also `DOMAIN\user` and `user@realm`, which directories hand out.
_USER = re.compile(r"[\w.+$\\@=][\w.+$\\@=-]*")
#: `%` starts the zone of a link-local address.
_NAME = re.compile(r"[\w.][\w.%-]*")


class Target(NamedTuple):
    """Where one host string leads; `user` and `port` are None where SSH's settings decide."""

    host: str
    user: Optional[str] = None
    port: Optional[int] = None


def parse_host(text: str) -> Target:
    """
    Take apart one host without brackets: `web1`, `root@web1:2222`, `::1`, `root@[fd00::1]:22`.

    Raises:
        HostRangeError: it cannot be a host.
    """
    user, at, address = text.rpartition("@")
    if text.startswith("-") or address.startswith("-"):
        raise HostRangeError(f"{_shown(text)} starts with '-', so it is an option and no host")
    if at and not _USER.fullmatch(user):
        raise HostRangeError(f"{_shown(text)} has no user name that SSH could take before the '@'")
    if address.startswith("["):
        name, closed, rest = address[1:].partition("]")
        if not closed or not _is_ipv6(name) or (rest and not rest.startswith(":")):
            raise HostRangeError(f"{_shown(text)} is no bracketed IPv6 address such as [::1]:22")
        port = rest[1:] if rest else None
    elif address.count(":") > 1:
        if not _is_ipv6(address):
            raise HostRangeError(f"{_shown(text)} is neither host:port nor an IPv6 address")
        name, port = address, None
    else:
        name, colon, number = address.partition(":")
        port = number if colon else None
        if not _NAME.fullmatch(name):
            raise HostRangeError(f"{_shown(text)} is no host name")
    return Target(name, user or None, None if port is None else _port(text, port))


def expand(text: str, roles: Optional[Mapping[str, RoleHosts]] = None) -> list[str]:
    """
    Return every host that *text* names, in order.

    Args:
        text: an expression of the grammar above.
        roles: what `@name` stands for; the expressions in it may name further roles.

    Raises:
        HostRangeError: *text* breaks the grammar, names an unknown role, no host, or more than MAX_HOSTS.
    """
    return _expand(text, roles or {}, ())


def fold(hosts: Iterable[str]) -> str:
    """Write *hosts* as short as ranges allow, in their order, so that `expand` gives them back."""
    terms: list[str] = []
    group: list[list[str]] = []
    varying: Optional[int] = None
    for host in hosts:
        tokens = _tokens(host)
        column = _differing_column(group[-1], tokens) if group else None
        if column is not None and varying in (None, column):
            varying = column
        elif group:
            terms.append(_folded(group, varying))
            group, varying = [], None
        group.append(tokens)
    if group:
        terms.append(_folded(group, varying))
    return ",".join(terms)


def _expand(text: str, roles: Mapping[str, RoleHosts], inside: tuple[str, ...]) -> list[str]:
    if not text.strip(" "):
        raise HostRangeError("the host expression is empty; name at least one host")
    for position, character in enumerate(text):
        if character != " " and (character.isspace() or not character.isprintable()):
            raise _error(text, position, f"the character {character!r} cannot be part of a host")
    hosts: list[str] = []
    excluded: list[tuple[int, str, list[str]]] = []
    for position, term in _terms(text):
        exclude, wanted = term.startswith("!"), term.lstrip("!")
        if len(term) - len(wanted) > 1 or not wanted:
            raise _error(text, position, "a '!' must be followed by the hosts to leave out")
        found = (
            _expand_role(text, position, wanted[1:], roles, inside)
            if wanted.startswith("@")
            else _expand_term(text, position + exclude, wanted)
        )
        if exclude:
            excluded.append((position, wanted, found))
        else:
            hosts += found
        if len(hosts) > MAX_HOSTS:
            raise _error(text, position, f"more than {MAX_HOSTS:,} hosts are named up to here")
    return _without(text, hosts, excluded) if excluded else hosts


def _terms(text: str) -> Iterator[tuple[int, str]]:
    """Yield each term with its position, splitting at the commas outside brackets."""
    start, opened = 0, None
    for position, character in enumerate(text + ","):
        if character == "[":
            if opened is not None:
                raise _error(text, position, "brackets cannot be nested")
            opened = position
        elif character == "]":
            if opened is None:
                raise _error(text, position, "']' has no '[' before it")
            opened = None
        elif character == "," and (opened is None or position == len(text)):
            if opened is not None:
                raise _error(text, opened, "'[' is never closed")
            term = text[start:position]
            if not term.strip(" "):
                raise _error(text, min(start, len(text) - 1), "a host is missing at this comma")
            yield start + len(term) - len(term.lstrip(" ")), term.strip(" ")
            start = position + 1


def _expand_role(
    text: str, position: int, name: str, roles: Mapping[str, RoleHosts], inside: tuple[str, ...]
) -> list[str]:
    if not _ROLE.fullmatch(name):
        raise _error(text, position, f"@{name} is no role name")
    if name not in roles:
        known = ", ".join(sorted(role for role in roles if roles[role])) or "none is set"
        raise _error(text, position, f"no role {name!r}; known roles: {known}")
    if name in inside:
        raise _error(text, position, f"the role {name!r} names itself")
    expression = roles[name]
    if not isinstance(expression, str):
        expression = ",".join(expression)
    if not expression:
        raise _error(text, position, f"the role {name!r} names no hosts")
    return _expand(expression, roles, (*inside, name))


def _expand_term(text: str, start: int, term: str) -> list[str]:
    """Return the hosts of one term that begins at *start* of *text*."""
    pieces: list[list[str]] = []
    cursor = 0
    for brackets in _BRACKETS.finditer(term):
        pieces.append([term[cursor : brackets.start()]])
        cursor = brackets.end()
        begins_address = brackets.start() == 0 or term[brackets.start() - 1] == "@"
        if begins_address and brackets[1].count(":") > 1:
            pieces.append([brackets[0]])
        else:
            pieces.append(_numbers(text, start + brackets.start() + 1, brackets[1]))
    pieces.append([term[cursor:]])
    count = math.prod(len(piece) for piece in pieces)
    if count > MAX_HOSTS:
        raise _error(text, start, f"{count:,} hosts are named; {MAX_HOSTS:,} is the limit")
    hosts = ["".join(parts) for parts in itertools.product(*pieces)]
    for host in hosts:
        try:
            parse_host(host)
        except HostRangeError as error:
            raise _error(text, start, str(error)) from None
    return hosts


def _numbers(text: str, position: int, body: str) -> list[str]:
    """Return the numbers that the inside of one pair of brackets stands for."""
    numbers: list[str] = []
    for item in body.split(","):
        match = _ITEM.fullmatch(item.strip(" "))
        if match is None:
            raise _error(text, position, _why_no_item(item))
        first, last, step = match[1], match[2] or match[1], int(match[3] or 1)
        if int(last) < int(first):
            raise _error(text, position, f"the range {item} runs backwards")
        if step == 0:
            raise _error(text, position, f"the range {item} has a step of 0")
        if len(last) != len(first) and (len(last) < len(first) or last.startswith("0")):
            raise _error(text, position, f"the ends of {item} have different leading zeros")
        values = range(int(first), int(last) + 1, step)
        if len(values) + len(numbers) > MAX_HOSTS:
            raise _error(text, position, f"{len(values):,} hosts are named; {MAX_HOSTS:,} is the limit")
        width = _width(first)
        numbers += [str(value).zfill(width) for value in values]
        position += len(item) + 1
    return numbers


def _why_no_item(item: str) -> str:
    if not item.strip(" "):
        return "a number is missing in the brackets"
    if re.fullmatch(r"[0-9]+:[0-9]+(:[0-9]+)?", item):
        return f"{item} is Ansible's way; write [{item.replace(':', '-', 1).replace(':', '/')}]"
    if re.fullmatch(r"[0-9]*-[0-9]*(/[0-9]*)?", item):
        return f"the range {item} lacks a number, or one is longer than {MAX_DIGITS} digits"
    return f"{_shown(item)} is neither a number nor a range such as 1-5 or 1-9/2"


def _without(text: str, hosts: list[str], excluded: list[tuple[int, str, list[str]]]) -> list[str]:
    """Take the excluded hosts away: written alike, or only by name where no user and port were given."""
    written = set(hosts)
    names = {parse_host(host).host for host in hosts}
    unwanted: set[str] = set()
    unwanted_names: set[str] = set()
    for position, term, found in excluded:
        bare = [parse_host(host) for host in found]
        here = {target.host for target in bare if target.user is None and target.port is None}
        # A role may name hosts that are not meant today; a host written out and not there is a typing error.
        if not term.startswith("@") and written.isdisjoint(found) and names.isdisjoint(here):
            raise _error(text, position, f"!{term} leaves out no host that is named here")
        unwanted.update(found)
        unwanted_names |= here
    left = [host for host in hosts if host not in unwanted and parse_host(host).host not in unwanted_names]
    if not left:
        raise HostRangeError(f"the host expression {_shown(text)} leaves out every host it names")
    return left


def _tokens(host: str) -> list[str]:
    """Split into text and numbers, numbers at the odd places; an IPv6 address is all text."""
    return [host] if "[" in host or host.count(":") > 1 else _NUMBER.split(host)


def _differing_column(one: list[str], other: list[str]) -> Optional[int]:
    """Return the one place where two hosts differ, if a number is there; the last number of equal hosts."""
    if len(one) != len(other) or len(one) == 1:
        return None
    places = [place for place, (a, b) in enumerate(zip(one, other)) if a != b]
    if not places:
        return len(one) - 2
    return places[0] if len(places) == 1 and places[0] % 2 else None


def _folded(group: list[list[str]], varying: Optional[int]) -> str:
    """Write hosts that differ in the number at *varying* only as one term."""
    first = group[0]
    if varying is None:
        return "".join(first)
    runs: list[list[str]] = []
    for tokens in group:
        number = tokens[varying]
        if runs and number == str(int(runs[-1][-1]) + 1).zfill(_width(runs[-1][0])):
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    items = ",".join("-".join(run) for run in runs)
    return "".join([*first[:varying], f"[{items}]", *first[varying + 1 :]])


def _width(number: str) -> int:
    """Return how many digits the numbers of a range that starts with *number* have at least."""
    return len(number) if number.startswith("0") else 0


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _port(text: str, digits: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", digits) or not 0 < int(digits) < 65536:
        raise HostRangeError(f"{_shown(text)} has no port from 1 to 65535 after the ':'")
    return int(digits)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _error(text: str, position: int, what: str) -> HostRangeError:
    return HostRangeError(f"host expression {_shown(text)}, position {position + 1}: {what}")
