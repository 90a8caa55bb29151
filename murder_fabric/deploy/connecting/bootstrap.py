"""
How an agent starts on a host that may have nothing but `python3`.

The remote command is one constant line; all that varies travels on stdin, where no shell reads it. The line
executes a small program (`bootstrap_program`) that it reads from stdin, and that one takes the agent bundle
from there too, unless the host has it, and becomes the agent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from ...errors import SettingsError
from .bundle import Bundle

#: No `'`, `!`, `$`, backslash or backtick: sh, dash, bash, zsh, csh, tcsh and fish all read the same in it.
#: FileIO is unbuffered, so the line is all that is taken from stdin. -I: nothing in the environment or the
#: home directory can stand in for a module.
LOADER = "import io,json;exec(json.loads(io.FileIO(0,closefd=False).readline().decode()))"

#: Words every shell takes as they are; a leading `~/` is left to the shell.
PLAIN_WORD = re.compile(r"(~/)?[A-Za-z0-9_./+][A-Za-z0-9_./+-]*")
#: What single quotes do not protect in every shell.
UNQUOTABLE = re.compile(r"['!\\\x00-\x1f\x7f]")


#: Becomes another user and keeps the variable that tells by which address SSH came in, which sudo would drop.
#: Every shell expands it alike inside double quotes.
BECOME = 'sudo -n -H -u {user} env SSH_CONNECTION="$SSH_CONNECTION" '


def remote_command(python: str = "python3", user: str = "") -> str:
    """
    Return the command that the host's login shell is given.

    Args:
        python: the interpreter on the host, a name or a path (`murder.python`).
        user: whom to become there, who logged in if empty (`murder.sudo`).

    Raises:
        SettingsError: no shell could be told to run a program of that name.
    """
    if not PLAIN_WORD.fullmatch(python):
        if not python or python.startswith("-") or UNQUOTABLE.search(python):
            raise SettingsError(
                f"murder.python cannot be {python!r}: it is a name or path without quotes, `!` or backslash"
            )
        python = f"'{python}'"
    become = BECOME.format(user=user) if user else ""
    return f'{become}{python} -I -X utf8 -c "{LOADER}"'


def opening(
    bundle: Bundle,
    murder_path: str,
    run: Optional[Sequence[str]] = ("control",),
    *,
    passed_on: bool = False,
) -> bytes:
    """
    Return the first bytes for the command's stdin.

    The host answers with one `bootstrap`; if that says `"have": false`, the bundle's bytes are due, and then
    whatever the agent reads.

    Args:
        bundle: the agent the host shall have.
        murder_path: where agents lie on the host; a leading `~` is expanded there.
        run: the agent's arguments; None to leave it at putting the agent in place.
        passed_on: before those bytes, one line says whether the host is to have them from another one.
    """
    program = Path(__file__).with_name("bootstrap_program.py").read_text(encoding="utf-8")
    order: dict[str, object] = {
        "murder_path": murder_path,
        "digest": bundle.sha256,
        "length": bundle.size,
        "requires_python": bundle.requires_python,
        "run": None if run is None else list(run),
    }
    if passed_on:
        order["passed_on"] = True
    return b"".join(json.dumps(part).encode("ascii") + b"\n" for part in (program, order))
