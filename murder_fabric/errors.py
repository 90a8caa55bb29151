"""Every exception this package raises on purpose, in one tree; and how their sentences quote others."""

from __future__ import annotations

from typing import Any


def quoted(text: str) -> str:
    """Return *text* as it is; in quotes and escaped where it would break the line or cannot be printed."""
    return text if text.isprintable() else repr(text)


class MurderError(Exception):
    """
    Something a user can understand and act on; its text is one sentence.

    `exit_code` is what a command ends with when this error ends it.
    """

    exit_code = 3
    #: What became of each host, where this ended a task: a `murder_fabric.Result`.
    result: Any = None


class BadInput(MurderError):
    """An argument, setting, torrent or tree is wrong; no host was touched."""

    exit_code = 2


class BencodeError(BadInput):
    """Bytes that are not canonical bencoding (BEP 3)."""


class MetainfoError(BadInput):
    """A torrent that breaks the rules of BEP 3, or asks for what we refuse."""


class TreeError(BadInput):
    """A tree of files that cannot become a torrent: an escaping link, a device, an unreadable file."""


class HostRangeError(BadInput):
    """A host expression such as `web[1-` that names no hosts."""


class SettingsError(BadInput):
    """A setting or option with a value that cannot be meant."""


class ProtocolError(MurderError):
    """The peer wire protocol's rules were broken; the two subclasses say by whom."""


class LocalProtocolError(ProtocolError):
    """We tried to send what must not be sent now."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what it must not send; drop the connection."""


class OriginBusy(RemoteProtocolError):
    """An HTTP origin cannot answer now; it may later."""


class OriginMoved(RemoteProtocolError):
    """An HTTP origin has a file elsewhere; `location` is where, as it says it."""

    def __init__(self, sentence: str, location: str) -> None:
        super().__init__(sentence)
        self.location = location


class TrackerError(MurderError):
    """A tracker did not answer, answered garbage, or refused."""


class TrackerBusy(TrackerError):
    """A tracker cannot answer now, or hung up; it may answer later."""


class SwarmError(MurderError):
    """Nobody in the swarm gave what is missing."""


class StorageError(MurderError):
    """The disk did not do what was asked: full, not permitted, broken."""


class NoRoomError(StorageError):
    """The disk is full: it takes nothing more, and gives what it has."""


class UnfitError(StorageError):
    """What is at the destination does not go with what was asked: to ask again changes nothing."""

    exit_code = BadInput.exit_code


class ListenError(MurderError):
    """No port that we may listen on is free, or the address is not one of ours."""


class VerifyError(MurderError):
    """What is on disk is not what the torrent promises."""


class ControlError(MurderError):
    """Operator and agent could not understand each other."""


class HostsFailed(MurderError):
    """Some named hosts did not do what was asked of them."""


class AllHostsFailed(HostsFailed):
    """No named host did what was asked."""

    exit_code = 4


class Interrupted(MurderError):
    """The operator pressed Ctrl-C; says what was cleaned up."""

    exit_code = 130
    #: Nobody waited until what ran on the hosts had ended; something may lie there.
    is_left = False
