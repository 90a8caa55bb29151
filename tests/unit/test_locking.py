"""The lock of a run: who shares it, and who is told whose it is."""

from __future__ import annotations

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
