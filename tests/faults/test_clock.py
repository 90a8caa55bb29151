"""Row 88: somebody sets the clocks of all hosts while a release is deployed to them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from deploying import arrived, place
from extent import long

from lab import rig

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
    pytest.mark.skipif(not LIBRARIES, reason="libfaketime (Debian: faketime) is not here"),
]

HOSTS = ("web1", "web2", "web3")
#: What the clock is set to as each stage of a deploy ends, as libfaketime has it: an hour and a day, on and
#: back, and a little before 32 bits of seconds are over.
CLOCKS = {
    "connect": "+1h",
    "prepare": "-1h",
    "stage": "-1d",
    "upload": "@2038-01-19 03:14:07",
    "swarm": "+1d",
    "verify": "-1h",
}
#: The interpreter of the agents: it reads what time it is in a file, each time that it is asked.
PYTHON = """\
#!/bin/sh
export LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={clock} FAKETIME_NO_CACHE=1 NO_FAKE_STAT=1
export FAKETIME_DONT_FAKE_MONOTONIC=1
exec {python} "$@"
"""


@long
@pytest.mark.usefixtures("slow_seeder")
def test_row_88_clocks_that_are_set_while_a_release_is_deployed_change_nothing(
    lab, fab, app, source, tmp_path
):
    """With libfaketime, be it on the true time, threads of CPython may wait for seconds: nothing is timed."""
    clock, python = tmp_path / "clock", tmp_path / "python3"
    clock.write_text("+0\n")
    python.write_text(PYTHON.format(library=LIBRARIES[0], clock=clock, python=lab.python))
    python.chmod(0o755)
    fab.environment["FABRIC_MURDER_PYTHON"] = str(python)
    running = fab.start("web[1-3]", "--files-path", str(source), "--destination-path", app, "--tag", "v1")
    for stage, time in CLOCKS.items():
        running.wait_for(stage)
        clock.write_text(f"{time}\n")
    assert running.end() == 0, str(running)
    assert [arrived(lab, host, app, source) for host in HOSTS] == [[]] * 3
    for host in HOSTS:  # it was another time there indeed
        receipt = json.loads((place(lab, host, app) / ".murder/receipts/v1").read_text())
        verified = datetime.strptime(receipt["verified"], "%Y-%m-%d %H:%M:%S %z")
        assert abs(verified - datetime.now(timezone.utc)) > timedelta(minutes=30)
