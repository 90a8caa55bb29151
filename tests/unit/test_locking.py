"""The lock of a run: who shares it, and who is told whose it is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from murder_fabric.agent.locking import RunLock
from murder_fabric.errors import MurderError

RUN = "20261122-063500-3f2a91c07be4"


def test_another_name_of_the_host_shares_the_lock_of_its_run_and_no_other_operator_does(
    tmp_path: Path,
) -> None:
    def lock() -> RunLock:
        return RunLock("/srv/app", str(tmp_path / "lock"))

    first = lock()
    assert first.take(RUN, "ann@desk")
    assert not lock().take(RUN, "ann@desk")
    with pytest.raises(MurderError, match=rf"being deployed to by ann@desk since .* \(run {RUN}\)"):
        lock().take(RUN, "bob@desk")
    held = lock().holder() or {}
    assert (held["run"], held["operator"]) == (RUN, "ann@desk")
    first.give_back()
    assert lock().holder() is None
    assert lock().take(RUN, "bob@desk")


@pytest.mark.parametrize("call", ["ftruncate", "close"])
def test_a_disk_that_fails_as_it_is_given_back_is_no_fault_of_the_run_and_does_not_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """All that the run did stands by then; it was told of as a fault in the agent."""
    lock, close = RunLock("/srv/app", str(tmp_path / "lock")), os.close
    assert lock.take(RUN, "ann@desk")

    def fail(descriptor: int, *_: int) -> None:
        if call == "close":  # whatever is told of it, it is closed
            close(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        lock.give_back()
        lock.give_back()
    assert RunLock("/srv/app", str(tmp_path / "lock")).take("20261122-063501-000000000000", "bob@desk")
