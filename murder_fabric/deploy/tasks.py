"""The collection `murder`: what `fab` lists and runs."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection

from ..errors import BadInput
from ..units import counted, shown_size
from . import manual, release_tasks, run_tasks
from .executor import GroupContext
from .hook_tasks import HOOKS
from .lazily import lazily
from .murder_task import murder_task, settings_of
from .ranges import expand, fold
from .roles import HERE, Roles, assign_roles
from .settings import ROLES, SECTION, AnyPath, Settings, absolute, defaults

if TYPE_CHECKING:
    from . import deployment, releases
    from .history import chronicle, retrying
    from .results import Result
    from .undertaking import Undertaking
    from .wanted import Wanted
else:
    deployment, releases = lazily("deployment"), lazily("releases")
    chronicle, retrying = lazily("history.chronicle"), lazily("history.retrying")


@murder_task()
def hosts(c: GroupContext, /, **settings: Any) -> Result:
    """Show which hosts the arguments and roles name, and who switches first."""
    from .outcome import HostResult
    from .results import Result
    from .waves import canary_of

    known = settings_of(c, settings)
    roles = assign_roles(c.hosts, known.roles)
    played = {"tracker": [roles.tracker], "seeder": roles.seeders, "peer": roles.peers}
    lines = [f"tracker: {roles.tracker}", f"seeder: {fold(roles.seeders)}"]
    try:
        if canary := canary_of(known.canary, roles.peers, known.roles):
            played["canary"] = canary
            lines.append(f"canary: {fold(canary)}, which switch{'es' * (len(canary) == 1)} first")
    except BadInput as error:  # a deploy to these hosts would end with it; who they are can be shown
        lines.append(f"canary: {error}")
    groups = [
        f"@{name}: {fold(expand(f'@{name}', roles=known.roles))}"
        for name, hosts_of_it in known.roles.items()
        if hosts_of_it and name not in ROLES
    ]
    return Result(
        "hosts",
        hosts={
            host: HostResult(facts={"roles": [role for role, named in played.items() if host in named]})
            for host in roles.hosts()
        },
        report="\n".join([*lines, f"peers: {fold(roles.peers)} ({len(roles.peers)})", *groups]),
    )


FILES = {
    "files_path": "The directory or file to deploy, on this machine.",
    "destination_path": "Where releases/ and current lie on every host; ~ is the home directory there.",
    "tag": "Name of the release; the time in UTC if not given.",
    "on_seeder": "The files lie on the seeder already, at --files-path there.",
    "seed_here": "This machine seeds the files, and nothing of them goes over SSH; the hosts must reach it.",
    "exclude": "A glob to leave out, as in .gitignore; may be repeated. .git* is always left out.",
    "torrent": "An existing torrent, a file or a URL, instead of --files-path; who seeds it is elsewhere.",
    **release_tasks.FORCE,
}
AFTERWARDS = {
    "report": "Write what came of it as one HTML page to this file, in the end.",
    "retry_failed": "Deploy the tag of the last run there again, to those hosts that did not get it then.",
}


@murder_task(
    help={**FILES, **release_tasks.FAILURES, **release_tasks.WAVES, **AFTERWARDS},
    iterable=["exclude"],
    settings=["tracker_port"],
)
def deploy(
    c: GroupContext,
    /,
    files_path: AnyPath | None = None,
    destination_path: AnyPath | None = None,
    tag: str | None = None,
    on_seeder: bool = False,
    seed_here: bool = False,
    exclude: Sequence[str] | None = None,
    torrent: str | None = None,
    allow_failures: str | int | None = None,
    batch: str | int | None = None,
    canary: str | None = None,
    at: str | None = None,
    force: bool = False,
    report: AnyPath | None = None,
    retry_failed: bool = False,
    **settings: Any,
) -> Undertaking | Result:
    """Put a directory tree on every host by BitTorrent, verify each byte, switch all hosts at once."""
    known = settings_of(
        c,
        settings,
        default_seeder_files_path=absolute(files_path, on_seeder),
        default_destination_path=destination_path,
        default_tag=tag,
        allow_failures=allow_failures,
        batch=batch,
        canary=canary,
        at=at,
    )
    page = "" if report is None else chronicle.check_report_path(os.fspath(report))
    again = retrying.retry_of(c, known) if retry_failed else None
    if again is not None and again.is_done:
        return again.nothing()
    if again is not None:
        c, known = again.context, again.settings
    _check_manner(c, known, in_waves=True)
    wanted = _wanted(known, files_path, on_seeder, seed_here, exclude, torrent, force)
    if again is not None:
        wanted = again.check(wanted)
    planned = _bringing(c, known, wanted, deployment.deploy, in_waves=True)
    if again is not None:
        planned = dataclasses.replace(planned, notes=again.notes, left_out=again.left_out)
    return dataclasses.replace(planned, report_path=page)


@murder_task(help=FILES, iterable=["exclude"], settings=["tracker_port"])
def fetch(
    c: GroupContext,
    /,
    files_path: AnyPath | None = None,
    destination_path: AnyPath | None = None,
    tag: str | None = None,
    on_seeder: bool = False,
    seed_here: bool = False,
    exclude: Sequence[str] | None = None,
    torrent: str | None = None,
    force: bool = False,
    **settings: Any,
) -> Undertaking:
    """Do all of a deploy but the switch, which murder.switch makes later."""
    known = settings_of(
        c,
        settings,
        default_seeder_files_path=absolute(files_path, on_seeder),
        default_destination_path=destination_path,
        default_tag=tag,
    )
    _check_manner(c, known, in_waves=False)
    wanted = _wanted(known, files_path, on_seeder, seed_here, exclude, torrent, force)
    return _bringing(c, known, wanted, releases.fetch)


def _check_manner(c: GroupContext, settings: Settings, *, in_waves: bool) -> None:
    """Refuse roles, hooks, waves and moments that cannot be meant, before a tree is read: that takes long."""
    deployment.manner_of(settings, assign_roles(c.hosts, settings.roles), c, in_waves=in_waves)


def _wanted(
    settings: Settings,
    files_path: AnyPath | None,
    on_seeder: bool,
    seed_here: bool,
    exclude: Sequence[str] | None,
    torrent: str | None,
    force: bool,
) -> Wanted:
    from .existing import wanted_torrent
    from .wanted import check_wanted

    if torrent is None:
        patterns = [exclude] if isinstance(exclude, str) else exclude or ()
        return check_wanted(settings, on_seeder, patterns, seed_here=seed_here, force=force)
    if files_path or on_seeder or seed_here or exclude:
        raise BadInput(
            "--torrent says what is deployed, and who seeds it is elsewhere: leave --files-path, --on-seeder,"
            " --seed-here and --exclude out"
        )
    return wanted_torrent(settings, torrent, force=force)


def _bringing(
    c: GroupContext,
    settings: Settings,
    wanted: Wanted,
    stages: Callable[[deployment.Deployment], str],
    *,
    in_waves: bool = False,
) -> Undertaking:
    roles = assign_roles(c.hosts, settings.roles)
    if wanted.seed_here:
        roles = roles._replace(seeders=[HERE])
    planned = deployment.of_release(
        _aim(roles, wanted), settings, roles, wanted, stages, roles.hosts(), context=c, in_waves=in_waves
    )
    return dataclasses.replace(planned, plan=lambda: _plan(wanted, roles, settings, in_waves))


def _plan(wanted: Wanted, roles: Roles, settings: Settings, in_waves: bool) -> list[str]:
    from .history import shelf
    from .planning import plan
    from .waves import pace_of

    pace = pace_of(settings, roles.peers, now=time.time()) if in_waves else None
    try:
        return plan(wanted, roles, settings, pace, shelf.newest(wanted.destination))
    except BadInput:  # the records cannot be read: there are none to judge by
        return plan(wanted, roles, settings, pace, ())


def _aim(roles: Roles, wanted: Wanted) -> str:
    named = f"{fold(roles.peers)} ({counted(len(roles.peers), 'host')})"
    what = f"{wanted.files_path} on {fold(roles.seeders)}"
    if wanted.metainfo is not None:
        info = wanted.metainfo.info
        files = counted(len(info.files), "file")
        what = f"{files}, {shown_size(info.geometry.length)}, digest {info.digest.hex()[:12]}"
    return f"{wanted.tag} to {wanted.destination} on {named}: {what}"


class MurderCollection(Collection):
    """Our tasks, and in `hooks` those of the user's that runs call."""

    hooks = HOOKS


murder = MurderCollection(
    "murder",
    hosts,
    deploy,
    fetch,
    *release_tasks.TASKS,
    *run_tasks.TASKS,
    *manual.TASKS,
    stop_peers=manual.stop_peering,
)
murder.add_collection(murder.hooks)
murder.configure({SECTION: defaults()})
