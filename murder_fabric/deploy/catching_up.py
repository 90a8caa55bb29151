"""Hosts that are behind, or whose release somebody has changed, get what the others have from the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .. import control, units
from ..control import Message
from ..errors import AllHostsFailed, HostsFailed
from ..metainfo.values import Metainfo
from .choosing import Behind, behind, confirmed
from .connecting.attachments import with_torrents
from .deployment import Deployment
from .failures import HostFailure
from .inventory import counted, left_alone_lines
from .muster import PROMPT_TIMEOUT, Muster
from .outcome import HostState
from .preflight import check_room, prepare
from .ranges import fold
from .releases import taken
from .revision import Revision
from .roles import Roles
from .run import Run
from .soundness import damage_counts, inspected, leave_out_changed, more_than_release
from .swarming import swarm, verify

#: So many hosts are heard on what a release has that its digest does not cover: one that lies is outvoted.
MOST_WITNESSES = 3


class _Told(NamedTuple):
    """What a host says of a release: its torrent, and its REVISION."""

    metainfo: Metainfo
    revision: str


def catch_up(deployment: Deployment, tag: str | None, *, mend: bool = False) -> str:
    """
    Bring what most hosts run to those that lack it, from those that have it, and switch them.

    Args:
        tag: what all are to have, if not what most run.
        mend: hosts where somebody has changed files of it lack it too; so all that have it read it.

    Raises:
        BadInput: nobody knows what all are to have, or nobody has it.
        HostsFailed: all that have it have a changed one, or failed; or too many hosts failed to go on.
    """
    listings = taken(deployment)
    plan = behind(listings, tag)
    run = deployment.aim(dataclasses.replace(deployment.plan.wanted, tag=plan.tag, origin="the other hosts"))
    run.outcome.digest = plan.digest
    had = plan.having
    damaged, strange = _inspected(run, had) if mend else ({}, [])
    left = {host: one for host, one in listings.items() if run.outcome.is_going(host)}
    plan = behind(left, plan.tag, damaged, plan.digest)
    if not plan.having:
        raise _nobody_has_it(run, had, damaged)
    for host in left:
        if host not in plan.elsewhere:
            run.outcome.reached(host, HostState.SWITCHED)
    if not plan.elsewhere:
        return f"{counted(left)} had {plan.tag} already{_left_alone(strange)}"
    if plan.lacking:
        _bring_among_hosts(run, plan, damaged)
    if not mend:  # else all that have it were looked at
        leave_out_changed(run, listings, [host for host in plan.having if host in plan.elsewhere])
    deployment.switch({host: one.current for host, one in listings.items()}, plan.elsewhere, alone=True)
    caught = [host for host in plan.elsewhere if host in run.outcome.hosts(HostState.SWITCHED)]
    return f"{counted(caught)} caught up with {plan.tag}{_left_alone(strange)}"


def _left_alone(strange: Sequence[str]) -> str:
    """Return what is to be said in the end of hosts where there is more than belongs to their release."""
    return f"; what does not belong there was left alone on {fold(strange)}" if strange else ""


def _inspected(run: Run, having: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """
    Read the release on hosts *having* it.

    Returns:
        The hosts where paths of it were changed, and how many; and those where others lie besides, which
        are named: nobody removes them.
    """
    found = inspected(run, having)
    strangers = {
        host: (tuple(map(str, fields["strangers"])), count)
        for host, fields in found.items()
        if (count := more_than_release(fields))
    }
    for line in left_alone_lines(strangers, run.wanted.tag):
        run.view.say(f"  {line}")
    for host, (paths, _) in strangers.items():
        run.outcome.noted(host, left_alone=list(paths))
    return damage_counts(found), list(strangers)


def _nobody_has_it(run: Run, had: Sequence[str], damaged: Mapping[str, int]) -> HostsFailed:
    """Return the error that ends a run in which of the hosts that *had* the release none can give it."""
    untold = [host for host in had if host not in damaged]
    advice = "Deploy the tree again under another --tag"
    if untold:
        advice = f"{fold(untold)} failed before that was known: put it right and run the same command again"
    for host, count in damaged.items():
        changed = f"{units.counted(count, 'path')} of its {run.wanted.tag} changed since it was verified"
        run.outcome.failed(host, HostFailure("failed", changed))
    return (HostsFailed if run.outcome.going else AllHostsFailed)(
        f"no host has {run.wanted.tag} as it was verified, so none can give it; nothing was changed. {advice}"
    )


def _bring_among_hosts(run: Run, plan: Behind, damaged: Mapping[str, int]) -> None:
    """Have those that lack a release fetch it from those that have it; who fails is out."""
    metainfo, revision = _release(run, plan)
    sources = [host for host in plan.sources() if host in run.outcome.going]
    hosts = [*sources, *plan.lacking]
    part = Muster(run.muster.channels, hosts, run.view)
    part.greeted = hosts
    # Under another name it would find the destination taken: by the run that it is a part of.
    part.outcome.run_id = run.outcome.run_id
    # A role that was named is not meant here: whoever has the release gives it.
    settings = dataclasses.replace(run.settings, roles={**run.settings.roles, "tracker": "", "seeder": ""})
    wanted = dataclasses.replace(
        run.wanted, metainfo=metainfo, revision=Revision(revision, is_tree=True), damaged=frozenset(damaged)
    )
    roles = Roles(sources[0], sources, hosts)
    among = dataclasses.replace(run, muster=part, roles=roles, settings=settings, wanted=wanted)
    try:
        ready = prepare(among)
        check_room(among, ready, metainfo)
        swarm(among, ready, metainfo, metainfo.encode())
        verify(among, plan.lacking)
    except AllHostsFailed as error:  # all that it was about here: others may have it, and only switch
        for host in plan.lacking:
            part.outcome.failed(host, HostFailure("failed", str(error)))
    finally:
        _take_over(run, part)


def _release(run: Run, plan: Behind) -> tuple[Metainfo, str]:
    """
    Return the torrent of the release, as it is brought to those that lack it, and what its REVISION says.

    The digest covers the info dictionary, and nothing beside it. So times and REVISION are as hosts agree on
    them; and trackers and web seeds stay behind, as a host could send all others anywhere with them.
    """
    told = _told(run, plan)
    is_alone = len(plan.having) == 1
    mtimes = confirmed([one.metainfo.mtimes or () for one in told], is_alone=is_alone)
    revision = confirmed([one.revision for one in told], is_alone=is_alone)
    for what, agreed in (("the times of its files", mtimes), ("what its REVISION says", revision)):
        if agreed is None:
            run.view.say(f"  {plan.tag} is brought without {what}: no two hosts that have it say the same")
    return Metainfo(told[0].metainfo.info, mtimes=mtimes or None), revision or ""


def _told(run: Run, plan: Behind) -> list[_Told]:
    """Return what `MOST_WITNESSES` hosts tell of a release they have, if so many can; who cannot is out."""
    recall = control.RecallRelease(run.wanted.destination, plan.tag)
    message, sources, told = Message(recall.fields()), plan.sources(), list[_Told]()
    while sources and len(told) < MOST_WITNESSES:
        asked = [sources.pop(0) for _ in sources[: MOST_WITNESSES - len(told)]]
        answers = run.muster.channels.ask(dict.fromkeys(asked, message), PROMPT_TIMEOUT)
        answers, torrents = with_torrents(recall.name, answers, plan.digest)
        told += [
            _Told(torrents[answer.attached], str(answer.fields["revision"]))
            for answer in run.muster.settle(answers).values()
        ]
    if not told:
        raise HostsFailed(
            f"{fold(plan.sources())} could not give the torrent of {plan.tag}; nothing was switched"
        )
    return told


def _take_over(run: Run, part: Muster) -> None:
    """Note in *run* what became of the hosts of a *part* of it."""
    for host, one in part.outcome.by_host().items():
        run.outcome.noted(
            host, bytes_moved=one.bytes_moved, bytes_reused=one.bytes_reused, seconds=one.seconds
        )
        if host in part.outcome.lost:
            run.outcome.failed(host, HostFailure("failed", one.error))
        elif one.state is HostState.SKIPPED:
            run.outcome.reached(host, HostState.SKIPPED, one.error)
