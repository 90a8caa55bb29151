"""Releases on hosts with a real sshd: fetched ahead, switched, taken back, verified, locked, caught up."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from deploying import Fab, arrived, current, on_host, place

from demo import tree
from lab import rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]


def log(lab: rig.Lab, host: str, app: str) -> list[str]:
    return (place(lab, host, app) / "revisions.log").read_text().splitlines()


@pytest.fixture
def files(fab: Fab) -> Path:
    """The operator's tree, which tests change between deploys."""
    tree.generate(fab.directory / "build", 600_000, 90)
    return fab.directory / "build"


def deploy(fab: Fab, hosts: str, app: str, tag: str, *more: str, code: int = 0) -> str:
    return fab(hosts, "--files-path", "build", "--destination-path", app, "--tag", tag, *more, code=code)


def test_a_release_comes_ahead_is_switched_to_and_taken_back_past_a_bad_one(
    lab: rig.Lab, fab: Fab, app: str, files: Path
) -> None:
    where = ("--destination-path", app)
    deploy(fab, "web[1-8]", app, "v1")
    tree.change(files)
    said = fab("web[1-8]", "murder.fetch", "--files-path", "build", *where, "--tag", "v2")
    assert "8 of 8 hosts have v2, and current is as it was; murder.switch --tag v2 goes there" in said
    assert [current(lab, host, app) for host in lab.names] == ["releases/v1"] * 8
    said = fab("web[1-8]", "murder.rollback", *where, code=2)
    assert "nothing to roll back to: no good release was current before v1; nothing was changed" in said

    fab("web[1-8]", "murder.switch", *where, "--tag", "v2")
    assert [arrived(lab, host, app, files) for host in lab.names] == [[]] * 8
    (files / "third").write_text("3")
    deploy(fab, "web[1-8]", app, "v3")
    said = fab("web[1-8]", "murder.rollback", *where)
    assert "8 of 8 hosts back at v2; v3 is marked bad" in said
    said = fab("web[1-8]", "murder.rollback", *where)
    assert "8 of 8 hosts back at v1; v2 is marked bad" in said
    assert [current(lab, host, app) for host in lab.names] == ["releases/v1"] * 8
    said = fab("web[1-8]", "murder.rollback", *where, "--to", "v3", code=4)
    assert "web[1-8]: its v3 is marked bad: rolled back to v2 (" in said

    said = fab("web[1-8]", "murder.releases", *where)
    assert "web[1-8] (8 hosts): current is v1" in said
    assert re.search(r"^\* v1 +good +[0-9a-f]{12} +\S+ [kM]B", said, re.MULTILINE)
    assert re.search(r"^v3 +bad +[0-9a-f]{12} +\S+ [kM]B +rolled back to v2 \(", said, re.MULTILINE)
    lines = [re.sub(r" at 20.*", "", line) for line in log(lab, "web5", app)]
    who = lines[0].rpartition(" ")[2]
    assert [re.sub(r"\(at [0-9a-f]+\)", "(at …)", line) for line in lines] == [
        *(f"Tree (at …) deployed as release {tag} by {who}" for tag in ("v1", "v2", "v3")),
        *(f"{who} rolled back to release {tag}" for tag in ("v2", "v1")),
    ]


def test_nobody_goes_back_where_one_host_cannot(lab: rig.Lab, fab: Fab, app: str, files: Path) -> None:
    where = ("--destination-path", app)
    deploy(fab, "web[1-3]", app, "v1")
    tree.change(files)
    deploy(fab, "web[1-3]", app, "v2")
    shutil.move(place(lab, "web2", app) / "releases/v1", place(lab, "web2", app) / "moved")
    said = fab("web[1-3]", "murder.rollback", *where, "--to", "v1", code=3)
    assert "web2: it has no release v1; murder.releases lists what there is" in said
    said = fab("web[1-3]", "murder.rollback", *where, "--to", "v9", code=4)
    assert "web[1-3]: it has no release v9; murder.releases lists what there is" in said
    said = fab("web[1-3]", "murder.rollback", *where, code=2)
    assert "the hosts would go back to different releases: web[1,3] to v1, web2 to nothing" in said
    said = fab("web[1-3]", "murder.switch", "--tag", "v1", *where, code=3)
    assert "web2: it has no release v1; murder.fetch brings it" in said
    assert [current(lab, host, app) for host in ("web1", "web2", "web3")] == ["releases/v2"] * 3
    shutil.move(place(lab, "web2", app) / "moved", place(lab, "web2", app) / "releases/v1")
    assert "3 of 3 hosts back at v1" in fab("web[1-3]", "murder.rollback", *where, "--to", "v1")


def test_nobody_goes_back_to_what_changed_on_one_host_and_what_is_said_to_mend_it_does(
    lab: rig.Lab, fab: Fab, app: str, files: Path
) -> None:
    hosts, where = ("web1", "web2", "web3"), ("--destination-path", app)
    deploy(fab, "web[1-3]", app, "v1")
    first = fab.directory / "first"
    shutil.copytree(files, first, symlinks=True)
    (files / "second").write_text("2")
    deploy(fab, "web[1-3]", app, "v2")
    # As whoever writes into the live release does to all that share the file.
    changed = place(lab, "web3", app) / "releases/v1/bin/big-file.bin"
    changed.write_bytes(b"x" + changed.read_bytes()[1:])
    (place(lab, "web2", app) / "releases/v1/bin/big-file.bin").chmod(0o777)
    said = fab("web[1-3]", "murder.rollback", *where, code=3)
    assert "inspect  1 host with v1 as it was verified; 1 path changed on web[2-3] (" in said
    assert "web3: its v1 is not as it was verified: bin/big-file.bin does not hold the bytes" in said
    assert "web2: its v1 is not as it was verified: bin/big-file.bin has the mode 777" in said
    assert [current(lab, host, app) for host in hosts] == ["releases/v2"] * 3
    assert "murder.catch-up --mend --tag v1 brings what it was from the others, and goes there" in said
    said = fab("web[1-3]", "murder.catch-up", "--mend", "--tag", "v1", *where)
    assert "web[1-3] (3 hosts) caught up with v1" in said
    assert [current(lab, host, app) for host in hosts] == ["releases/v1"] * 3
    assert [arrived(lab, host, app, first) for host in hosts] == [[]] * 3


def test_verify_names_what_drifted_and_hosts_that_are_alike_share_a_line(
    lab: rig.Lab, fab: Fab, app: str, files: Path
) -> None:
    deploy(fab, "web[1-5]", app, "v1")
    said = fab("web[1-5]", "murder.verify", "--destination-path", app)
    assert re.search(r"web\[1-5\] \(5 hosts\): current is v1, digest [0-9a-f]{12}, as it was verified", said)
    for host in ("web2", "web3"):
        changed = place(lab, host, app) / "current/bin/big-file.bin"
        changed.write_bytes(b"x" + changed.read_bytes()[1:])
    (place(lab, "web4", app) / "current/stranger").touch()
    said = fab("web[1-5]", "murder.verify", "--destination-path", app, code=3)
    assert "web[2-3] (2 hosts): current is v1, digest" in said
    assert "bin/big-file.bin does not hold the bytes that it should" in said
    assert "stranger does not belong there" in said
    assert "web[2-4] are not as they should be, of web[1-5] (5 hosts)" in said
    assert "web[2-3]: 1 path of its v1 changed; murder.catch-up --mend mends that" in said
    before = changed.stat().st_ino
    said = fab("web[1-5]", "murder.catch-up", "--mend", "--destination-path", app)
    assert "web[2-3] (2 hosts) caught up with v1" in said
    assert "web4: left alone, as not of v1: stranger" in said
    for host in ("web2", "web3"):
        assert arrived(lab, host, app, files) == []
        assert os.listdir(place(lab, host, app) / ".murder/staging") == []
    assert changed.stat().st_ino != before
    said = fab("web[1-5]", "murder.verify", "--destination-path", app, code=3)
    assert "web4: what does not belong there lies in its v1; remove it there if it is not needed" in said


def test_a_host_that_was_down_gets_what_the_others_run_from_them(
    lab: rig.Lab, fab: Fab, app: str, files: Path
) -> None:
    deploy(fab, "web[1-5]", app, "v1")
    tree.change(files)
    lab.stop_sshd("web4")
    try:
        deploy(fab, "web[1-5]", app, "v2", "--allow-failures", "1", code=3)
        said = fab("web[1-5]", "murder.catch-up", "--destination-path", app, code=3)
        assert "web4: refused the connection" in said
    finally:
        lab.start_sshd("web4")
        lab.wait_for_ssh("web4")
    said = fab("web[1-5]", "murder.rollback", "--destination-path", app, "--to", "v2", code=2)
    assert "v2 is current already" in said
    copy = fab.directory / "copy"
    shutil.copytree(files, copy, symlinks=True)
    shutil.rmtree(files)
    said = fab("web[1-5]", "murder.catch-up", "--destination-path", app)
    assert "web4 (1 host) caught up with v2" in said
    assert arrived(lab, "web4", app, copy) == []
    said = fab("web[1-5]", "murder.catch-up", "--destination-path", app)
    assert "web[1-5] (5 hosts) had v2 already" in said
    fab("web[1-5]", "murder.verify", "--destination-path", app)
    # Both ways lead back to v1, also from the host that was late.
    assert "5 of 5 hosts back at v1" in fab("web[1-5]", "murder.rollback", "--destination-path", app)


def test_a_lock_refuses_everybody_until_it_is_taken_off(
    lab: rig.Lab, fab: Fab, app: str, files: Path
) -> None:
    where = ("--destination-path", app)
    fab("web[1-3]", "murder.lock", *where, code=2)
    said = fab("web[1-3]", "murder.lock", *where, "--reason", "the database moves", code=2)
    assert f"nothing is deployed in {app} on web[1-3], and nothing was changed" in said
    assert not place(lab, "web1", app).exists()
    for host in ("web1", "web2", "web3"):
        (place(lab, host, app) / "releases").mkdir(parents=True)
    fab("web[1-3]", "murder.lock", *where, "--reason", "the database moves")
    said = deploy(fab, "web[1-3]", app, "v1", code=4)
    assert re.search(
        rf"web\[1-3\]: locked: {app} is held by \S+ since 20\S+ \S+ \S+: the database moves; nothing", said
    )
    assert not (place(lab, "web1", app) / "current").is_symlink()
    deploy(fab, "web[1-3]", app, "v1", "--force")
    said = fab("web[1-3]", "murder.cleanup", *where, code=4)
    assert "the database moves" in said
    assert "locked by " in fab("web[1-3]", "murder.releases", *where)
    record = place(lab, "web2", app) / ".murder/held"
    record.write_text(record.read_text().replace('"operator": "', '"operator": "ann.'))
    said = fab("web[1-3]", "murder.unlock", *where, code=3)
    assert re.search(r"web2: \S+ is held by ann\.\S+ since .*; --force takes another's lock off", said)
    said = fab("web[1-3]", "murder.unlock", *where, "--force")
    whose = r"web2: overrode the lock of ann\.\S+, since 20.* \(run [-0-9a-f]+\): the database moves"
    assert re.search(whose, said), said
    said = fab("web[1-3]", "murder.unlock", *where, code=2)
    assert f"nobody holds {app} on web[1-3] (3 hosts)" in said


def test_old_releases_go_at_the_end_of_a_deploy_and_a_clean_up_that_fails_fails_nobody(
    lab: rig.Lab, fab: Fab, app: str, files: Path
) -> None:
    (fab.directory / "fabric.yaml").write_text("murder: {keep_releases: 2}")
    for tag in ("v1", "v2", "v3"):
        (files / "version").write_text(tag)
        deploy(fab, "web[1-2]", app, tag)
    for host in ("web1", "web2"):
        assert sorted(os.listdir(place(lab, host, app) / "releases")) == ["v2", "v3"]
        assert sorted(os.listdir(place(lab, host, app) / ".murder/receipts")) == ["v2", "v3"]
    # What is mounted cannot be moved away.
    on_host(lab, "web2", f"mount --bind {app}/releases/v2 {app}/releases/v2")
    try:
        (files / "version").write_text("v4")
        said = deploy(fab, "web[1-2]", app, "v4")
    finally:
        on_host(lab, "web2", f"umount {app}/releases/v2")
    assert "2 of 2 hosts switched to v4" in said
    assert re.search(r"web2: old releases could not be removed: \S+/releases/v2 cannot be removed: ", said)
    assert sorted(os.listdir(place(lab, "web1", app) / "releases")) == ["v3", "v4"]
    assert (place(lab, "web2", app) / "releases/v2/version").read_text() == "v2"
    said = fab("web[1-2]", "murder.cleanup", "--destination-path", app, "--keep-releases", "1")
    assert "v2 removed on web[1-2] (2 hosts)" in said
    assert sorted(os.listdir(place(lab, "web2", app) / "releases")) == ["v3", "v4"]


def test_what_is_shared_is_linked_and_a_missing_file_fails_its_host_alone(
    lab: rig.Lab, fab: Fab, app: str, files: Path
) -> None:
    (fab.directory / "fabric.yaml").write_text(
        "murder: {linked_dirs: [log, tmp/pids], linked_files: [config/secret]}"
    )
    (files / "log").mkdir()
    (files / "log" / "of-the-build").write_text("stays at home")
    for host in ("web1", "web2", "web3"):
        secret = place(lab, host, app) / "shared/config/secret"
        secret.parent.mkdir(parents=True)
        secret.write_text(host)
    (place(lab, "web3", app) / "shared/config/secret").unlink()
    said = deploy(fab, "web[1-3]", app, "v1", code=3)
    assert f"web3: {app}/shared/config/secret is missing, and murder.linked_files names it" in said
    assert current(lab, "web1", app) is None
    (place(lab, "web3", app) / "shared/config/secret").write_text("web3")
    deploy(fab, "web[1-3]", app, "v1")
    for host in ("web1", "web2", "web3"):
        release = place(lab, host, app) / "releases/v1"
        assert os.readlink(release / "log") == f"{app}/shared/log"
        assert os.readlink(release / "tmp/pids") == f"{app}/shared/tmp/pids"
        assert on_host(lab, host, f"cat {app}/current/config/secret") == host
        assert os.listdir(place(lab, host, app) / "shared/log") == []
    on_host(lab, "web2", f"echo x > {app}/current/log/access")
    fab("web[1-3]", "murder.verify", "--destination-path", app)
    on_host(lab, "web2", f"rm {app}/current/log && mkdir {app}/current/log")
    said = fab("web[1-3]", "murder.verify", "--destination-path", app, code=3)
    assert "log is not the link to what is shared" in said


def test_a_destination_that_capistrano_laid_out_is_taken_over_where_it_lies(
    lab: rig.Lab, fab: Fab, app: str, files: Path
) -> None:
    names = ("20260101120000", "20260102120000")
    for number, host in enumerate(("web1", "web2")):
        root = place(lab, host, app)
        for name in names:
            (root / "releases" / name).mkdir(parents=True)
            (root / "releases" / name / "file").write_text(name)
        (root / "shared/log").mkdir(parents=True)
        link = f"releases/{names[1]}" if number else f"{app}/releases/{names[1]}"
        (root / "current").symlink_to(link)
        (root / "revisions.log").write_text(
            f"Branch main (at 1a2b3c4) deployed as release {names[1]} by bob\n"
        )
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    for command in ("init -q -b main", "add -A", "-c user.name=a -c user.email=a@b commit -q -m one"):
        assert os.spawnvpe(os.P_WAIT, "git", ["git", "-C", str(files), *command.split()], environment) == 0
    deploy(fab, "web[1-2]", app, "v1")
    for host in ("web1", "web2"):
        lines = log(lab, host, app)
        assert lines[0] == f"Branch main (at 1a2b3c4) deployed as release {names[1]} by bob"
        commit = (place(lab, host, app) / "current/REVISION").read_text().strip()
        assert re.fullmatch("[0-9a-f]{40}", commit)
        assert lines[1].startswith(f"Branch main (at {commit}) deployed as release v1 by ")
        assert sorted(os.listdir(place(lab, host, app) / "releases")) == [*names, "v1"]
    said = fab("web[1-2]", "murder.rollback", "--destination-path", app)
    assert f"2 of 2 hosts back at {names[1]}; v1 is marked bad" in said
    assert (place(lab, "web1", app) / "current/file").read_text() == names[1]
    said = fab("web[1-2]", "murder.verify", "--destination-path", app)
    assert "nothing is known of what it should be" in said
    (place(lab, "web2", app) / "current/file").write_text("changed")
    said = fab("web[1-2]", "murder.verify", "--destination-path", app, code=3)
    assert "of web[1-2] (2 hosts)" in said


def test_where_nothing_was_deployed_no_task_about_releases_makes_anything(
    lab: rig.Lab, fab: Fab, app: str
) -> None:
    said = f"murder: nothing is deployed in {app} on web[1-2], and nothing was changed"
    for task in ("rollback", "cleanup", "catch-up", "verify", "releases"):
        assert said in fab("web[1-2]", f"murder.{task}", "--destination-path", app, code=2)
    assert said in fab("web[1-2]", "murder.switch", "--tag", "v1", "--destination-path", app, code=2)
    assert not [host for host in ("web1", "web2") if os.path.lexists(place(lab, host, app))]
