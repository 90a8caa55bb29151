"""Deploying again to those hosts that the last deploy to a destination did not bring where it should have."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from ...errors import BadInput, HostsFailed
from ..executor import GroupContext
from ..ranges import fold
from ..results import Result
from ..settings import Settings
from ..wanted import Wanted
from . import shelf
from .record import RunRecord

#: Tasks after which hosts may have another release.
_BRINGING = ("deploy", "fetch", "switch", "rollback", "catch-up")


@dataclasses.dataclass(frozen=True)
class Retry:
    """What is to be done again."""

    record: RunRecord
    #: Of what was deployed then, in hex; empty where no try came so far as to know it.
    digest: str
    #: Of these hosts alone.
    context: GroupContext
    #: With the tag of that run.
    settings: Settings
    #: Which hosts somebody might think are among them, and are not.
    notes: Sequence[str] = ()
    #: The last of them, where hosts were named that get nothing at all.
    left_out: str = ""

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return not self.context.hosts

    def nothing(self) -> Result:
        """
        Return what is to be said then.

        Raises:
            HostsFailed: a host is named that gets nothing.
        """
        record = self.record
        said = f"no host that is named failed in run {record.id} of {record.tag}; there is nothing to do"
        said = "; ".join([said, *self.notes])
        code = HostsFailed.exit_code if self.left_out else 0
        result = Result("deploy", said, code, record.tag, record.destination, self.digest)
        if self.left_out:
            error = HostsFailed(said)
            error.result = result
            raise error
        return result

    def check(self, wanted: Wanted) -> Wanted:
        """
        Return what is deployed now; it must be what was deployed then, also where a seeder is to hash it.

        Raises:
            BadInput: it is something else.
        """
        record, metainfo = self.record, wanted.metainfo
        if metainfo is not None and self.digest and metainfo.info.digest.hex() != self.digest:
            raise BadInput(
                f"what is deployed now differs from {record.tag} of run {record.id}, that hosts may have;"
                " leave --retry-failed out and give it another --tag. No host was touched"
            )
        return dataclasses.replace(wanted, digest=self.digest)


def retry_of(context: GroupContext, settings: Settings) -> Retry:
    """
    Return what the last run to the destination left undone.

    These are the hosts that failed, and those that were ready and did not switch because others failed. Hosts
    that *context* names, if it names any, are the only ones that count.

    Raises:
        BadInput: no such run is known, it was no deploy or about other hosts, another tag is asked for, or
            none is and nobody knows whether it was the last.
    """
    destination, tag = settings.default_destination_path, settings.default_tag
    if not destination:
        raise BadInput("--destination-path is missing, such as --destination-path /srv/app")
    runs = (one for one in shelf.newest(destination) if one.task in _BRINGING)
    record = next(runs, None)
    if record is None:
        raise BadInput(f"no deploy to {destination} is known in {shelf.directory()}; no host was touched")
    if not tag:
        _must_be_the_last(record)
    if record.task != "deploy":
        raise BadInput(
            f"the last run to {destination} was {record.task}, run {record.id}, which --retry-failed does not"
            " repeat; no host was touched"
        )
    if tag and tag != record.tag:
        raise BadInput(
            f"--tag is {tag}, but the last deploy to {destination} was {record.tag}; leave --tag out, or"
            " --retry-failed"
        )
    # It may have been about some hosts only, being a second try itself: so those before it count as well.
    of_tag = (record.task, record.tag)
    tries = [record, *itertools.takewhile(lambda one: (one.task, one.tag) == of_tag, runs)]
    named, known = context.hosts, {host for one in tries for host in one.hosts}
    if named and not known.intersection(named):
        raise BadInput(
            f"run {record.id} of {record.tag} was about {fold(record.hosts)}, and none of these is named;"
            " write them as they were written then. No host was touched"
        )
    unfinished = _unfinished(tries)
    hosts = [host for host in unfinished if not named or host in named]
    unnamed = [host for host in unfinished if host not in hosts]
    left_out = _left_out(record, [host for host in named if host not in known])
    notes = [*_left_behind(record, unnamed), *[left_out] * bool(left_out)]
    again = GroupContext(context.config, [context.kwargs_of(host) for host in hosts])
    digest = next((one.digest for one in tries if one.digest), "")
    settings = dataclasses.replace(settings, default_tag=record.tag)
    return Retry(record, digest, again, settings, notes, left_out)


def _must_be_the_last(record: RunRecord) -> None:
    """Refuse where a later run may have been to the same destination, and nobody can read what it was."""
    if unread := shelf.unreadable(record.destination, record.id):
        raise BadInput(
            f"{unread} cannot be read, and may be of a later run to {record.destination} than run {record.id}"
            f" of {record.tag or '-'}; if that is meant, name it with --tag too, else leave --retry-failed"
            " out and name the --tag that is. No host was touched"
        )


def _left_behind(record: RunRecord, unnamed: Sequence[str]) -> list[str]:
    """Say which hosts failed too and are not named now."""
    said = f"{fold(unnamed)}: left out, as not named now, though {record.tag} did not get there"
    return [said] * bool(unnamed)


def _left_out(record: RunRecord, strangers: Sequence[str]) -> str:
    """Say which hosts are named that nobody tried."""
    said = (
        f"{fold(strangers)}: left out, as run {record.id} knows nothing of it; it gets {record.tag} too"
        " without --retry-failed"
    )
    return said * bool(strangers)


def _unfinished(tries: Sequence[RunRecord]) -> list[str]:
    """Return the hosts that do not have what was deployed by *tries* of one tag, the newest first."""
    behind: dict[str, bool] = {}
    for record in reversed(tries):
        unfinished = record.unfinished
        behind.update((host, host in unfinished) for host in record.hosts)
    return [host for host, is_behind in behind.items() if is_behind]
