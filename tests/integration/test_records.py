"""What one has after a run against real hosts: its record, its page, and a second try for who failed."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploying import PATIENCE, Fab, arrived, current, place, slow_down, wait_until

from demo import tree
from lab import rig
from murder_fabric.deploy.history.chronicle import write_page
from murder_fabric.deploy.history.record import Exchange, HostRecord, RunRecord, Sample, StageRecord

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]

HOSTS = ["web1", "web2", "web3"]
#: The whole browser, or what Debian has of it for machines without a screen.
BROWSER = shutil.which("chromium") or shutil.which("chromium-headless-shell")


@pytest.fixture
def slow_seeder(lab: rig.Lab) -> Iterator[None]:
    slow_down(lab, "web1", "2mbit")  # a minute for what follows, of which it takes seconds
    yield
    slow_down(lab, "web1", None)


def records(fab: Fab) -> list[Path]:
    """Return the files of all records, oldest first."""
    return sorted((fab.directory / ".local/state/murder_fabric/runs").iterdir())


def test_a_deploy_leaves_a_record_and_a_page_and_who_failed_gets_it_by_the_next_one(
    lab: rig.Lab, fab: Fab, app: str, source: Path
) -> None:
    wanted = ("--files-path", str(source), "--destination-path", app)
    in_the_way = place(lab, "web3", app)
    in_the_way.write_text("no directory\n")
    said = fab("web[1-3]", *wanted, "--tag", "v1", "--allow-failures", "1", "--report", "out.html", code=3)
    assert f"the report is {fab.directory}/out.html" in said
    (path,) = records(fab)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    record = RunRecord.from_json(path.read_bytes())
    assert (record.task, record.tag, record.destination, record.exit_code) == ("deploy", "v1", app, 3)
    assert [record.hosts[host].state for host in HOSTS] == ["switched", "switched", "failed"]
    assert (record.failed, record.unfinished, record.seeders) == (["web3"], ["web3"], ["web1"])
    assert [stage.name for stage in record.stages][:2] == ["connect", "prepare"]
    assert record.samples[-1].shares[:2] == [100, 100]
    assert record.hosts["web2"].bytes_moved >= record.length > 0
    moved = {
        (record.exchange.names[row], record.exchange.names[column])
        for row, line in enumerate(record.exchange.sent)
        for column, count in enumerate(line)
        if count
    }
    assert moved == {("web1", "web2")}
    assert record.uploads["web1"] >= record.length
    assert record.digest[:12] in (fab.directory / "out.html").read_text()

    in_the_way.unlink()
    said = fab("web[1-3]", *wanted, "--retry-failed")
    assert "1 of 1 host" in said
    assert current(lab, "web3", app) == "releases/v1"
    assert arrived(lab, "web3", app, source) == []
    assert "there is nothing to do" in fab("web[1-3]", *wanted, "--retry-failed")

    table = fab("web1", "murder.history", "--destination-path", app).splitlines()
    assert [line.split()[1] for line in table] == ["task", "deploy", "deploy"]
    assert table[2].split()[0] == record.id
    shown = json.loads(fab("web1", "murder.show", record.id, "--json"))
    assert shown["details"]["record"] == json.loads(path.read_text())


def test_a_run_that_was_killed_is_the_one_that_is_tried_again(
    lab: rig.Lab, fab: Fab, app: str, source: Path, tmp_path: Path, slow_seeder: None
) -> None:
    """Row 11: the run before it had another tag, and a host that failed."""
    in_the_way = place(lab, "web3", app)
    in_the_way.write_text("no directory\n")
    wanted = ("--destination-path", app)
    fab("web[1-3]", "--files-path", str(source), *wanted, "--tag", "v1", "--allow-failures", "1", code=3)
    in_the_way.unlink()
    tree.generate(tmp_path / "build", 4_000_000, 20)
    running = fab.start("web[1-3]", "--files-path", "build", *wanted, "--tag", "v2")
    running.wait_for("upload")
    running.process.kill()
    running.end()
    first, killed = (RunRecord.from_json(path.read_bytes()) for path in records(fab))
    assert (first.tag, first.unfinished) == ("v1", ["web3"])
    assert (killed.tag, killed.unfinished, killed.exit_code) == ("v2", HOSTS, None)
    assert "not ended" in fab("web1", "murder.show", "last")
    assert [current(lab, host, app) for host in HOSTS] == ["releases/v1", "releases/v1", None]
    slow_down(lab, "web1", None)
    fab("web[1-3]", "--files-path", "build", *wanted, "--retry-failed")
    assert [arrived(lab, host, app, tmp_path / "build") for host in HOSTS] == [[]] * 3
    assert [path.name[:-5] for path in records(fab)][:2] == [first.id, killed.id]


def test_where_a_page_cannot_be_written_no_host_is_touched(
    fab: Fab, lab: rig.Lab, app: str, source: Path
) -> None:
    wanted = ("--files-path", str(source), "--destination-path", app, "--tag", "v1")
    assert "nothing can be written there" in fab("web1", *wanted, "--report", "none/out.html", code=2)
    assert not place(lab, "web1", app).exists()
    assert not (fab.directory / ".local").exists()


def test_the_status_of_a_run_is_seen_from_another_terminal(
    fab: Fab, app: str, tmp_path: Path, slow_seeder: None
) -> None:
    tree.generate(tmp_path / "build", 16_000_000, 20)
    running = fab.start("web[1-3]", "--files-path", "build", "--destination-path", app, "--tag", "v1")
    running.wait_for("upload")
    seen: list[str] = []

    def is_told() -> bool:
        seen.append(fab("web[1-4]", "murder.status"))
        return "v1 on 3 hosts" in seen[-1] and "left" in seen[-1]

    wait_until(is_told, PATIENCE, "the run is not told of")
    assert f"deploys to {app}" in seen[-1]
    assert "tracker on web1" in seen[-1]
    assert "nothing runs on web4 (1 host)" in seen[-1]
    running.interrupt()
    assert running.end() == 130


#: What a browser can say of the curves once it has laid them out; the page itself has no script.
MEASURE = """<script>
for (const line of document.querySelectorAll("#completion polyline")) {
  const box = line.getBoundingClientRect(), style = getComputedStyle(line);
  document.title += ` [${Math.round(box.width)} ${Math.round(box.height)} ${style.stroke}]`;
}
</script>"""


def shown_by_browser(page: Path) -> str:
    """Return the page as a real browser has it in the end; it must not have complained."""
    assert BROWSER is not None
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom")
    profile = f"--user-data-dir={page.parent}/profile"
    done = subprocess.run(
        [BROWSER, *flags, profile, f"file://{page}"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert ":CONSOLE" not in done.stderr
    return done.stdout


@pytest.mark.skipif(BROWSER is None, reason="chromium is not here")
def test_a_real_browser_shows_the_page_and_complains_of_nothing(tmp_path: Path) -> None:
    samples = [Sample(1.0, [0, 0]), Sample(2.0, [100, 40])]
    hosts = {"web1": HostRecord("switched", "", 1010), "web2": HostRecord("failed", "<b>no space</b>")}
    exchange = Exchange(["web1", "web2"], [[0, 5], [0, 0]])
    record = RunRecord(
        *(
            "20261122-063500-3f2a91c07be4",
            "deploy",
            "ann@desk",
            0.0,
            3.0,
            3,
            "web2 failed",
            "v1",
            "/srv/app",
            "ab" * 32,
        ),
        *(1010, ["web1"], hosts, {"web1": 5}, [StageRecord("swarm", 1.0, 1.5)], samples, exchange),
    )
    path = tmp_path / "out.html"
    write_page(record, str(path))
    said = shown_by_browser(path)
    figures = dict(re.findall(r'<dd id="([a-z]+)" data-value="([0-9.]+)">', said))
    kept = RunRecord.from_json(record.to_json())
    assert int(figures["moved"]) == kept.total("bytes_moved")
    assert int(figures["reused"]) == kept.total("bytes_reused")
    assert (int(figures["done"]), int(figures["failed"])) == (kept.count("switched"), len(kept.failed))
    assert "&lt;b&gt;no space" in said
    # The same without its refusal of scripts: the curves are as wide and high as there is something to tell.
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    path.write_text(policy.sub("", path.read_text()).replace("</body>", f"{MEASURE}</body>"))
    curves = re.findall(r"\[([0-9]+) ([0-9]+) (rgb\([0-9, ]+\))\]", shown_by_browser(path))
    assert len(curves) == len({colour for _, _, colour in curves}) == 2
    assert all(int(width) > 100 and int(height) > 20 for width, height, _ in curves)
