"""Tasks about releases that are on the hosts, each a `fab` of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..errors import BadInput
from .executor import GroupContext, group_task
from .lazily import lazily
from .ranges import fold
from .roles import assign_roles
from .settings import Settings
from .view import View

if TYPE_CHECKING:
    from . import releases as stages
    from .deployment import Deployment
else:
    stages = lazily("releases")

DESTINATION = {
    "destination_path": "Where releases/ and current lie; murder.default_destination_path if not given."
}
FORCE = {"force": "Go on although somebody holds the destination (murder.lock)."}
FAILURES = {"allow_failures": "How many hosts (3) or which share (10%) may fail before nobody switches."}


@group_task(
    help={"tag": "The release to switch to; the hosts have it already.", **DESTINATION, **FAILURES, **FORCE}
)
def switch(
    c: GroupContext,
    tag: str | None = None,
    destination_path: str | None = None,
    allow_failures: str | None = None,
    force: bool = False,
) -> None:
    """Switch all hosts at once to a release that they have."""
    settings = _settings(c, destination_path, allow_failures=allow_failures, default_tag=tag)
    if not settings.default_tag:
        raise BadInput("--tag is missing, such as --tag v1")
    _carry_out(c, settings, f"{settings.default_tag} is to be current", stages.switch, force=force)


@group_task(
    help={
        "to": "The release to go back to; the last good one if not given.",
        **DESTINATION,
        **FAILURES,
        **FORCE,
    }
)
def rollback(
    c: GroupContext,
    to: str | None = None,
    destination_path: str | None = None,
    allow_failures: str | None = None,
    force: bool = False,
) -> None:
    """Switch all hosts back to the last good release before the current one, which is marked bad."""
    settings = _settings(c, destination_path, allow_failures=allow_failures)
    to = _checked(to)
    aim = f"rollback to {to or 'the last good release'}"
    _carry_out(c, settings, aim, partial(stages.rollback, to=to), force=force)


@group_task(
    help={
        "tag": "The release all are to have; what most hosts have as current if not given.",
        **DESTINATION,
        **FORCE,
    }
)
def catch_up(
    c: GroupContext, tag: str | None = None, destination_path: str | None = None, force: bool = False
) -> None:
    """Bring hosts that were down what the others run, from the hosts that have it."""
    settings = _settings(c, destination_path)
    tag = _checked(tag)
    _carry_out(c, settings, "one release for all", partial(stages.catch_up, tag=tag), force=force)


@group_task(help=DESTINATION)
def releases(c: GroupContext, destination_path: str | None = None) -> None:
    """Show which releases the hosts have, and what each is worth."""
    _carry_out(c, _settings(c, destination_path), "releases", stages.show)


@group_task(help=DESTINATION)
def verify(c: GroupContext, destination_path: str | None = None) -> None:
    """Read what is current on all hosts again, and name what has changed."""
    _carry_out(c, _settings(c, destination_path), "verify", stages.verify_current)


@group_task(
    help={
        "keep_releases": "How many good releases stay; murder.keep_releases if not given.",
        **DESTINATION,
        **FORCE,
    }
)
def cleanup(
    c: GroupContext,
    keep_releases: str | None = None,
    destination_path: str | None = None,
    force: bool = False,
) -> None:
    """Remove old releases."""
    settings = _settings(c, destination_path, keep_releases=keep_releases)
    aim = f"the last {settings.keep_releases} releases are to stay"
    _carry_out(c, settings, aim, stages.clean_up, force=force)


@group_task(help={"reason": "Why nobody is to deploy; they are told.", **DESTINATION})
def lock(c: GroupContext, reason: str | None = None, destination_path: str | None = None) -> None:
    """Refuse deploys to all hosts until unlock, whoever asks."""
    settings = _settings(c, destination_path)
    if not reason or not reason.isprintable():
        raise BadInput("--reason is missing, such as --reason 'the database moves'")
    _carry_out(c, settings, "lock", partial(stages.lock, reason=reason[:500]))


@group_task(help={**DESTINATION, "force": "Take off what somebody else locked."})
def unlock(c: GroupContext, destination_path: str | None = None, force: bool = False) -> None:
    """Let deploys to all hosts go on."""
    _carry_out(c, _settings(c, destination_path), "unlock", partial(stages.unlock, force=force))


TASKS = (switch, rollback, catch_up, releases, verify, cleanup, lock, unlock)


def _settings(c: GroupContext, destination_path: str | None, **flags: str | None) -> Settings:
    settings = Settings.from_config(c.config, default_destination_path=destination_path, **flags)
    if not settings.default_destination_path:
        raise BadInput("--destination-path is missing, such as --destination-path /srv/app")
    return settings


def _checked(tag: str | None) -> str | None:
    from ..control import check_tag

    return None if tag is None else check_tag(tag)


def _carry_out(
    c: GroupContext,
    settings: Settings,
    aim: str,
    stage: Callable[[Deployment], str],
    *,
    force: bool = False,
) -> None:
    from .deployment import carry_out
    from .wanted import Wanted

    roles, view = assign_roles(c.hosts, settings.roles), View(sys.stderr)
    wanted = Wanted(settings.default_tag, settings.default_destination_path, "", None, force=force)
    count = len(roles.peers)
    view.say(f"murder: {wanted.destination} on {fold(roles.peers)} ({count} host{'s' * (count != 1)}): {aim}")
    if c.config.run.dry:
        view.say("dry run: no host was touched")
        return
    carry_out(c, roles.peers, roles, settings, wanted, view, stage)
