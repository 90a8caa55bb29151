"""What hosts attach to their answers, and whether it is what it must be: an agent may be broken, or lie."""

from __future__ import annotations

from collections.abc import Mapping

from ...control import Message
from ...errors import MetainfoError, RemoteProtocolError
from ...metainfo.holdings import Holdings
from ...metainfo.parsing import parse_metainfo
from ...metainfo.values import Info, Metainfo
from ..failures import HostFailure
from .asking import Answer


def with_holdings(info: Info, answers: Mapping[str, Answer]) -> dict[str, Answer]:
    """Return what hosts said to `control.Stage`; as a failure where what they have is of another payload."""
    checked: dict[bytes, HostFailure | None] = {}
    for answer in answers.values():
        # Most hosts have the same: all of it, or nothing.
        if isinstance(answer, Message) and answer.attached not in checked:
            checked[answer.attached] = _why_no_holdings(info, answer.attached)
    return {
        host: (checked[answer.attached] or answer) if isinstance(answer, Message) else answer
        for host, answer in answers.items()
    }


def with_torrents(
    request: str, answers: Mapping[str, Answer], digest: str | None = None
) -> tuple[dict[str, Answer], dict[bytes, Metainfo]]:
    """
    Look at what hosts said to a *request* for a torrent; reading one of 20,000 files takes half a second.

    Args:
        digest: of the torrent that is wanted, in hex; None where it is the one that its host says it is.

    Returns:
        The answers, as a failure where what came is no torrent, or another one; and what those say that
        are torrents, by their bytes.
    """
    # Seeders that have the same have the same torrent.
    found: dict[bytes, Metainfo | HostFailure] = {}
    for answer in answers.values():
        if isinstance(answer, Message) and answer.attached not in found:
            found[answer.attached] = _read(request, answer.attached)
    checked = dict(answers)
    for host, answer in answers.items():
        if isinstance(answer, HostFailure):
            continue
        came = found[answer.attached]
        if isinstance(came, HostFailure):
            checked[host] = came
            continue
        true = came.info.digest.hex()
        if true != (digest or answer.fields.get("digest", true)):
            checked[host] = _nonsense(request, f"its torrent is that of another release, {true[:12]}")
    return checked, {raw: came for raw, came in found.items() if isinstance(came, Metainfo)}


def _why_no_holdings(info: Info, attached: bytes) -> HostFailure | None:
    try:
        Holdings.from_bytes(info, attached)
    except RemoteProtocolError as error:
        return _nonsense("stage", str(error))
    return None


def _read(request: str, torrent: bytes) -> Metainfo | HostFailure:
    try:
        return parse_metainfo(torrent)
    except MetainfoError as error:
        return _nonsense(request, str(error))


def _nonsense(request: str, what: str) -> HostFailure:
    return HostFailure("agent", f"its agent said nonsense: {request}: {what}")
