"""Murder's own tasks, each a `fab` of its own: what one of them leaves running, another one ends."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from ..errors import BadInput, HostsFailed, Interrupted
from .executor import GroupContext, group_task
from .lazily import lazily
from .ranges import fold
from .roles import Roles, assign_roles
from .settings import Settings
from .view import View

if TYPE_CHECKING:
    from . import recipes, stopping
    from .muster import Muster
else:
    recipes, stopping = lazily("recipes"), lazily("stopping")

TEMP_PATH = "The directory on this machine that the torrent comes to as TAG.torrent."
TAG = {"tag": "Names what is moved; murder.default_tag if not given."}


@group_task
def distribute_files(c: GroupContext) -> None:
    """Put the agent on tracker, seeder and peers, where it is not there yet."""
    settings, roles = _known(c)
    _carry_out(c, settings, roles.hosts(), "bringing the agent to", recipes.distribute_files)


@group_task
def start_tracker(c: GroupContext) -> None:
    """Start the tracker; it stays until stop-tracker."""
    settings, roles = _known(c)
    step = partial(recipes.start_tracker, host=roles.tracker, settings=settings)
    _carry_out(c, settings, [roles.tracker], "starting the tracker on", step)


@group_task
def stop_tracker(c: GroupContext) -> None:
    """End the tracker."""
    settings, roles = _known(c)
    step = partial(recipes.stop_tracker, host=roles.tracker)
    _carry_out(c, settings, [roles.tracker], "stopping the tracker on", step)


@group_task(
    help={
        **TAG,
        "files_path": "The directory or file on the seeder.",
        "exclude": "A glob to leave out, as in .gitignore; may be repeated. .git* is always left out.",
        "temp_path": TEMP_PATH,
        "path_is_file": "The files path is one file; anything else there is refused.",
        "do_not_download_torrent": "Leave the torrent on the seeder: no copy comes to this machine.",
    },
    iterable=["exclude"],
)
def create_torrent(
    c: GroupContext,
    tag: str | None = None,
    files_path: str | None = None,
    exclude: list[str] | None = None,
    temp_path: str | None = None,
    path_is_file: bool = False,
    do_not_download_torrent: bool = False,
) -> None:
    """Make a torrent of what lies on the seeder."""
    settings, roles = _known(
        c, default_tag=tag, default_seeder_files_path=files_path, default_temp_path=_absolute(temp_path)
    )
    tag = _tag(settings)
    path = _needed(settings.default_seeder_files_path, "--files-path", "--files-path /srv/build")
    step = partial(
        recipes.create_torrent,
        host=roles.seeder,
        tag=tag,
        files_path=path,
        exclude=exclude or (),
        directory=None if do_not_download_torrent else _directory(settings, tag),
        path_is_file=path_is_file,
    )
    _carry_out(c, settings, [roles.seeder], f"making the torrent of {tag} from {path} on", step)


@group_task(help={**TAG, "temp_path": TEMP_PATH})
def download_torrent(c: GroupContext, tag: str | None = None, temp_path: str | None = None) -> None:
    """Fetch the torrent of a tag from the seeder again."""
    settings, roles = _known(c, default_tag=tag, default_temp_path=_absolute(temp_path))
    tag = _tag(settings)
    directory = _directory(settings, tag)
    step = partial(recipes.download_torrent, host=roles.seeder, tag=tag, directory=directory)
    _carry_out(c, settings, [roles.seeder], f"fetching the torrent of {tag} to {directory} from", step)


@group_task(help=TAG)
def start_seeding(c: GroupContext, tag: str | None = None) -> None:
    """Seed the torrent of a tag from the seeder; it stays until stop-seeding."""
    settings, roles = _known(c, default_tag=tag)
    tag = _tag(settings)
    step = partial(recipes.start_seeding, roles=roles, settings=settings, tag=tag)
    _carry_out(c, settings, [roles.seeder], f"starting the seeder of {tag} on", step, others=[roles.tracker])


@group_task(help=TAG)
def stop_seeding(c: GroupContext, tag: str | None = None) -> None:
    """End the seeder of a tag."""
    settings, roles = _known(c, default_tag=tag)
    tag = _tag(settings)
    step = partial(stopping.stop_seeding, host=roles.seeder, tag=tag)
    _carry_out(c, settings, [roles.seeder], f"stopping the seeder of {tag} on", step)


@group_task(
    help={
        **TAG,
        "destination_path": "The directory on every peer that TAG is made in; ~ is the home directory there.",
        "no_tag_directory": "Put the files straight into the destination path.",
        "unsafe_please_delete": "Delete what lies in the directory that is filled, where it is not empty.",
    }
)
def peer(
    c: GroupContext,
    tag: str | None = None,
    destination_path: str | None = None,
    no_tag_directory: bool = False,
    unsafe_please_delete: bool = False,
) -> None:
    """Fetch what is seeded under a tag to all peers; they seed it on until stop-peering."""
    settings, roles = _known(c, default_tag=tag, default_destination_path=destination_path)
    tag = _tag(settings)
    path = _needed(settings.default_destination_path, "--destination-path", "--destination-path /srv/data")
    if not no_tag_directory:
        path = f"{path}/{tag}"
    step = partial(
        recipes.peer,
        roles=roles,
        settings=settings,
        tag=tag,
        destination=path,
        empty=unsafe_please_delete,
    )
    aim = f"bringing {tag} to {path}" + ", which is emptied first," * unsafe_please_delete + " on"
    _carry_out(c, settings, roles.peers, aim, step, others=[roles.seeder, roles.tracker])


@group_task(help=TAG)
def stop_peering(c: GroupContext, tag: str | None = None) -> None:
    """End the peers of a tag."""
    settings, roles = _known(c, default_tag=tag)
    tag = _tag(settings)
    _carry_out(
        c, settings, roles.peers, f"stopping the peers of {tag} on", partial(stopping.stop_peering, tag=tag)
    )


@group_task
def stop_all_seeding(c: GroupContext) -> None:
    """End the seeders of all tags."""
    settings, roles = _known(c)
    step = partial(stopping.stop_all, kind="seeder")
    _carry_out(c, settings, [roles.seeder], "stopping all seeders on", step)


@group_task
def stop_all_peering(c: GroupContext) -> None:
    """End the peers of all tags."""
    settings, roles = _known(c)
    step = partial(stopping.stop_all, kind="peer")
    _carry_out(c, settings, roles.peers, "stopping all peers on", step)


@group_task(help={**TAG, "temp_path": TEMP_PATH})
def clean_temp_files(c: GroupContext, tag: str | None = None, temp_path: str | None = None) -> None:
    """Remove what a tag left behind: its torrent, logs and half-seeded payloads; never a release."""
    settings, roles = _known(c, default_tag=tag, default_temp_path=_absolute(temp_path))
    tag = _tag(settings)
    step = partial(stopping.clean_temp_files, tag=tag, directory=_directory(settings, tag))
    _carry_out(c, settings, roles.hosts(), f"removing what {tag} left on", step)


TASKS = (
    distribute_files,
    start_tracker,
    stop_tracker,
    create_torrent,
    download_torrent,
    start_seeding,
    stop_seeding,
    stop_all_seeding,
    peer,
    stop_peering,
    stop_all_peering,
    clean_temp_files,
)


def _known(c: GroupContext, **flags: str | None) -> tuple[Settings, Roles]:
    settings = Settings.from_config(c.config, **flags)
    return settings, assign_roles(c.hosts, settings.roles)


def _carry_out(
    c: GroupContext,
    settings: Settings,
    hosts: Iterable[str],
    aim: str,
    step: Callable[[Muster], str],
    others: Iterable[str] = (),
) -> None:
    """
    Connect to hosts, do *step* with them and say what came of it.

    Args:
        hosts: those the task is about, and that decide how it ends.
        aim: what is about to be done, for who watches; the hosts follow.
        others: those that are needed for it.

    Raises:
        HostsFailed: some did not do it; which and why has been said.
        Interrupted: Ctrl-C.
    """
    from .bundle import build_bundle
    from .muster import Muster
    from .remote import open_channels

    view = View(sys.stderr)
    view.say(f"murder: {aim} {fold(hosts)}")
    if c.config.run.dry:
        view.say("dry run: no host was touched")
        return
    try:
        with open_channels(c, dict.fromkeys([*hosts, *others]), settings, build_bundle(), view) as channels:
            muster = Muster(channels, hosts, view)
            try:
                muster.greet()
                said = step(muster)
            finally:
                for line in muster.outcome.complaints(but=muster.silent):
                    view.say(f"  {line}")
    except KeyboardInterrupt:
        raise Interrupted("interrupted; what this task had started ends, what ran before goes on") from None
    view.say(f"murder: {said}")
    if muster.outcome.lost:
        raise HostsFailed(f"failed: {fold(muster.outcome.lost)}")


def _tag(settings: Settings) -> str:
    from ..control import check_tag

    return check_tag(_needed(settings.default_tag, "--tag", "--tag v1"))


def _absolute(temp_path: str | None) -> str | None:
    return temp_path if not temp_path else os.path.abspath(os.path.expanduser(temp_path))


def _directory(settings: Settings, tag: str) -> str:
    """Return where the operator's copy of a torrent lies."""
    directory = os.path.expanduser(settings.default_temp_path) or tempfile.gettempdir()
    if not os.path.isdir(directory):
        raise BadInput(f"{directory} is no directory for {tag}.torrent; choose another --temp-path")
    return directory


def _needed(value: str, flag: str, example: str) -> str:
    if not value:
        raise BadInput(f"{flag} is missing, such as {example}")
    return value
