"""Tasks about releases that are on the hosts, each a `fab` of its own."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import BadInput
from ..units import counted
from .executor import GroupContext
from .lazily import lazily
from .murder_task import murder_task, settings_of
from .ranges import fold
from .roles import assign_roles
from .settings import AnyPath, Settings, absolute

if TYPE_CHECKING:
    from ..storage.tree import Tree
    from . import catching_up, deployment
    from . import doctor as examination
    from . import releases as stages
    from .undertaking import Undertaking
else:
    deployment, stages, examination = lazily("deployment"), lazily("releases"), lazily("doctor")
    catching_up = lazily("catching_up")

DESTINATION = {
    "destination_path": "Where releases/ and current lie; murder.default_destination_path if not given."
}
FORCE = {"force": "Go on although somebody holds the destination (murder.lock)."}
UNVERIFIED = {"unverified": "Go there at once: nobody looks whether it is still what was verified."}
FAILURES = {"allow_failures": "How many hosts (3) or which share (10%) may fail before nobody switches."}
WAVES = {
    "batch": "How many hosts (3) or which share (10%) switch at a time; all at once if not given.",
    "canary": "Hosts that switch first, such as web1,web2 or @canary; the others once they are well.",
    "at": "The moment to switch: HH:MM, or a date and time with its zone; when all is ready if not given.",
}


@murder_task(
    help={
        "tag": "The release to switch to; the hosts have it already.",
        **DESTINATION,
        **FAILURES,
        **WAVES,
        **FORCE,
        **UNVERIFIED,
    }
)
def switch(
    c: GroupContext,
    /,
    tag: str | None = None,
    destination_path: AnyPath | None = None,
    allow_failures: str | int | None = None,
    batch: str | int | None = None,
    canary: str | None = None,
    at: str | None = None,
    force: bool = False,
    unverified: bool = False,
    **settings: Any,
) -> Undertaking:
    """Switch all hosts at once to a release that they have."""
    flags = {"allow_failures": allow_failures, "batch": batch, "canary": canary, "at": at}
    known = _settings(c, settings, destination_path, default_tag=tag, **flags)
    if not known.default_tag:
        raise BadInput("--tag is missing, such as --tag v1")
    tag, aim = known.default_tag, f"{known.default_tag} is to be current"
    stage = partial(stages.switch, unverified=unverified)
    return _going_through(c, known, aim, stage, tag=tag, force=force, hooked=True, in_waves=True)


@murder_task(
    help={
        "to": "The release to go back to; the last good one if not given.",
        **DESTINATION,
        **FAILURES,
        **WAVES,
        **FORCE,
        **UNVERIFIED,
    }
)
def rollback(
    c: GroupContext,
    /,
    to: str | None = None,
    destination_path: AnyPath | None = None,
    allow_failures: str | int | None = None,
    batch: str | int | None = None,
    canary: str | None = None,
    at: str | None = None,
    force: bool = False,
    unverified: bool = False,
    **settings: Any,
) -> Undertaking:
    """Switch all hosts back to the last good release before the current one, which is marked bad."""
    waves = {"batch": batch, "canary": canary, "at": at}
    known = _settings(c, settings, destination_path, allow_failures=allow_failures, **waves)
    # What deploys are held to by the settings would only keep a bad release running for longer.
    known = dataclasses.replace(
        known,
        batch="" if batch is None else known.batch,
        canary="" if canary is None else known.canary,
        at="" if at is None else known.at,
    )
    to = _checked(to)
    aim = f"rollback to {to or 'the last good release'}"
    stage = partial(stages.rollback, to=to, unverified=unverified)
    planned = _going_through(c, known, aim, stage, tag=to or "", force=force, hooked=True, in_waves=True)
    target = "which one that is, only the hosts know; murder.releases shows it"
    return planned if to else dataclasses.replace(planned, plan=lambda: [target])


@murder_task(
    help={
        "tag": "The release all are to have; what most hosts have as current if not given.",
        "mend": "Read the release on all hosts that have it, and replace what somebody changed there.",
        **DESTINATION,
        **FORCE,
    },
    settings=["tracker_port"],
)
def catch_up(
    c: GroupContext,
    /,
    tag: str | None = None,
    destination_path: AnyPath | None = None,
    mend: bool = False,
    force: bool = False,
    **settings: Any,
) -> Undertaking:
    """Bring hosts that were down what the others run, from the hosts that have it."""
    known = _settings(c, settings, destination_path)
    tag = _checked(tag)
    stage = partial(catching_up.catch_up, tag=tag, mend=mend)
    return _going_through(c, known, "one release for all", stage, tag=tag or "", force=force, hooked=True)


@murder_task(help=DESTINATION)
def releases(c: GroupContext, /, destination_path: AnyPath | None = None, **settings: Any) -> Undertaking:
    """Show which releases the hosts have, and what each is worth."""
    return _going_through(c, _settings(c, settings, destination_path), "releases", stages.show)


@murder_task(help=DESTINATION)
def verify(c: GroupContext, /, destination_path: AnyPath | None = None, **settings: Any) -> Undertaking:
    """Read what is current on all hosts again, and name what has changed."""
    return _going_through(c, _settings(c, settings, destination_path), "verify", stages.verify_current)


@murder_task(
    help={
        "keep_releases": "How many good releases stay; murder.keep_releases if not given.",
        **DESTINATION,
        **FORCE,
    }
)
def cleanup(
    c: GroupContext,
    /,
    keep_releases: str | int | None = None,
    destination_path: AnyPath | None = None,
    force: bool = False,
    **settings: Any,
) -> Undertaking:
    """Remove old releases."""
    known = _settings(c, settings, destination_path, keep_releases=keep_releases)
    aim = f"the last {known.keep_releases} releases are to stay"
    return _going_through(c, known, aim, stages.clean_up, force=force, hooked=True)


@murder_task(help={"reason": "Why nobody is to deploy; they are told.", **DESTINATION})
def lock(
    c: GroupContext, /, reason: str | None = None, destination_path: AnyPath | None = None, **settings: Any
) -> Undertaking:
    """Refuse deploys to all hosts until unlock, whoever asks."""
    known = _settings(c, settings, destination_path)
    if not reason or not reason.isprintable():
        raise BadInput("--reason is missing, such as --reason 'the database moves'")
    return _going_through(c, known, "lock", partial(stages.lock, reason=reason[:500]))


@murder_task(help={**DESTINATION, "force": "Take off what somebody else locked."})
def unlock(
    c: GroupContext, /, destination_path: AnyPath | None = None, force: bool = False, **settings: Any
) -> Undertaking:
    """Let deploys to all hosts go on."""
    known = _settings(c, settings, destination_path)
    return _going_through(c, known, "unlock", partial(stages.unlock, force=force))


@murder_task(
    help={
        "destination_path": "Where a deploy would go; without it hosts are looked at, and no destination.",
        "files_path": "What would be deployed, on this machine: hosts without room for it are found.",
        "exclude": "A glob to leave out, as in .gitignore; may be repeated.",
    },
    iterable=["exclude"],
    settings=["tracker_port"],
)
def doctor(
    c: GroupContext,
    /,
    destination_path: AnyPath | None = None,
    files_path: AnyPath | None = None,
    exclude: list[str] | None = None,
    **settings: Any,
) -> Undertaking:
    """Find out whether a deploy would do well: hosts, destinations, who reaches whom; changes nothing."""
    known = settings_of(c, settings, default_destination_path=destination_path)
    stage = partial(examination.check_up, tree=_tree(known, absolute(files_path, False), exclude or ()))
    planned = _going_through(c, known, "doctor", stage)
    return dataclasses.replace(planned, hosts=assign_roles(c.hosts, known.roles).hosts())


TASKS = (switch, rollback, catch_up, releases, verify, cleanup, lock, unlock, doctor)


def _tree(settings: Settings, files_path: AnyPath | None, exclude: Sequence[str]) -> Tree | None:
    if not files_path:
        return None
    if not settings.default_destination_path:
        raise BadInput("--destination-path is missing, such as --destination-path /srv/app")
    from ..storage.tree import scan
    from .wanted import patterns_of

    return scan(os.fspath(files_path), patterns_of(settings, exclude))


def _settings(
    c: GroupContext, settings: Mapping[str, Any], destination_path: AnyPath | None, **flags: Any
) -> Settings:
    known = settings_of(c, settings, default_destination_path=destination_path, **flags)
    if not known.default_destination_path:
        raise BadInput("--destination-path is missing, such as --destination-path /srv/app")
    return known


def _checked(tag: str | None) -> str | None:
    from ..control import check_tag

    return None if tag is None else check_tag(tag)


def _going_through(
    c: GroupContext,
    settings: Settings,
    aim: str,
    stage: Callable[[deployment.Deployment], str],
    *,
    tag: str = "",
    force: bool = False,
    hooked: bool = False,
    in_waves: bool = False,
) -> Undertaking:
    from ..control import check_depth
    from .wanted import Wanted

    roles = assign_roles(c.hosts, settings.roles)
    wanted = Wanted(tag, check_depth(settings.default_destination_path), "", None, force=force)
    named = f"{fold(roles.peers)} ({counted(len(roles.peers), 'host')})"
    aim = f"{wanted.destination} on {named}: {aim}" if wanted.destination else f"{named}: {aim}"
    return deployment.of_release(
        aim, settings, roles, wanted, stage, context=c if hooked else None, in_waves=in_waves
    )
