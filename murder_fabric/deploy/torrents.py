"""The torrents of Murder's recipes: made where the files lie, kept there, and brought here."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from .. import control
from ..control import Message
from ..errors import AllHostsFailed, MurderError, StorageError
from ..metainfo.values import Metainfo
from ..units import shown_size
from .connecting.attachments import with_torrents
from .failures import HostFailure
from .muster import PAYLOAD_TIMEOUT, PROMPT_TIMEOUT, SILENCE_LIMIT, Muster
from .ranges import fold


class Torrent(NamedTuple):
    """What the seeder keeps of a tag."""

    metainfo: Metainfo
    raw: bytes
    #: Where the payload lies on the seeder.
    path: str
    #: A secret for its swarm, in hex, where the tracker has none.
    token: str

    @property
    def digest(self) -> str:
        """The release's digest, in hex."""
        return self.metainfo.info.digest.hex()


def create_torrent(
    muster: Muster,
    hosts: list[str],
    tag: str,
    files_path: str,
    exclude: Iterable[str],
    directory: str | None,
    *,
    path_is_file: bool = False,
) -> str:
    """
    Make the torrent of what lies at *files_path* on the seeders, each of its own; one that differs is out.

    Args:
        hosts: the seeders; that of the first one that has a torrent counts.
        directory: where a copy of the torrent comes to here; None for no copy.
        path_is_file: refuse anything but one file.
    """
    request = control.Create(
        files_path, exclude=list(exclude), tag=tag, path_is_file=path_is_file, token=secrets.token_hex(16)
    )
    message = Message(request.fields())
    with muster.view.stage("create"):
        asked = dict.fromkeys(hosts, message)
        answers, _ = with_torrents(
            request.name, muster.channels.ask(asked, PAYLOAD_TIMEOUT, muster.hashing(), SILENCE_LIMIT)
        )
        if not any(isinstance(answer, Message) for answer in answers.values()):
            muster.must_have_done(hosts[0], answers[hosts[0]])
        done = muster.settle(answers)
    first = next(host for host in hosts if host in done)
    facts = done[first].fields
    for host, other in done.items():
        if other.fields["digest"] != facts["digest"]:
            muster.drop(host, HostFailure("failed", f"{files_path} is not there what it is on {first}"))
    muster.outcome.digest = facts["digest"]
    where = fold([host for host in hosts if host in muster.outcome.going])
    if directory is not None:
        where += f" and in {_copy(directory, tag, done[first].attached)}"
    what = f"{facts['file_count']} files, {shown_size(facts['length'])}, digest {facts['digest'][:12]}"
    return f"the torrent of {tag} is on {where}: {what}"


def download_torrent(muster: Muster, hosts: list[str], tag: str, directory: str) -> str:
    """Bring the torrent of *tag* from the first seeder that has it into *directory* here, once more."""
    torrent = kept_torrent(muster, hosts, tag)
    length = shown_size(torrent.metainfo.info.geometry.length)
    copy = _copy(directory, tag, torrent.raw)
    return f"the torrent of {tag} is in {copy}: {length}, digest {torrent.digest[:12]}"


def kept_torrent(muster: Muster, hosts: list[str], tag: str) -> Torrent:
    """
    Return what the first of *hosts* that keeps a torrent of *tag* has; why those before it do not is said.

    Raises:
        MurderError: none does; why the last one does not.
    """
    request = Message(control.Recall(tag).fields())
    for host in hosts:
        answers = muster.channels.ask({host: request}, PROMPT_TIMEOUT)
        answers, found = with_torrents(control.Recall.name, answers)
        try:
            kept = muster.must_have_done(host, answers[host])
        except MurderError:
            if host == hosts[-1]:
                raise
            muster.view.say(f"  {host}: {muster.refused[host].reason}")
            continue
        path, token = str(kept.fields["path"]), str(kept.fields["token"])
        torrent = Torrent(found[kept.attached], kept.attached, path, token)
        muster.outcome.digest = torrent.digest
        return torrent
    raise AllHostsFailed(f"no seeder was named that could have a torrent of {tag}")


def _copy(directory: str, tag: str, torrent: bytes) -> str:
    """Write the operator's copy of a torrent; return where that is."""
    copy = os.path.join(directory, f"{tag}.torrent")
    _write_privately(copy, torrent)
    return copy


def _write_privately(path: str, data: bytes) -> None:
    """Write a file that only we may read; what lies at *path* is replaced, a link there is not followed."""
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".murder-")
        with open(descriptor, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        raise StorageError(f"{path}: {error.strerror}; set murder.default_temp_path") from None
