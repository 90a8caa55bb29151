"""Who has the payload first: seeders where the files lie, or one that the operator's tree is brought to."""

from __future__ import annotations

from collections.abc import Mapping

from .. import control
from ..control import Message
from ..errors import AllHostsFailed
from ..metainfo.holdings import Holdings
from ..metainfo.values import Metainfo
from ..storage.payload import root_of
from ..units import shown_size
from .failures import HostFailure
from .muster import PAYLOAD_TIMEOUT, SILENCE_LIMIT
from .run import Entry, Run
from .uploading import upload_pieces


def seed_in_place(run: Run, addresses: Mapping[str, str], entry: Entry, raw: bytes) -> list[str]:
    """
    Have the seeders serve the files that lie there, each checked against the torrent *raw*; return them.

    One that is a peer has copied them into its release already.

    Args:
        addresses: where each host is found by the others.

    Raises:
        AllHostsFailed: no seeder has what the torrent describes.
    """
    first, last = run.settings.peer_port_range()
    path, tag, limits = run.wanted.files_path, run.wanted.tag, run.settings.limits()

    def request(host: str) -> control.Seed:
        return control.Seed(tag, addresses[host], first, last, *entry, *limits, path=path)

    requests = {
        host: Message(request(host).fields(), raw) for host in run.seeders() if host not in run.outcome.going
    }
    run.muster.settle(run.muster.channels.ask(requests, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT))
    return run.seeders()


def upload(run: Run, metainfo: Metainfo, staged: Mapping[str, Message]) -> list[str]:
    """
    Bring a seeder what it lacks of the operator's tree; return the one that has all of it then.

    It is the first, unless another one has more of it from an earlier try.

    Args:
        staged: what hosts said to `Stage`, which is what they have.

    Raises:
        AllHostsFailed: it could not be brought to any seeder.
        StorageError: the operator's own tree cannot be read (any more).
        TreeError: it was changed after it was hashed.
    """
    has = {host: Holdings.from_bytes(metainfo.info, staged[host].attached) for host in run.seeders()}
    seeders = sorted(has, key=lambda host: has[host].bytes_lacking)
    for seeder in seeders:
        failure = _upload(run, seeder, metainfo, has[seeder])
        if failure is None:
            return [seeder]
        run.muster.drop(seeder, failure)
    raise run.lost(seeders, "seeder")


def _upload(run: Run, seeder: str, metainfo: Metainfo, has: Holdings) -> HostFailure | None:
    wanted, total = run.wanted, has.bytes_lacking
    if not total:
        return None
    if not wanted.files_path:
        raise AllHostsFailed(f"no host that had {wanted.tag} can give it any more; nothing was switched")
    with run.stage("upload") as said:
        sent = 0

        def on_piece(length: int) -> None:
            nonlocal sent
            sent += length
            run.view.brought(seeder, sent, total)

        root = root_of(metainfo.info, wanted.files_path)
        failure = upload_pieces(run.muster.channels, seeder, wanted.tag, metainfo, root, has, on_piece)
        run.outcome.noted(seeder, bytes_moved=sent)
        said.append(f"{shown_size(sent)} to {seeder}" + ", which failed" * (failure is not None))
    return failure
