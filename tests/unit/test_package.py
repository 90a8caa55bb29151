"""What importing the package brings with it: as little as possible."""

from __future__ import annotations

import subprocess
import sys

import pytest

import murder_fabric


def modules_after(statement):
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.split()
    )


def test_the_agent_can_import_the_package_on_a_host_without_fabric():
    assert modules_after("import murder_fabric").isdisjoint({"fabric", "invoke", "paramiko", "twisted"})


def test_the_operators_side_never_imports_twisted():
    loaded = modules_after("from murder_fabric import murder")
    assert "fabric" in loaded
    assert "twisted" not in loaded


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'deplyo'"):
        _ = murder_fabric.deplyo
