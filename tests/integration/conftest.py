"""What integration tests share: hosts with a real sshd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import rig


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Lab]:
    """Eight unshaped hosts, web1 to web8, for the whole session; a test uses directories of its own there."""
    if why := rig.missing():
        pytest.skip(why)
    with rig.Lab(tmp_path_factory.mktemp("lab") / "run") as standing:
        yield standing
