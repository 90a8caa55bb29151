"""The collection `murder`: what `fab` lists and runs."""

from __future__ import annotations

import os
import sys
import time

from invoke.collection import Collection
from invoke.exceptions import Exit

from ..control import check_tag
from ..errors import BadInput, HostsFailed
from ..storage.creation import create_metainfo
from .bundle import build_bundle
from .deployment import Deployment, Wanted, title_of
from .executor import GroupContext, group_task
from .outcome import HostState
from .ranges import fold
from .remote import open_fleet
from .roles import Roles, assign_roles
from .settings import SECTION, Settings, defaults
from .view import View, megabytes


@group_task
def hosts(c: GroupContext) -> None:
    """Show which hosts the arguments and roles name."""
    roles = assign_roles(c.hosts, Settings.from_config(c.config).roles)
    print(f"tracker: {roles.tracker}")
    print(f"seeder: {roles.seeder}")
    print(f"peers: {fold(roles.peers)} ({len(roles.peers)})")


@group_task(
    help={
        "files_path": "The directory or file to deploy, on this machine.",
        "destination_path": "Where releases/ and current lie on every host; ~ is the home directory there.",
        "tag": "Name of the release; the time in UTC if not given.",
        "on_seeder": "The files lie on the seeder already, at --files-path there.",
        "exclude": "A glob to leave out, as in .gitignore; may be repeated. .git* is always left out.",
        "allow_failures": "How many hosts (3) or which share (10%) may fail before nobody switches.",
    },
    iterable=["exclude"],
)
def deploy(
    c: GroupContext,
    files_path: str | None = None,
    destination_path: str | None = None,
    tag: str | None = None,
    on_seeder: bool = False,
    exclude: list[str] | None = None,
    allow_failures: str | None = None,
) -> None:
    """Put a directory tree on every host by BitTorrent, verify each byte, switch all hosts at once."""
    settings = Settings.from_config(
        c.config,
        default_seeder_files_path=_absolute(files_path, on_seeder),
        default_destination_path=destination_path,
        default_tag=tag,
        allow_failures=allow_failures,
    )
    roles = assign_roles(c.hosts, settings.roles)
    view = View(sys.stderr)
    wanted = _wanted(settings, on_seeder, list(exclude or ()))
    view.say(_headline(roles, wanted))
    if c.config.run.dry:
        view.say("dry run: no host was touched")
        return
    _deploy(c, roles, settings, wanted, view)


def _deploy(c: GroupContext, roles: Roles, settings: Settings, wanted: Wanted, view: View) -> None:
    """Carry the deploy out, and end with one line and its exit code."""
    began = time.monotonic()
    with open_fleet(c, roles.hosts(), settings, build_bundle()) as fleet:
        deployment = Deployment(fleet, roles, settings, wanted, view)
        try:
            deployment.run()
        except HostsFailed as error:
            for line in deployment.outcome.complaints():
                view.say(f"  {line}")
            raise Exit(f"murder: {error}", code=error.exit_code) from None
        except KeyboardInterrupt:
            raise Exit(
                "murder: interrupted; every host is as it was, nothing of ours runs", code=130
            ) from None
    outcome = deployment.outcome
    for line in outcome.complaints():
        view.say(f"  {line}")
    switched = len(outcome.hosts(HostState.SWITCHED))
    view.say(
        f"murder: {switched} of {len(roles.peers)} hosts switched to {wanted.tag}"
        f" in {time.monotonic() - began:.1f} s"
    )
    code = outcome.exit_code(HostState.SWITCHED)
    if code:
        raise Exit(f"murder: failed: {fold(outcome.lost)}", code=code)


def _wanted(settings: Settings, on_seeder: bool, exclude: list[str]) -> Wanted:
    """
    Check what is to be deployed, and hash it if it lies here: all that can be wrong without any host.

    Raises:
        BadInput: something is missing or cannot be deployed.
    """
    files_path, destination = settings.default_seeder_files_path, settings.default_destination_path
    if not files_path or not destination:
        missing = "--files-path" if not files_path else "--destination-path"
        raise BadInput(
            f"{missing} is missing: fab -H … murder.deploy --files-path ./build --destination-path /srv/app"
        )
    tag = check_tag(settings.default_tag or time.strftime("%Y%m%d%H%M%S", time.gmtime()))
    if on_seeder:
        return Wanted(tag, destination, files_path, None, exclude)
    metainfo = create_metainfo(files_path, None, exclude=exclude, name=os.fsencode(title_of(destination)))
    return Wanted(tag, destination, files_path, metainfo, exclude)


def _absolute(files_path: str | None, on_seeder: bool) -> str | None:
    """Return a path of this machine as its own settings check wants it."""
    return files_path if files_path is None or on_seeder else os.path.abspath(os.path.expanduser(files_path))


def _headline(roles: Roles, wanted: Wanted) -> str:
    named = f"{fold(roles.peers)} ({len(roles.peers)} host{'s' * (len(roles.peers) != 1)})"
    what = f"{wanted.files_path} on {roles.seeder}"
    if wanted.metainfo is not None:
        info = wanted.metainfo.info
        what = f"{len(info.files)} files, {megabytes(info.geometry.length)}, digest {info.digest.hex()[:12]}"
    return f"murder: {wanted.tag} to {wanted.destination} on {named}: {what}"


murder = Collection("murder", hosts, deploy)
murder.configure({SECTION: defaults()})
