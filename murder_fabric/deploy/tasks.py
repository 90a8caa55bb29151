"""The collection `murder`: what `fab` lists and runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from invoke.collection import Collection

from ..errors import BadInput
from ..units import shown_size
from . import manual, release_tasks
from .executor import GroupContext, group_task
from .lazily import lazily
from .ranges import fold
from .roles import Roles, assign_roles
from .settings import SECTION, Settings, absolute, defaults
from .view import View

if TYPE_CHECKING:
    from . import deployment, releases
    from .wanted import Wanted
else:
    deployment, releases = lazily("deployment"), lazily("releases")


@group_task
def hosts(c: GroupContext) -> None:
    """Show which hosts the arguments and roles name."""
    roles = assign_roles(c.hosts, Settings.from_config(c.config).roles)
    print(f"tracker: {roles.tracker}")
    print(f"seeder: {roles.seeder}")
    print(f"peers: {fold(roles.peers)} ({len(roles.peers)})")


FILES = {
    "files_path": "The directory or file to deploy, on this machine.",
    "destination_path": "Where releases/ and current lie on every host; ~ is the home directory there.",
    "tag": "Name of the release; the time in UTC if not given.",
    "on_seeder": "The files lie on the seeder already, at --files-path there.",
    "exclude": "A glob to leave out, as in .gitignore; may be repeated. .git* is always left out.",
    "torrent": "An existing torrent on this machine, instead of --files-path; who seeds it is elsewhere.",
    **release_tasks.FAILURES,
    **release_tasks.FORCE,
}


@group_task(help=FILES, iterable=["exclude"])
def deploy(
    c: GroupContext,
    files_path: str | None = None,
    destination_path: str | None = None,
    tag: str | None = None,
    on_seeder: bool = False,
    exclude: list[str] | None = None,
    torrent: str | None = None,
    allow_failures: str | None = None,
    force: bool = False,
) -> None:
    """Put a directory tree on every host by BitTorrent, verify each byte, switch all hosts at once."""
    settings = Settings.from_config(
        c.config,
        default_seeder_files_path=absolute(files_path, on_seeder),
        default_destination_path=destination_path,
        default_tag=tag,
        allow_failures=allow_failures,
    )
    roles = assign_roles(c.hosts, settings.roles)
    wanted = _wanted(settings, files_path, on_seeder, exclude, torrent, force)
    _carry_out(c, roles, settings, wanted, deployment.deploy)


@group_task(
    help={name: text for name, text in FILES.items() if name != "allow_failures"}, iterable=["exclude"]
)
def fetch(
    c: GroupContext,
    files_path: str | None = None,
    destination_path: str | None = None,
    tag: str | None = None,
    on_seeder: bool = False,
    exclude: list[str] | None = None,
    torrent: str | None = None,
    force: bool = False,
) -> None:
    """Do all of a deploy but the switch, which murder.switch makes later."""
    settings = Settings.from_config(
        c.config,
        default_seeder_files_path=absolute(files_path, on_seeder),
        default_destination_path=destination_path,
        default_tag=tag,
    )
    roles = assign_roles(c.hosts, settings.roles)
    wanted = _wanted(settings, files_path, on_seeder, exclude, torrent, force)
    _carry_out(c, roles, settings, wanted, releases.fetch)


def _wanted(
    settings: Settings,
    files_path: str | None,
    on_seeder: bool,
    exclude: list[str] | None,
    torrent: str | None,
    force: bool,
) -> Wanted:
    from .existing import wanted_torrent
    from .wanted import check_wanted

    if torrent is None:
        return check_wanted(settings, on_seeder, exclude or (), force=force)
    if files_path or on_seeder or exclude:
        raise BadInput("--torrent says what is deployed: leave --files-path, --on-seeder and --exclude out")
    return wanted_torrent(settings, torrent, force=force)


def _carry_out(
    c: GroupContext,
    roles: Roles,
    settings: Settings,
    wanted: Wanted,
    stages: Callable[[deployment.Deployment], str],
) -> None:
    view = View(sys.stderr)
    view.say(_headline(roles, wanted))
    if c.config.run.dry:
        view.say("dry run: no host was touched")
        return
    deployment.carry_out(c, roles.hosts(), roles, settings, wanted, view, stages)


def _headline(roles: Roles, wanted: Wanted) -> str:
    named = f"{fold(roles.peers)} ({len(roles.peers)} host{'s' * (len(roles.peers) != 1)})"
    what = f"{wanted.files_path} on {roles.seeder}"
    if wanted.metainfo is not None:
        info = wanted.metainfo.info
        count = f"{len(info.files)} file{'s' * (len(info.files) != 1)}"
        what = f"{count}, {shown_size(info.geometry.length)}, digest {info.digest.hex()[:12]}"
    return f"murder: {wanted.tag} to {wanted.destination} on {named}: {what}"


murder = Collection(
    "murder", hosts, deploy, fetch, *release_tasks.TASKS, *manual.TASKS, stop_peers=manual.stop_peering
)
murder.configure({SECTION: defaults()})
