"""What hosts have, as text: those in the same state together, each group under its folded names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import units
from .choosing import Listing, by_value
from .failures import printable
from .ranges import fold

#: Hexadecimal digits of a digest that people compare.
SHOWN_DIGEST = 12
#: Files named for each group.
MOST_NAMED = 10
#: Tags named in one sentence.
MOST_TAGS = 50


def counted(hosts: Iterable[str]) -> str:
    """Return hosts folded, and how many they are."""
    named = list(hosts)
    return f"{fold(named)} ({len(named)} host{'s' * (len(named) != 1)})" if named else "no host"


def listed(tags: Iterable[str]) -> str:
    """Return *tags* in a list of which people see the end."""
    named = sorted(tags)
    more = len(named) - MOST_TAGS
    return ", ".join([*named[:MOST_TAGS], *[f"{more} more"] * (more > 0)]) or "nothing"


def releases_text(listings: Mapping[str, Listing]) -> str:
    """Return a block for each group of hosts: what is current, who holds it, and every release."""
    blocks = []
    for hosts in by_value({host: _state(one) for host, one in listings.items()}).values():
        listing = listings[hosts[0]]
        lines = [f"{counted(hosts)}: current is {listing.current or 'nothing'}"]
        if listing.held is not None:
            held = listing.held
            lines.append(
                printable(f"locked by {held['operator']} since {held['since']}: {held['reason']}", 1000)
            )
        width = max((len(tag) for tag in listing.releases), default=0)
        for tag, one in listing.releases.items():
            mark = "*" if tag == listing.current else " "
            digest = str(one["digest"])[:SHOWN_DIGEST] or "-"
            note = printable(str(one["reason"] or one["verified"]))
            lines.append(
                f"{mark} {tag:<{width}}  {one['state']:<8}{digest:<{SHOWN_DIGEST}}"
                f"  {units.shown_size(one['length']):>10}  {note}".rstrip()
            )
        if not listing.releases:
            lines.append("no release")
        blocks.append("\n  ".join(lines))
    return "\n".join(blocks)


def verify_text(inspected: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, str]]:
    """
    Return a line for each group of hosts with the same `current`, and what is wrong with which host.

    What most hosts have, of those where it is whole, is right, whatever it is called there.

    Args:
        inspected: by host, the fields of the answer to `control.Inspect`.
    """
    states = by_value({host: _found(fields) for host, fields in inspected.items()})
    lines = []
    for hosts in states.values():
        fields = inspected[hosts[0]]
        lines.append(f"{counted(hosts)}: {_finding(fields)}")
        named = [str(line) for line in fields["drift"][:MOST_NAMED]]
        more = fields["drift_count"] - len(named)
        lines += [f"  {printable(line)}" for line in [*named, *[f"and {more} more"] * (more > 0)]]
    # Who has more than belongs there can still give the others what does.
    contents = {
        host: (str(fields["digest"]), bool(fields["ours"]))
        for host, fields in inspected.items()
        if fields["tag"] is not None and not fields["damage_count"]
    }
    right = next(iter(by_value(contents)), None)
    fine = [
        host for host, content in contents.items() if content == right and not inspected[host]["drift_count"]
    ]
    return "\n".join(lines), {host: _wrong(inspected[host], right) for host in inspected if host not in fine}


def left_alone_lines(strangers: Mapping[str, tuple[tuple[str, ...], int]], tag: str) -> list[str]:
    """
    Return a line for each group of hosts with the same paths that do not belong to their release *tag*.

    Args:
        strangers: by host, such paths, and how many there are of them.
    """
    lines = []
    for (paths, count), hosts in by_value(strangers).items():
        named = [printable(path) for path in paths[:MOST_NAMED]]
        more = f" and {count - len(named)} more" * (count > len(named))
        lines.append(
            f"{fold(hosts)}: left alone, as not of {tag}: {', '.join(named)}{more};"
            " remove there by hand what is not needed"
        )
    return lines


def _wrong(fields: Mapping[str, Any], right: tuple[str, bool] | None) -> str:
    """Say what is wrong with a host; *right* is the digest that is right, and whether it was verified."""
    bringing, mending = "murder.catch-up brings it what the others have", "murder.catch-up --mend mends that"
    if right is None:
        bringing = mending = "no host is as it was verified: deploy the tree again under another --tag"
    elif not right[1]:
        bringing = mending = "nobody knows which is right: deploy a new one"
    if fields["tag"] is None:
        return f"it has no current release; {bringing}"
    if not fields["drift_count"]:
        digest = str(fields["digest"])[:SHOWN_DIGEST]
        return f"its {fields['tag']} ({digest}) is another release than that of most hosts; {bringing}"
    drifted, damaged = fields["drift_count"], fields["damage_count"]
    if not damaged:
        return f"what does not belong there lies in its {fields['tag']}; remove it there if it is not needed"
    if damaged == drifted:
        return f"{units.counted(damaged, 'path')} of its {fields['tag']} changed; {mending}"
    do_not = "does not" if drifted - damaged == 1 else "do not"
    return (
        f"{drifted} paths differ in its {fields['tag']}: {damaged} changed ({mending}),"
        f" {drifted - damaged} {do_not} belong there (remove there what is not needed)"
    )


def _finding(fields: Mapping[str, Any]) -> str:
    if fields["tag"] is None:
        return "current is nothing"
    what = f"current is {fields['tag']}, digest {str(fields['digest'])[:SHOWN_DIGEST]}"
    if not fields["ours"]:
        return f"{what} as it is now: nothing is known of what it should be"
    count = fields["drift_count"]
    return f"{what}, as it was verified" if not count else f"{what}, but {count} of its paths differ"


def _found(fields: Mapping[str, Any]) -> tuple[Any, str, bool, tuple[str, ...], int]:
    return (
        fields["tag"],
        str(fields["digest"]),
        bool(fields["ours"]),
        tuple(fields["drift"]),
        int(fields["drift_count"]),
    )


def _state(listing: Listing) -> tuple[Any, ...]:
    """Return what is to be equal; when each host verified a release is its own affair."""
    held = None if listing.held is None else (listing.held["operator"], listing.held["reason"])
    keys = ("tag", "state", "digest", "length")
    return (
        listing.current,
        held,
        tuple(tuple(one[key] for key in keys) for one in listing.releases.values()),
    )
