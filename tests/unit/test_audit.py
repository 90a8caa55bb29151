"""What `./dev audit` finds in a directory of advisories, without asking anybody."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("audit", Path(__file__).parents[2] / ".ci/audit.py")
assert SPEC is not None
assert SPEC.loader is not None
audit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)


def advisory(*events, name="Twisted", versions=(), **more):
    ranges = [{"type": "ECOSYSTEM", "events": [dict([event]) for event in events]}]
    package = {"ecosystem": "PyPI", "name": name}
    affected = [{"package": package, "ranges": ranges, "versions": list(versions)}]
    return {"id": "PYSEC-1", "modified": "2026-10-01T00:00:00Z", "affected": affected, **more}


@pytest.mark.parametrize(
    ("events", "version", "is_meant"),
    [
        ([("introduced", "0"), ("fixed", "24.7.0rc1")], "24.3.0", True),
        ([("introduced", "0"), ("fixed", "24.7.0rc1")], "24.7.0", False),
        ([("fixed", "24.7.0rc1"), ("introduced", "0")], "24.3.0", True),
        ([("introduced", "20.3"), ("last_affected", "22.1")], "22.1", True),
        ([("introduced", "20.3"), ("last_affected", "22.1")], "22.2", False),
        ([("introduced", "20.3")], "19.10.0", False),
        ([("introduced", "1"), ("fixed", "2"), ("introduced", "10"), ("fixed", "11")], "10.5", True),
        ([("introduced", "1"), ("fixed", "2"), ("introduced", "10"), ("fixed", "11")], "9.0", False),
        ([("introduced", "long ago"), ("fixed", "2")], "1.0", True),
        ([("introduced", "1"), ("fixed", "4c5e0dc")], "3.0", True),
        ([], "1.0", False),
    ],
)
def test_a_version_is_affected_if_a_range_has_it(events, version, is_meant):
    found = list(audit.against({"twisted": version}, [advisory(*events)]))
    assert found == ([f"twisted {version}: PYSEC-1"] if is_meant else [])


def test_a_version_that_is_named_is_affected_and_what_else_it_is_called_is_said():
    known = advisory(name="zope.interface", versions=["8.7"], aliases=["CVE-1"])
    assert list(audit.against({"zope-interface": "8.7"}, [known])) == ["zope-interface 8.7: PYSEC-1, CVE-1"]
    assert list(audit.against({"zope-interface": "8.6", "twisted": "8.7"}, [known])) == []


def test_what_was_withdrawn_counts_for_nothing(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/one.json").write_text(json.dumps(advisory()))
    (tmp_path / "two.json").write_text(json.dumps(advisory(withdrawn="2026-01-01T00:00:00Z")))
    (tmp_path / "README.md").write_text("no advisory")
    assert len(list(audit.advisories(tmp_path))) == 1


@pytest.mark.parametrize(("versions", "code"), [((), 0), (("26.4.0",), 1)])
def test_the_exit_code_says_whether_anything_is_known(tmp_path, capsys, monkeypatch, versions, code):
    (tmp_path / "one.json").write_text(json.dumps(advisory(versions=versions)))
    monkeypatch.setattr(audit, "needed", lambda package: {"twisted": "26.4.0"})
    assert audit.main([str(tmp_path)]) == code
    said = capsys.readouterr().out
    assert ("twisted 26.4.0: PYSEC-1\n" in said) is bool(code)
    assert "audit: 1 packages against 1 advisories, the newest of 2026-10-01" in said


def test_a_directory_without_advisories_is_no_good_news(tmp_path, capsys):
    assert audit.main([str(tmp_path)]) == 1
    assert f"there are no advisories below {tmp_path}" in capsys.readouterr().err


def test_all_that_the_program_needs_is_looked_at_and_nothing_that_tests_need():
    found = audit.needed("murder-fabric")
    assert {"fabric", "twisted", "paramiko", "cryptography", "bencode-py", "zope-interface"} <= set(found)
    assert "pytest" not in found


@pytest.mark.parametrize(
    ("ended", "said", "told"),
    [
        (1, "ERROR:pip_audit._cli:attrs: Dependency not found on PyPI\n", True),
        (1, "Traceback (most recent call last):\n", True),
        (1, "Found 1 known vulnerability in 1 package\n", False),
        (0, "No known vulnerabilities found\n", False),
    ],
)
def test_where_pypi_is_not_reached_the_way_without_it_is_told(capsys, monkeypatch, ended, said, told):
    warning = "WARNING:pip_audit._cli:--no-deps is supported, but\n"
    done = subprocess.CompletedProcess([], ended, stderr=warning + said)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert audit.ask_pypi({"attrs": "1.0"}) == ended
    shown = capsys.readouterr().err
    assert shown.startswith(said)
    assert ("offline: ./dev audit --database DIR" in shown) is told
