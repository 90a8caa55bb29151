"""Murder's recipes that end something: seeders and peers that stayed, and what a tag left lying."""

from __future__ import annotations

import os
import stat

from .. import control
from ..control import Message
from ..errors import BadInput, StorageError
from .connecting.asking import Answer
from .inventory import counted
from .muster import PROMPT_TIMEOUT, Muster
from .ranges import fold
from .recipes import must_have_some


def stop(muster: Muster, kind: str, tag: str) -> str:
    """End the agents of *kind*, `seeder` or `peer`, that run for *tag*."""
    must_have_some(muster)
    ended, absent = [], []
    for host, answer in _ask_all(muster, control.Dismiss(f"{kind}-{tag}")).items():
        if isinstance(answer, Message):
            ended.append(host)
        elif answer.exit_code == BadInput.exit_code:
            absent.append(host)
        else:
            muster.outcome.failed(host, answer)
    if absent and not ended and not muster.outcome.lost:
        raise BadInput(f"no {kind} of {tag} is running on {counted(absent)}")
    said = f"the {kind}s of {tag} have ended on {counted(ended)}"
    return said + f"; none was running on {fold(absent)}" * bool(absent)


def stop_all(muster: Muster, kind: str) -> str:
    """End every agent of *kind*, `seeder` or `peer`, whatever its tag."""
    must_have_some(muster)
    ended: dict[str, list[str]] = {}
    asked = muster.outcome.going
    for host, done in muster.settle(_ask_all(muster, control.DismissAll(kind))).items():
        for agent in done.fields["agents"]:
            ended.setdefault(str(agent).partition("-")[2], []).append(host)
    if not ended:
        must_have_some(muster)
        if not muster.outcome.lost:
            raise BadInput(f"no {kind} is running on {counted(asked)}")
        return f"no {kind} was running on {counted(muster.outcome.going)}"
    return "; ".join(f"the {kind}s of {tag} have ended on {counted(ended[tag])}" for tag in sorted(ended))


def clean_temp_files(muster: Muster, tag: str, directory: str) -> str:
    """
    Remove what *tag* left where agents live on the hosts, and the torrent's copy in *directory* here.

    Releases, and what `murder.peer` brought, are none of it; what an agent still works with stays.
    """
    must_have_some(muster)
    cleaned, busy, count = [], [], 0
    for host, done in muster.settle(_ask_all(muster, control.Clean(tag))).items():
        cleaned += [host] * bool(done.fields["removed"])
        count += len(done.fields["removed"])
        busy += [host] * bool(done.fields["running"])
    must_have_some(muster)
    said = [f"{count} files of {tag} removed from {counted(cleaned)}" if count else f"{tag} had left nothing"]
    if busy:
        said.append(f"agents of {tag} still run on {counted(busy)}, and keep what they need")
    copy = os.path.join(directory, f"{tag}.torrent")
    if _remove_copy(copy):
        said.append(f"{copy} removed here")
    return "; ".join(said)


def _ask_all(muster: Muster, request: control.Request) -> dict[str, Answer]:
    return muster.channels.ask(dict.fromkeys(muster.outcome.going, Message(request.fields())), PROMPT_TIMEOUT)


def _remove_copy(path: str) -> bool:
    """Remove the operator's copy of a torrent, if it is a file of ours; a link there is none."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return False
        os.unlink(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}; remove it by hand") from None
    return True
