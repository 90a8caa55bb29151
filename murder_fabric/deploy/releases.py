"""What can be done with releases that are there: the stages of a switch, a rollback and so on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from .. import control
from ..control import Request
from ..errors import BadInput, HostsFailed
from ..metainfo.parsing import parse_metainfo
from .choosing import Behind, Listing, behind, must_be_one, way_back
from .deployment import Deployment, bring
from .failures import HostFailure
from .inventory import counted, releases_text, verify_text
from .muster import PAYLOAD_TIMEOUT, SILENCE_LIMIT, Muster
from .outcome import HostState
from .preflight import check_room, prepare, take
from .ranges import fold
from .roles import Roles
from .run import Run
from .swarming import swarm, verify
from .taking_back import mark_bad


def fetch(deployment: Deployment) -> str:
    """Bring the tree to every host, and switch none."""
    bring(deployment)
    run = deployment.plan
    have, tag = run.outcome.hosts(HostState.VERIFIED), run.wanted.tag
    return (
        f"{len(have)} of {len(run.roles.peers)} hosts have {tag}, and current is as it was;"
        f" murder.switch --tag {tag} goes there"
    )


def switch(deployment: Deployment) -> str:
    """Switch every host to a release that it has."""
    run, tag = deployment.plan, deployment.plan.wanted.tag
    listings = _taken(deployment)
    for host, listing in listings.items():
        if not listing.releases.get(tag, {}).get("usable"):
            run.outcome.failed(
                host, HostFailure("failed", f"it has no release {tag}; murder.fetch brings it")
            )
    must_be_one(tag, {host: listings[host] for host in run.outcome.going})
    run.outcome.digest = _digest(listings, tag)
    deployment.switch({host: one.current for host, one in listings.items()})
    return f"{_switched(run)} switched to {tag}"


def rollback(deployment: Deployment, to: str | None) -> str:
    """Switch every host back to the good release it had before, or to *to*; what they leave is bad then."""
    listings = _taken(deployment)
    way = way_back(listings, to)
    run = deployment.aim(dataclasses.replace(deployment.plan.wanted, tag=way.tag))
    run.outcome.digest = _digest(listings, way.tag)
    run.view.say(f"  {fold(way.hosts)}: {way.left} -> {way.tag}")
    deployment.switch({host: one.current for host, one in listings.items()}, way.hosts, back=True)
    for host in run.outcome.going:
        run.outcome.reached(host, HostState.SWITCHED)
    having = [host for host in listings if way.left in listings[host].releases]
    mark_bad(run, way.left, having, f"rolled back to {way.tag}")
    return f"{_switched(run)} back at {way.tag}; {way.left} is marked bad"


def catch_up(deployment: Deployment, tag: str | None) -> str:
    """Bring what most hosts run to those that lack it, from those that have it, and switch them."""
    listings = _taken(deployment)
    plan = behind(listings, tag)
    run = deployment.aim(dataclasses.replace(deployment.plan.wanted, tag=plan.tag, origin="the other hosts"))
    run.outcome.digest = plan.digest
    for host in listings:
        if host not in plan.elsewhere:
            run.outcome.reached(host, HostState.SWITCHED)
    if not plan.elsewhere:
        return f"{counted(listings)} had {plan.tag} already"
    if plan.lacking:
        _bring_among_hosts(deployment, plan)
    deployment.switch({host: one.current for host, one in listings.items()}, plan.elsewhere, alone=True)
    caught = [host for host in plan.elsewhere if host in run.outcome.hosts(HostState.SWITCHED)]
    return f"{counted(caught)} caught up with {plan.tag}"


def show(deployment: Deployment) -> str:
    """Report what releases there are, hosts that are in the same state together."""
    run = deployment.plan
    listings = _listed(run)
    run.outcome.report = releases_text(listings)
    for host, one in listings.items():
        run.outcome.noted(host, current=one.current, held=one.held, releases=list(one.releases.values()))
    return f"{counted(listings)} listed"


def verify_current(deployment: Deployment) -> str:
    """
    Read `current` on every host again, and report who has what.

    Raises:
        HostsFailed: a host has another release than most, or one that is not as it was verified.
    """
    run = deployment.plan
    run.need_going()
    request = control.Inspect(run.wanted.destination)
    with run.view.stage("verify") as said:
        answers = run.muster.ask(run.outcome.going, lambda _: request, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT)
        said.append(f"every byte of current read again on {len(answers)} hosts")
    run.need_going()
    found = {host: message.fields for host, message in answers.items()}
    run.outcome.report, differing = verify_text(found)
    for host, fields in found.items():
        names = ("tag", "digest", "ours", "drift", "drift_count")
        run.outcome.noted(host, **{name: fields[name] for name in names})
        run.outcome.reached(host, HostState.VERIFIED)
    for host in differing:
        run.outcome.reached(host, HostState.FAILED, "its current is not as it should be")
    if differing:
        raise HostsFailed(
            f"{fold(differing)} {'differ' if differing[1:] else 'differs'}, of {counted(answers)};"
            " nothing was changed. Deploy again under another --tag, or murder.catch-up"
        )
    return f"{counted(answers)} as they should be"


def clean_up(deployment: Deployment) -> str:
    """Remove old releases on every host."""
    run = deployment.plan
    take(run, None)
    deployment.standing = "old releases may be gone already on some hosts"
    request = control.CleanUp(run.wanted.destination, run.settings.keep_releases)
    done = run.muster.ask(run.outcome.going, lambda _: request, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT)
    for host, message in done.items():
        run.outcome.noted(host, removed=message.fields["removed"])
    removed = sorted({tag for message in done.values() for tag in message.fields["removed"]})
    return f"{', '.join(removed) or 'nothing'} removed on {counted(done)}"


def lock(deployment: Deployment, reason: str) -> str:
    """Hold the destination on every host, until `unlock`."""
    run = deployment.plan
    deployment.standing = "some hosts may be locked; murder.unlock gives them free"
    done = _each(run, control.Hold(run.wanted.destination, run.operator, reason))
    return f"{run.wanted.destination} is locked on {counted(done)}; murder.unlock gives it free"


def unlock(deployment: Deployment, *, force: bool) -> str:
    """
    Give the destination free on every host.

    Raises:
        BadInput: nobody held it anywhere.
    """
    run = deployment.plan
    deployment.standing = "some hosts may be unlocked already"
    done = _each(run, control.LetGo(run.wanted.destination, run.operator, force))
    held = [host for host, fields in done.items() if fields["held"]]
    if not held and not run.outcome.lost:
        raise BadInput(f"nobody holds {run.wanted.destination} on {counted(done)}")
    return f"{run.wanted.destination} is free on {counted(done)}"


def _each(run: Run, request: Request) -> dict[str, dict[str, object]]:
    run.need_going()
    done = run.muster.ask(run.outcome.going, lambda _: request)
    run.need_going()
    return {host: message.fields for host, message in done.items()}


def _taken(deployment: Deployment) -> dict[str, Listing]:
    """Take the destination on every host, and return what releases it has."""
    run = deployment.plan
    with run.stage("prepare") as said:
        take(run, None)
        listings = _listed(run)
        said.append(f"{len(listings)} hosts ready")
    return listings


def _digest(listings: Mapping[str, Listing], tag: str) -> str:
    """Return the digest that hosts have verified *tag* by; empty where none has."""
    return next(filter(None, (one.digest(tag) for one in listings.values())), "")


def _listed(run: Run) -> dict[str, Listing]:
    run.need_going()
    request = control.ListReleases(run.wanted.destination)
    answers = run.muster.ask(run.outcome.going, lambda _: request, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT)
    run.need_going()
    return {host: Listing.from_fields(message.fields) for host, message in answers.items()}


def _bring_among_hosts(deployment: Deployment, plan: Behind) -> None:
    """Have those that lack a release fetch it from those that have it; who fails is out."""
    run = deployment.plan
    recall = control.RecallRelease(run.wanted.destination, plan.tag)
    answers = run.muster.ask(plan.sources[:1], lambda _: recall)
    if not answers:
        raise HostsFailed(f"{plan.sources[0]} could not give the torrent of {plan.tag}; nothing was switched")
    raw = answers[plan.sources[0]].attached
    metainfo = parse_metainfo(raw)
    hosts = [*plan.sources, *plan.lacking]
    part = Muster(run.muster.channels, hosts, run.view)
    part.greeted = hosts
    # A role that was named is not meant here: whoever has the release gives it.
    settings = dataclasses.replace(run.settings, roles={**run.settings.roles, "tracker": "", "seeder": ""})
    wanted = dataclasses.replace(run.wanted, metainfo=metainfo)
    roles = Roles(plan.sources[0], list(plan.sources), hosts)
    among = dataclasses.replace(run, muster=part, roles=roles, settings=settings, wanted=wanted)
    try:
        ready = prepare(among)
        check_room(among, ready, metainfo)
        swarm(among, ready, metainfo, raw)
        verify(among)
    finally:
        for host, one in part.outcome.by_host().items():
            run.outcome.noted(
                host, bytes_moved=one.bytes_moved, bytes_reused=one.bytes_reused, seconds=one.seconds
            )
            if host in part.outcome.lost:
                run.outcome.failed(host, HostFailure("failed", one.error))


def _switched(run: Run) -> str:
    return f"{len(run.outcome.hosts(HostState.SWITCHED))} of {len(run.roles.peers)} hosts"
