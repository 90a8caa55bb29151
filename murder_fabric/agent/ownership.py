"""Refuses directories in which somebody else could put something in the place of what is ours."""

from __future__ import annotations

import grp
import os
import pwd
import stat

from ..errors import StorageError


def must_be_trusted(path: str, *, may_be_sticky: bool = False) -> None:
    """
    Refuse a directory, where there is one at *path*, whose contents others could replace.

    It is ours or root's, and so is a link that leads to it. A group of ours may write to it, as is usual with
    Capistrano: who is in that group is trusted. Of what is above it only this is asked: that not everybody
    may write there.

    Args:
        may_be_sticky: everybody may write to it if its sticky bit keeps them from what is ours, as in `/tmp`;
            what they put there before us is still to be looked at.

    Raises:
        StorageError: it is one; nothing was changed.
        OSError: it cannot be looked at.
    """
    # A link to it can be replaced where it lies, whatever is above what it leads to.
    for place in (path, os.path.realpath(path)):
        above = os.path.dirname(place)
        while above != os.path.dirname(above):
            if os.path.isdir(above):
                _must_not_be_everybodys(os.stat(above), above, may_be_sticky=True)
            above = os.path.dirname(above)
    if not os.path.lexists(path):
        return
    _must_be_ours(os.lstat(path), path)
    if os.path.isdir(path):
        status = os.stat(path)
        _must_be_ours(status, os.path.realpath(path))
        _must_not_be_everybodys(status, path, may_be_sticky=may_be_sticky)
        if status.st_mode & stat.S_IWGRP and status.st_gid not in (os.getegid(), *os.getgroups()):
            raise StorageError(
                f"{path} can be written by the group {_group(status.st_gid)}, which is none of ours;"
                f" nothing was changed. chmod g-w {path}"
            )


def must_be_closed(path: str) -> None:
    """
    Refuse a directory of our own records, where there is one at *path*, that anybody else may write to.

    Raises:
        StorageError: it is one, or a link; nothing was changed.
        OSError: it cannot be looked at.
    """
    if not os.path.lexists(path):
        return
    status = os.lstat(path)
    # Sticky or not: a file that is not there yet is anybody's to make.
    open_to_others = stat.S_IMODE(status.st_mode) & 0o022
    if not stat.S_ISDIR(status.st_mode) or open_to_others or status.st_uid not in (0, os.geteuid()):
        raise StorageError(
            f"{path} is a link, belongs to somebody else or can be written by others; nothing was changed."
            f" Make it a directory of the user who deploys, and: chmod go-w {path}"
        )


def _must_be_ours(status: os.stat_result, path: str) -> None:
    if status.st_uid not in (0, os.geteuid()):
        owner, we = _user(status.st_uid), _user(os.geteuid())
        raise StorageError(
            f"{path} belongs to {owner}, who could replace what is deployed; nothing was changed."
            f" chown -h {we} {path}, or deploy as {owner} (murder.sudo)"
        )


def _must_not_be_everybodys(status: os.stat_result, path: str, *, may_be_sticky: bool) -> None:
    is_kept = may_be_sticky and status.st_mode & stat.S_ISVTX
    if status.st_mode & stat.S_IWOTH and not is_kept:
        raise StorageError(f"{path} can be written by everybody; nothing was changed. chmod o-w {path}")


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
