"""What can be done with releases that are there: the stages of a switch, a rollback and so on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .. import control, units
from ..control import Request
from ..errors import BadInput, HostsFailed
from .choosing import Listing, cannot_go, is_deployed, nothing_deployed, way_back
from .deployment import Deployment, bring
from .failures import HostFailure, printable
from .inventory import counted, listed, releases_text, verify_text
from .muster import PAYLOAD_TIMEOUT, SILENCE_LIMIT
from .outcome import HostState
from .preflight import take
from .ranges import fold
from .run import Run
from .soundness import leave_out_changed
from .taking_back import mark_bad

#: What is said to who cannot wait until a release is mended.
UNVERIFIED = "; --unverified goes there whatever it is now"


def fetch(deployment: Deployment) -> str:
    """Bring the tree to every host, and switch none."""
    bring(deployment)
    run = deployment.plan
    have, tag = len(run.outcome.hosts(HostState.VERIFIED)), run.wanted.tag
    hosts = f"{have} of {units.counted(len(run.roles.peers), 'host')} {'has' if have == 1 else 'have'}"
    return f"{hosts} {tag}, and current is as it was; murder.switch --tag {tag} goes there"


def switch(deployment: Deployment, *, unverified: bool = False) -> str:
    """Switch every host to a release that it has and that is as it was verified; or *unverified*, to any."""
    run, tag = deployment.plan, deployment.plan.wanted.tag
    listings = taken(deployment)
    _leave_out(run, cannot_go(listings, tag, listings))
    if not unverified:
        leave_out_changed(run, listings, otherwise=UNVERIFIED)
    run.outcome.digest = _digest(listings, tag)
    deployment.switch({host: one.current for host, one in listings.items()})
    return f"{_switched(run)} switched to {tag}"


def rollback(deployment: Deployment, to: str | None, *, unverified: bool = False) -> str:
    """
    Switch every host back to the good release it had before, or to *to*; what they leave is bad then.

    Args:
        unverified: nobody looks first whether it is still as it was verified.
    """
    listings = taken(deployment)
    way = way_back(listings, to)
    run = deployment.aim(dataclasses.replace(deployment.plan.wanted, tag=way.tag))
    _leave_out(run, cannot_go(listings, way.tag, way.hosts, back=True))
    if not unverified:
        leave_out_changed(run, listings, way.hosts, otherwise=UNVERIFIED)
    run.outcome.digest = _digest(listings, way.tag)
    if going := [host for host in way.hosts if run.outcome.is_going(host)]:
        run.view.say(f"  {fold(going)}: {way.left} -> {way.tag}")
    deployment.switch({host: one.current for host, one in listings.items()}, way.hosts, back=True)
    for host in run.outcome.going:
        run.outcome.reached(host, HostState.SWITCHED)
    having = [host for host in listings if way.left in listings[host].releases]
    mark_bad(run, way.left, having, f"rolled back to {way.tag}")
    return f"{_switched(run)} back at {way.tag}; {way.left} is marked bad"


def show(deployment: Deployment) -> str:
    """
    Report what releases there are, hosts that are in the same state together.

    Raises:
        BadInput: there is none, and nobody holds the destination.
    """
    run = deployment.plan
    listings = _listed(run)
    run.outcome.report = releases_text(listings)
    for host, one in listings.items():
        run.outcome.noted(host, current=one.current, held=one.held, releases=list(one.releases.values()))
    if not any(one.held for one in listings.values()):
        _must_be_deployed(run, listings)
    return f"{counted(listings)} listed"


def verify_current(deployment: Deployment) -> str:
    """
    Read `current` on every host again, and report who has what.

    Raises:
        HostsFailed: a host has another release than most, or one that is not as it was verified.
        BadInput: no host has a current release.
    """
    run = deployment.plan
    run.need_going()
    request = control.Inspect(run.wanted.destination)
    with run.view.stage("verify") as said:
        answers = run.muster.ask(run.outcome.going, lambda _: request, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT)
        said.append(f"every byte of current read again on {units.counted(len(answers), 'host')}")
    run.need_going()
    found = {host: message.fields for host, message in answers.items()}
    if not any(fields["tag"] for fields in found.values()):
        _must_be_deployed(run, _listed(run))
        raise BadInput(
            f"no host has a current release in {run.wanted.destination}, and nothing was changed;"
            " murder.releases lists what there is, murder.switch goes there"
        )
    run.outcome.report, wrong = verify_text(found)
    for host, fields in found.items():
        names = ("tag", "digest", "ours", "drift", "drift_count", "damage_count")
        run.outcome.noted(host, **{name: fields[name] for name in names})
        run.outcome.reached(host, HostState.VERIFIED)
    for host, reason in wrong.items():
        run.outcome.reached(host, HostState.FAILED, reason)
    if wrong:
        raise HostsFailed(
            f"{fold(wrong)} {'are not as they' if len(wrong) > 1 else 'is not as it'} should be, of"
            f" {counted(answers)}; nothing was changed"
        )
    return f"{counted(answers)} as they should be"


def clean_up(deployment: Deployment) -> str:
    """Remove old releases on every host."""
    taken(deployment)
    run = deployment.plan
    deployment.standing = "old releases may be gone already on some hosts"
    request = control.CleanUp(run.wanted.destination, run.settings.keep_releases)
    with run.stage("clean up") as said:
        done = run.muster.ask(run.outcome.going, lambda _: request, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT)
        for host, message in done.items():
            run.outcome.noted(host, removed=message.fields["removed"])
        removed = listed({tag for message in done.values() for tag in message.fields["removed"]})
        said.append(f"{removed} removed")
    return f"{removed} removed on {counted(done)}"


def lock(deployment: Deployment, reason: str) -> str:
    """
    Hold the destination on every host, until `unlock`; a run that has it already goes on, and is named.

    Raises:
        BadInput: nobody ever deployed there.
    """
    run, destination = deployment.plan, deployment.plan.wanted.destination
    deployment.standing = "some hosts may be locked; murder.unlock gives them free"
    done = _each(run, control.Hold(destination, run.operator, reason, run.id))
    held = {host: fields for host, fields in done.items() if fields["held"]}
    if not held and not run.outcome.lost:
        raise BadInput(nothing_deployed(destination, done))
    absent = f"nothing was ever deployed to {destination}, so it is not locked there"
    _leave_out(run, {host: absent for host in done if host not in held})
    run.need_going()
    under_way: dict[str, list[str]] = {}
    for host, record in ((host, fields["under_way"]) for host, fields in held.items()):
        if record:
            run.outcome.noted(host, under_way=record)
            whose = f"run {record['run']} of {record['operator']}, since {record['since']}"
            under_way.setdefault(printable(whose, 1000), []).append(host)
    for whose, hosts in under_way.items():
        run.view.say(f"  {fold(hosts)}: {whose}, goes on and may switch; what begins later is refused")
    but = "; it does not stop the run under way" * bool(under_way)
    return f"{destination} is locked on {counted(held)}{but}; murder.unlock gives it free"


def unlock(deployment: Deployment, *, force: bool) -> str:
    """
    Give the destination free on every host; whose lock was taken off, if it was another's, is said.

    Raises:
        BadInput: nobody held it anywhere.
    """
    run = deployment.plan
    deployment.standing = "some hosts may be unlocked already"
    done = _each(run, control.LetGo(run.wanted.destination, run.operator, force))
    held = {host: fields["held"] for host, fields in done.items() if fields["held"]}
    if not held and not run.outcome.lost:
        raise BadInput(f"nobody holds {run.wanted.destination} on {counted(done)}")
    overridden: dict[str, list[str]] = {}
    for host, record in held.items():
        run.outcome.noted(host, held=record)
        if record["operator"] != run.operator:
            by_run = f" (run {record['run']})" * bool(record["run"])
            whose = f"of {record['operator']}, since {record['since']}{by_run}: {record['reason']}"
            overridden.setdefault(printable(whose, 1000), []).append(host)
    for whose, hosts in overridden.items():
        run.view.say(f"  {fold(hosts)}: overrode the lock {whose}")
    return f"{run.wanted.destination} is free on {counted(done)}"


def _each(run: Run, request: Request) -> dict[str, dict[str, Any]]:
    run.need_going()
    done = run.muster.ask(run.outcome.going, lambda _: request)
    run.need_going()
    return {host: message.fields for host, message in done.items()}


def taken(deployment: Deployment) -> dict[str, Listing]:
    """
    Take the destination on every host, and return what releases it has.

    Raises:
        BadInput: none has any.
    """
    run = deployment.plan
    with run.stage("prepare") as said:
        take(run, None)
        listings = _listed(run)
        said.append(f"{units.counted(len(listings), 'host')} ready")
    _must_be_deployed(run, listings)
    return listings


def _must_be_deployed(run: Run, listings: Mapping[str, Listing]) -> None:
    if not is_deployed(listings):
        # Who could not be asked may have something.
        kind = HostsFailed if run.outcome.lost else BadInput
        raise kind(nothing_deployed(run.wanted.destination, listings))


def _leave_out(run: Run, reasons: Mapping[str, str]) -> None:
    """Let hosts be out that cannot go where the others go."""
    for host, reason in reasons.items():
        run.outcome.failed(host, HostFailure("failed", reason))


def _digest(listings: Mapping[str, Listing], tag: str) -> str:
    """Return the digest that hosts have verified *tag* by; empty where none has."""
    return next(filter(None, (one.digest(tag) for one in listings.values())), "")


def _listed(run: Run) -> dict[str, Listing]:
    run.need_going()
    request = control.ListReleases(run.wanted.destination)
    answers = run.muster.ask(run.outcome.going, lambda _: request, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT)
    run.need_going()
    return {host: Listing.from_fields(message.fields) for host, message in answers.items()}


def _switched(run: Run) -> str:
    switched = len(run.outcome.hosts(HostState.SWITCHED))
    return f"{switched} of {units.counted(len(run.roles.peers), 'host')}"
