"""Murder's own tasks, each a `fab` of its own: what one of them leaves running, another one ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import BadInput
from .executor import GroupContext
from .lazily import lazily
from .murder_task import murder_task, settings_of
from .ranges import fold
from .roles import Roles, assign_roles
from .settings import Settings

if TYPE_CHECKING:
    from . import recipes, stopping, torrents
    from .muster import Muster
    from .undertaking import Undertaking
else:
    recipes, stopping, torrents = lazily("recipes"), lazily("stopping"), lazily("torrents")

TEMP_PATH = "The directory on this machine that the torrent comes to as TAG.torrent."
TAG = {"tag": "Names what is moved; murder.default_tag if not given."}


@murder_task()
def distribute_files(c: GroupContext, /, **settings: Any) -> Undertaking:
    """Put the agent on tracker, seeder and peers, where it is not there yet."""
    known, roles = _known(c, settings)
    return _asking(known, roles.hosts(), "bringing the agent to", recipes.distribute_files)


@murder_task(settings=["tracker_port"])
def start_tracker(c: GroupContext, /, **settings: Any) -> Undertaking:
    """Start the tracker; it stays until stop-tracker."""
    known, roles = _known(c, settings)
    step = partial(recipes.start_tracker, host=roles.tracker, settings=known)
    return _asking(known, [roles.tracker], "starting the tracker on", step)


@murder_task()
def stop_tracker(c: GroupContext, /, **settings: Any) -> Undertaking:
    """End the tracker."""
    known, roles = _known(c, settings)
    step = partial(recipes.stop_tracker, host=roles.tracker)
    return _asking(known, [roles.tracker], "stopping the tracker on", step)


@murder_task(
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
    /,
    tag: str | None = None,
    files_path: str | None = None,
    exclude: list[str] | None = None,
    temp_path: str | None = None,
    path_is_file: bool = False,
    do_not_download_torrent: bool = False,
    **settings: Any,
) -> Undertaking:
    """Make a torrent of what lies on the seeder; where there are several, each must have the same."""
    known, roles = _known(
        c,
        settings,
        default_tag=tag,
        default_seeder_files_path=files_path,
        default_temp_path=_absolute(temp_path),
    )
    tag = _tag(known)
    path = _needed(known.default_seeder_files_path, "--files-path", "--files-path /srv/build")
    step = partial(
        torrents.create_torrent,
        hosts=roles.seeders,
        tag=tag,
        files_path=path,
        exclude=exclude or (),
        directory=None if do_not_download_torrent else _directory(known, tag),
        path_is_file=path_is_file,
    )
    return _asking(known, roles.seeders, f"making the torrent of {tag} from {path} on", step, tag=tag)


@murder_task(help={**TAG, "temp_path": TEMP_PATH})
def download_torrent(
    c: GroupContext, /, tag: str | None = None, temp_path: str | None = None, **settings: Any
) -> Undertaking:
    """Fetch the torrent of a tag from the seeder again."""
    known, roles = _known(c, settings, default_tag=tag, default_temp_path=_absolute(temp_path))
    tag = _tag(known)
    directory = _directory(known, tag)
    step = partial(torrents.download_torrent, hosts=roles.seeders, tag=tag, directory=directory)
    return _asking(known, roles.seeders, f"fetching the torrent of {tag} to {directory} from", step, tag=tag)


@murder_task(help=TAG)
def start_seeding(c: GroupContext, /, tag: str | None = None, **settings: Any) -> Undertaking:
    """Seed the torrent of a tag from the seeder; it stays until stop-seeding."""
    known, roles = _known(c, settings, default_tag=tag)
    tag = _tag(known)
    step = partial(recipes.start_seeding, roles=roles, settings=known, tag=tag)
    return _asking(known, roles.seeders, f"starting the seeder of {tag} on", step, [roles.tracker], tag)


@murder_task(help=TAG)
def stop_seeding(c: GroupContext, /, tag: str | None = None, **settings: Any) -> Undertaking:
    """End the seeder of a tag."""
    known, roles = _known(c, settings, default_tag=tag)
    tag = _tag(known)
    step = partial(stopping.stop, kind="seeder", tag=tag)
    return _asking(known, roles.seeders, f"stopping the seeder of {tag} on", step, tag=tag)


@murder_task(
    help={
        **TAG,
        "destination_path": "The directory on every peer that TAG is made in; ~ is the home directory there.",
        "no_tag_directory": "Put the files straight into the destination path.",
        "unsafe_please_delete": "Delete what lies in the directory that is filled, where it is not empty.",
    }
)
def peer(
    c: GroupContext,
    /,
    tag: str | None = None,
    destination_path: str | None = None,
    no_tag_directory: bool = False,
    unsafe_please_delete: bool = False,
    **settings: Any,
) -> Undertaking:
    """Fetch what is seeded under a tag to all peers; they seed it on until stop-peering."""
    from ..control import check_depth

    known, roles = _known(c, settings, default_tag=tag, default_destination_path=destination_path)
    tag = _tag(known)
    path = _needed(known.default_destination_path, "--destination-path", "--destination-path /srv/data")
    if not no_tag_directory:
        path = f"{path}/{tag}"
    check_depth(path)
    step = partial(
        recipes.peer,
        roles=roles,
        settings=known,
        tag=tag,
        destination=path,
        empty=unsafe_please_delete,
    )
    aim = f"bringing {tag} to {path}" + ", which is emptied first," * unsafe_please_delete + " on"
    return _asking(known, roles.peers, aim, step, [*roles.seeders, roles.tracker], tag, path)


@murder_task(help=TAG)
def stop_peering(c: GroupContext, /, tag: str | None = None, **settings: Any) -> Undertaking:
    """End the peers of a tag."""
    known, roles = _known(c, settings, default_tag=tag)
    tag = _tag(known)
    step = partial(stopping.stop, kind="peer", tag=tag)
    return _asking(known, roles.peers, f"stopping the peers of {tag} on", step, tag=tag)


@murder_task()
def stop_all_seeding(c: GroupContext, /, **settings: Any) -> Undertaking:
    """End the seeders of all tags."""
    known, roles = _known(c, settings)
    step = partial(stopping.stop_all, kind="seeder")
    return _asking(known, roles.seeders, "stopping all seeders on", step)


@murder_task()
def stop_all_peering(c: GroupContext, /, **settings: Any) -> Undertaking:
    """End the peers of all tags."""
    known, roles = _known(c, settings)
    step = partial(stopping.stop_all, kind="peer")
    return _asking(known, roles.peers, "stopping all peers on", step)


@murder_task(help={**TAG, "temp_path": TEMP_PATH})
def clean_temp_files(
    c: GroupContext, /, tag: str | None = None, temp_path: str | None = None, **settings: Any
) -> Undertaking:
    """Remove what a tag left behind: its torrent, logs and half-seeded payloads; never a release."""
    known, roles = _known(c, settings, default_tag=tag, default_temp_path=_absolute(temp_path))
    tag = _tag(known)
    step = partial(stopping.clean_temp_files, tag=tag, directory=_directory(known, tag))
    return _asking(known, roles.hosts(), f"removing what {tag} left on", step, tag=tag)


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


def _known(c: GroupContext, settings: Mapping[str, Any], **flags: str | None) -> tuple[Settings, Roles]:
    known = settings_of(c, settings, **flags)
    return known, assign_roles(c.hosts, known.roles)


def _asking(
    settings: Settings,
    hosts: Sequence[str],
    aim: str,
    step: Callable[[Muster], str],
    others: Sequence[str] = (),
    tag: str = "",
    destination: str = "",
) -> Undertaking:
    """Return the undertaking that does *step* with whoever answers; the hosts follow the *aim*."""
    from .undertaking import Undertaking

    def steps(muster: Muster) -> str:
        muster.greet()
        return step(muster)

    return Undertaking(f"{aim} {fold(hosts)}", settings, hosts, steps, others, tag, destination)


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
