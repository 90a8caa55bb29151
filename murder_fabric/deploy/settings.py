"""Every setting of `murder:`, in one place: its name, its type, its default and what it means."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional, Union

from ..errors import SettingsError
from . import setting_checks as checks
from .ranges import RoleHosts

#: The key in `fabric.yaml` and `ns.configure`; variables of the environment begin with `FABRIC_MURDER_`.
SECTION = "murder"
#: The roles of Murder; others may be named too, for `-H @canary`.
ROLES = ("tracker", "seeder", "peer")
#: Ports tried for the tracker, from `murder.tracker_port` on.
TRACKER_PORTS = 20

#: What Python code may give for a path.
AnyPath = Union[str, "os.PathLike[str]"]

#: What the name of a setting has before that of its flag.
_FLAG = re.compile(r"^default_(seeder_)?")


class Limits(NamedTuple):
    """The last fields of `control.TakePart`, in their order: bytes a second, and how to mark packets."""

    upload_limit: Optional[int]
    download_limit: Optional[int]
    dscp: Optional[int]


def _setting(default: Any, check: checks.Check, meaning: str, *, is_secret: bool = False) -> Any:
    metadata = {"check": check, "meaning": meaning, "is_secret": is_secret}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run is told besides the arguments of its task; built by `from_config`, checked once."""

    roles: Mapping[str, RoleHosts] = _setting(
        dict.fromkeys(checks.ROLES, ""),
        checks.roles,
        "Which hosts are tracker, seeder and peer; seeders may be several. Without them the hosts of -H are "
        "the peers, and the first of them is tracker and seeder too. Further names are groups for "
        "`-H @name`.",
    )
    default_tag: str = _setting(
        "",
        checks.text(
            r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}",
            "a tag: letters, digits, '.', '_' and '-', 100 at most",
            optional=True,
        ),
        "The tag of tasks that are given none.",
    )
    default_seeder_files_path: str = _setting(
        "", checks.path, "What is deployed where no --files-path is given."
    )
    default_destination_path: str = _setting(
        "", checks.path, "Where it goes where no --destination-path is given."
    )
    default_temp_path: str = _setting(
        "", checks.path, "Where torrents come to on this machine; its directory for temporary files if empty."
    )
    remote_murder_path: str = _setting(
        "~/.murder",
        lambda value: checks.path(value or "missing"),
        "Where the agent and its state live on a host; `~` is the home directory there.",
    )
    python: str = _setting(
        "python3",
        checks.text(r"[^\W-].*|[./~].*", "the name or path of an interpreter"),
        "The interpreter of the agent: Python 3.9 or newer.",
    )
    sudo: str = _setting(
        "",
        checks.user,
        "The user to become on the host with `sudo -n`; `true` is root, empty is who logged in.",
    )
    pool_size: int = _setting(
        32, checks.whole(1, 1000), "How many SSH connections are being opened at a time."
    )
    connect_timeout: int = _setting(
        10,
        checks.whole(1, 600),
        "Seconds until a host that does not answer is unreachable; `fab -t` goes first.",
    )
    tracker_port: int = _setting(
        8998, checks.whole(1, 65535), "The tracker's port; the next free one if it is taken."
    )
    peer_ports: str = _setting(
        "6881-6999", checks.ports, "The ports of peers and seeder; each takes the first free one."
    )
    interface: str = _setting(
        "",
        checks.text(r"[A-Za-z0-9_.:-]{1,15}", "the name of a network interface", optional=True),
        "The interface whose address the hosts use for the swarm, where SSH comes in by another one.",
    )
    tracker_url: str = _setting(
        "",
        checks.tracker_url,
        "The announce URL of a tracker that runs already, such as opentracker; we start none then.",
    )
    web_seeds: str = _setting(
        "",
        checks.urls,
        "HTTP origins that have the files too (BEP 19): a URL or a list of them, below which the torrent's "
        "name and then the files lie.",
    )
    ca_file: str = _setting(
        "",
        checks.path,
        "A file of CA certificates (PEM) on this machine, which sign `https://` trackers, web seeds and "
        "torrents of yours; they count beside those that each host trusts.",
    )
    upload_limit: str = _setting(
        "",
        checks.rate,
        "What a host may send to others, all together, in bytes a second: `10MB`, `500kB`, `80Mbit`; "
        "no limit if empty.",
    )
    download_limit: str = _setting(
        "",
        checks.rate,
        "What a host may take in, from other hosts and web seeds together; as `upload_limit`.",
    )
    dscp: str = _setting(
        "",
        checks.dscp,
        "How packets among hosts are marked (DSCP, 0 to 63), so that routers let others go first: 8 is CS1, "
        "1 is LE; not at all if empty.",
    )
    swarm_timeout: int = _setting(
        0,
        checks.whole(0, 604_800),
        "Seconds in which a host must have the whole payload once it may fetch it; as long as it takes if 0.",
    )
    seed_for: int = _setting(
        3600,
        checks.whole(0, 3600),
        "Seconds after which a peer that `murder.peer` left running ends by itself.",
    )
    keep_releases: int = _setting(
        5, checks.whole(1, 10_000), "How many releases a host keeps, the current one included."
    )
    verify: str = _setting(
        "full",
        checks.choice("full", "fast"),
        "What shows that a file of an older release on the host, about to be used again or switched to, is "
        "still as it was: all its bytes (`full`), or its size and time (`fast`). Seeders read all, and so "
        "does everybody the new release.",
    )
    linked_dirs: str = _setting(
        "",
        checks.below,
        "Directories that all releases share, as in Capistrano: links to `shared/…`, made there.",
    )
    linked_files: str = _setting(
        "",
        checks.below,
        "Files that all releases share; a host where one is missing in `shared/` is not deployed to.",
    )
    allow_failures: str = _setting(
        "0",
        checks.failures,
        "How many hosts, or which share of them, may fail before the others do not switch.",
    )
    batch: str = _setting(
        "", checks.batch, "How many hosts, or which share of them, switch at a time; all at once if empty."
    )
    canary: str = _setting(
        "",
        checks.text(r".*", "a host expression such as web1,web[7-8] or @canary", optional=True),
        "The hosts that switch first; the others follow if the health check finds them well.",
    )
    at: str = _setting(
        "",
        checks.moment,
        "The moment when the hosts, or the first wave of them, switch; as soon as all is ready if empty.",
    )
    switch_delay: int = _setting(
        2,
        checks.whole(0, 30),
        "Seconds that hosts are told of the moment to switch ahead; with 0 each switches as it hears of it.",
    )
    health_check: str = _setting(
        "",
        checks.health_check,
        "What tells whether a release is well on a host: a shell command that ends with 0, or an HTTP URL.",
        is_secret=True,
    )
    health_status: int = _setting(
        200, checks.whole(100, 599), "The status that the URL of the health check is to answer with."
    )
    health_timeout: int = _setting(10, checks.whole(1, 3600), "Seconds for one try of the health check.")
    health_patience: int = _setting(
        30, checks.whole(0, 86_400), "Seconds in which the health check is tried again until all is well."
    )
    hooks: Mapping[str, list[str]] = _setting(
        {}, checks.hooks, "Shell commands that every host runs before or after a stage, by the hook's name."
    )
    hook_timeout: int = _setting(300, checks.whole(1, 86_400), "Seconds for one command of a hook.")
    webhook: str = _setting(
        "",
        checks.webhook,
        "A URL that is told by POST of JSON, with the key `text` for Slack and its likes, when a run that "
        "changes hosts begins, switches, and ends.",
        is_secret=True,
    )
    host_keys: str = _setting(
        "strict",
        checks.choice("strict", "accept-new", "off"),
        "What becomes of a host key unknown to known_hosts, where ssh_config has no StrictHostKeyChecking.",
    )

    @classmethod
    def from_config(cls, config: Any, **flags: Any) -> Settings:
        """
        Merge defaults, the `murder:` of *config* and *flags*; a flag that is None was not given.

        Args:
            config: an Invoke configuration, or any mapping.
            flags: values by field name, as the task's command line gave them.

        Raises:
            SettingsError: a key is unknown, or a value cannot be meant.
        """
        section = _plain(config[SECTION]) if SECTION in config else {}
        if not isinstance(section, dict):
            raise SettingsError(f"{SECTION} must be a table of settings, not {section!r:.60}")
        given = {name: value for name, value in flags.items() if value is not None}
        for name, value in given.items():
            if value == "":  # as a variable that is not set leaves it: nobody means today's date, or `.`
                raise SettingsError(f"{_flag(name)} is empty; give it a value, or leave it out")
        fields = {field.name: field for field in dataclasses.fields(cls)}
        values = {}
        for name, value in {**section, **given}.items():
            if name not in fields:
                raise SettingsError(f"{SECTION}.{name} is no setting; {_nearest(str(name), list(fields))}")
            try:
                values[name] = fields[name].metadata["check"](value)
            except ValueError as error:
                where = _flag(name) if name in given else f"{SECTION}.{name}"
                is_secret = fields[name].metadata["is_secret"]
                shown = "not right (nor shown: it may be a secret)" if is_secret else f"{value!r:.80}"
                raise SettingsError(f"{where} is {shown}, but must be {error}") from None
        return cls(**values)

    def tracker_port_range(self) -> tuple[int, int]:
        """Return the first and the last of the ports that are tried for the tracker."""
        return self.tracker_port, min(self.tracker_port + TRACKER_PORTS - 1, 65535)

    def peer_port_range(self) -> tuple[int, int]:
        """Return the first and the last of `peer_ports`."""
        first, _, last = self.peer_ports.partition("-")
        return int(first), int(last)

    def limits(self) -> Limits:
        """Return what a host may take of the network."""
        given = (self.upload_limit, self.download_limit, self.dscp)
        return Limits(*(int(value) if value else None for value in given))

    def linked(self) -> list[str]:
        """Return the paths of `linked_dirs` and `linked_files`."""
        return [*split_paths(self.linked_dirs), *split_paths(self.linked_files)]

    def failures_allowed(self, host_count: int) -> int:
        """Return how many of *host_count* hosts may fail; a share is rounded down."""
        if self.allow_failures.endswith("%"):
            return math.floor(host_count * int(self.allow_failures[:-1]) / 100)
        return int(self.allow_failures)


def split_paths(paths: str) -> list[str]:
    """Return the paths in `linked_dirs` or `linked_files`."""
    return [path for path in paths.split(", ") if path]


def _flag(name: str) -> str:
    return f"--{_FLAG.sub('', name).replace('_', '-')}"


def defaults() -> dict[str, Any]:
    """Return the defaults as a collection's configuration: only known keys are read from the environment."""
    return dataclasses.asdict(Settings())


def write_settings(config: Any, given: Mapping[str, Any]) -> None:
    """Write settings into an Invoke configuration, where they win over all others."""
    if given and SECTION not in config:
        config[SECTION] = {}
    for name, value in given.items():
        config[SECTION][name] = value


def _plain(value: Any) -> Any:
    """Turn Invoke's proxies into the dictionaries they stand for."""
    if hasattr(value, "keys"):
        return {key: _plain(value[key]) for key in value.keys()}  # noqa: SIM118 (a proxy is no mapping)
    return value


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"the settings are {', '.join(known)}"


def absolute(files_path: AnyPath | None, on_seeder: bool) -> AnyPath | None:
    """Return a path of this machine as its setting must be; one of the seeder's is left as it is."""
    return files_path if not files_path or on_seeder else os.path.abspath(os.path.expanduser(files_path))
