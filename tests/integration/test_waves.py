"""Hosts with a real sshd switch wave by wave: a canary, batches, a moment, checks between, hooks around."""

from __future__ import annotations

import os
import re
import signal
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from deploying import Fab, current, place

from demo import tree
from lab import rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]

HOSTS = ["web1", "web2", "web3", "web4"]
#: Seconds between the first and the last host of a wave, on this machine, which may be busy.
SPREAD = 0.5

HOOKED = """
from fabric import task
from invoke import Collection
from murder_fabric import group_task, murder

@task
def before_switch(c):
    about = c.murder_hook
    c.run(f"echo task {about.name} {about.tag} >> {about.destination}/hooks")

@group_task
def after_switch(c):
    with open("waves", "a") as file:
        print(*c.hosts, c.murder_hook.release, file=file)

@group_task
def failed(c):
    with open("waves", "a") as file:
        print("failed", *c.hosts, file=file)

murder.hooks.add_task(before_switch)
murder.hooks.add_task(after_switch)
murder.hooks.add_task(failed)
ns = Collection(murder)
"""


@pytest.fixture
def files(fab: Fab) -> Path:
    """The operator's tree, which tests change between deploys."""
    fab.environment.clear()
    tree.generate(fab.directory / "build", 200_000, 20)
    return fab.directory / "build"


def deploy(fab: Fab, app: str, tag: str, *more: str, code: int = 0) -> str:
    return fab("web[1-4]", "--files-path", "build", "--destination-path", app, "--tag", tag, *more, code=code)


def currents(lab: rig.Lab, app: str) -> list[str | None]:
    return [current(lab, host, app) for host in HOSTS]


def switched_at(lab: rig.Lab, app: str) -> list[float]:
    """Return when each host's link was made, in Unix seconds; they are all on this machine's clock."""
    return [os.lstat(place(lab, host, app) / "current").st_mtime for host in HOSTS]


def noted(lab: rig.Lab, host: str, app: str) -> list[str]:
    """Return what hooks left on a host."""
    return (place(lab, host, app) / "hooks").read_text().splitlines()


def test_a_canary_that_is_not_well_goes_back_alone_and_the_release_is_bad(
    lab: rig.Lab, fab: Fab, app: str, files: Path
) -> None:
    check = "health_check: 'echo it is $MURDER_TAG after $MURDER_PREVIOUS; test $MURDER_TAG = v1'"
    (fab.directory / "fabric.yaml").write_text(f"murder:\n  {check}\n  health_patience: 1\n")
    said = deploy(fab, app, "v1", "--canary", "web2")
    assert re.search(r"switch +the canary: 1 host switched to v1 \(", said)
    assert re.search(r"check +1 of 1 host well with v1", said)
    assert re.search(r"switch +the others: 3 hosts switched to v1", said)
    assert re.search(r"check +3 of 3 hosts well with v1", said)

    (files / "more").write_text("more")
    said = deploy(fab, app, "v2", "--canary", "web2", code=3)
    assert re.search(r"web2: the health check failed [2-9] times in [1-9] s: `echo it is \$MURDER_TAG", said)
    assert "ended with exit code 1: it is v2 after v1" in said
    assert (
        "1 of 1 host of the canary failed the health check; web2 is back where it was;"
        " the others were not switched; v2 is marked bad"
    ) in said
    assert currents(lab, app) == ["releases/v1"] * 4
    logs = [(place(lab, host, app) / "revisions.log").read_text() for host in HOSTS]
    assert ["release v2" in log for log in logs] == [False, True, False, False]
    said = fab("web[1-4]", "murder.releases", "--destination-path", app)
    assert re.search(r"^v2 +bad .* 1 of 1 host of the canary failed the health check", said, re.MULTILINE)


def test_batches_follow_each_other_and_hooks_are_called_around_each(
    lab: rig.Lab, fab: Fab, app: str, files: Path
) -> None:
    (fab.directory / "fabfile.py").write_text(HOOKED)
    command = "echo command $MURDER_HOOK $MURDER_TAG $MURDER_PREVIOUS >> hooks && echo noted"
    (fab.directory / "fabric.yaml").write_text(
        "murder:\n"
        "  switch_delay: 1\n"
        "  health_check: test ! -e sick || test $MURDER_TAG = v1\n"
        "  health_patience: 0\n"
        f"  hooks:\n    before_switch: {command}\n    after_switch_back: [{command}]\n"
    )
    said = deploy(fab, app, "v1", "--batch", "50%")
    (spread, known) = re.search(
        r"batch 1 of 2: .* within ([0-9]+) ms \(clocks known to ([0-9]+)", said
    ).groups()  # type: ignore[union-attr]
    assert int(spread) <= 1000 * SPREAD + int(known)
    assert "\nweb[1-2]: noted\n" in said
    assert "\nweb[3-4]: noted\n" in said
    at = switched_at(lab, app)
    assert max(at[:2]) + 1 <= min(at[2:])
    assert max(at[:2]) - min(at[:2]) < SPREAD
    assert max(at[2:]) - min(at[2:]) < SPREAD
    where = f"{app}/releases"
    waves = (fab.directory / "waves").read_text().splitlines()
    assert waves == [f"web1 web2 {where}/v1", f"web3 web4 {where}/v1"]
    assert noted(lab, "web3", app) == ["command before_switch v1", "task before_switch v1"]

    (files / "more").write_text("more")
    (place(lab, "web3", app) / "sick").touch()
    said = deploy(fab, app, "v2", "--batch", "1", code=3)
    assert "1 of 1 host of batch 3 of 4 failed the health check; web[1-3] are back where they were" in said
    assert currents(lab, app) == ["releases/v1"] * 4
    assert noted(lab, "web1", app)[2:] == [
        "command before_switch v2 v1",
        "task before_switch v2",
        "command after_switch_back v2 v1",
    ]
    assert len(noted(lab, "web4", app)) == 2
    waves = (fab.directory / "waves").read_text().splitlines()
    assert waves[2:] == [*(f"web{number} {where}/v2" for number in (1, 2, 3)), "failed web1 web2 web3 web4"]


def test_all_switch_at_the_moment_that_was_asked_for_and_sigterm_before_it_switches_nobody(
    lab: rig.Lab, fab: Fab, app: str, files: Path
) -> None:
    where = ("--destination-path", app)
    fab("web[1-4]", "murder.fetch", "--files-path", "build", *where, "--tag", "v1")
    far = datetime.fromtimestamp(time.time() + 3600, timezone.utc).isoformat()
    began = time.monotonic()
    waiting = fab.start("web[1-4]", "murder.switch", "--tag", "v1", *where, "--at", far)
    waiting.wait_for("switch   at ")
    took = time.monotonic() - began
    waiting.process.send_signal(signal.SIGTERM)
    assert waiting.end() == 130
    assert "every host is as it was; nothing of ours runs" in str(waiting)
    assert currents(lab, app) == [None] * 4

    moment = time.time() + 2 * took + 4
    at = datetime.fromtimestamp(moment, timezone.utc).isoformat()
    said = fab("web[1-4]", "murder.switch", "--tag", "v1", *where, "--at", at)
    assert "4 of 4 hosts switched to v1" in said
    late = [made - moment for made in switched_at(lab, app)]
    assert all(-0.05 <= one < SPREAD for one in late), late


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--canary", "web9"), r"--canary names web9, and this run is about web\[1-4\]; no host was touched"),
        (("--at", "2020-01-01T00:00:00Z"), r"has passed; no host was touched"),
    ],
)
def test_what_cannot_be_meant_is_said_before_any_host_is_asked(
    lab: rig.Lab, fab: Fab, files: Path, wrong: tuple[str, str], said: str
) -> None:
    complaint = deploy(fab, "/srv/never", "v1", *wrong, code=2)
    assert re.search(said, complaint)
    assert len(complaint.splitlines()) == 1
    assert not place(lab, "web1", "/srv/never").exists()


def test_a_hook_that_is_none_is_named(fab: Fab, files: Path) -> None:
    (fab.directory / "fabric.yaml").write_text("murder:\n  hooks:\n    before_swich: 'true'\n")
    complaint = deploy(fab, "/srv/never", "v1", code=2)
    assert "'before_swich' is no hook; did you mean before_switch?" in complaint
    (fab.directory / "fabric.yaml").unlink()
    (fab.directory / "fabfile.py").write_text(
        HOOKED.replace("def failed", "def fialed").replace("(failed", "(fialed")
    )
    complaint = deploy(fab, "/srv/never", "v1", code=2)
    assert "murder.hooks: 'fialed' is no hook; did you mean failed?; no host was touched" in complaint
