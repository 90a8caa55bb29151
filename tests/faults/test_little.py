"""Rows 33, 40, 86 and 90: agents with a bad or slow disk, little memory, few threads."""

from __future__ import annotations

import re
import shutil
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from extent import long
from programs import Program
from swarm import PEERS, Swarm, group

from lab import rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]
#: What each write takes on the slow disk, in microseconds: some 50 kB a second with pieces of 16 KiB, so that
#: the others have long finished, on a busy machine too.
WRITE = 300_000


def completed(peer: Program) -> bool:
    """Tell whether a peer has said that it has everything."""
    return any(event["event"] == "completed" for event in peer.events)


def most_memory(program: Program) -> int:
    """Return the most bytes of a process that were in memory at any time."""
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) << 10


with_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not here")


@long
@with_strace
def test_row_33_a_file_that_cannot_be_closed_fails_its_host_in_a_sentence(calm):
    """Until what was written is on the disk; a disk far away may say so late (NFS)."""
    calm.start_tracker()
    calm.start_seeder()
    bad, *others = PEERS
    file = calm.home(bad) / "app/big"
    disk = ("strace", "-f", "-qq", "-o", "/dev/null", "-P", str(file), "-e", "trace=close")
    peer = calm.start_peer(bad, *disk, "-e", "inject=close:error=EIO")
    for host in others:
        calm.start_peer(host)
    assert peer.wait() == 3, peer.told()
    assert peer.err == f"murder-agent peer: Input/output error: {file}\n"
    calm.must_complete(*others)


@long
@with_strace
def test_row_40_a_slow_disk_is_slow_for_its_host_alone(calm):
    calm.start_tracker()
    calm.start_seeder()
    slow, *others = PEERS
    calls = "pwrite64,pwritev,pwritev2"
    disk = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}")
    calm.start_peer(slow, *disk, "-e", f"inject={calls}:delay_enter={WRITE}")
    for host in others:
        calm.start_peer(host)
    calm.must_complete(*others)
    assert not completed(calm.peers[slow])
    calm.must_complete(slow, patience=300)


@long
def test_row_86_a_peer_does_with_96_megabytes_for_a_tree_of_200(lab, programs, tmp_path):
    """As fast as it can, and gives on what another asks for; pages of files in the kernel count too."""
    swarm = Swarm(lab, programs, tmp_path / "swarm", 220_000_000, rate=None)
    assert swarm.info.geometry.length > 200_000_000
    swarm.start_tracker()
    swarm.start_seeder()
    with group("memory", memory__limit_in_bytes="96M") as small:
        peer = swarm.start_peer("web3", *small.prefix)
        swarm.start_peer("web4")
        swarm.must_complete(patience=180)
        assert peer.process.poll() is None
        assert most_memory(peer) < 64 << 20


@long
def test_row_86_a_tracker_of_a_thousand_does_with_128_megabytes(calm):
    with group("memory", memory__limit_in_bytes="128M") as small:
        tracker = calm.start_tracker(prefix=small.prefix)
        for number in range(1000):
            query = {
                "peer_id": b"-XX0000-%012d" % number,
                "port": 1024 + number,
                "info_hash": calm.info.info_hash,
            }
            amounts = {"uploaded": 0, "downloaded": 0, "left": 1, "compact": 1}
            url = f"{calm.announce}?{urllib.parse.urlencode({**query, **amounts})}"
            with urllib.request.urlopen(url, timeout=30) as answer:
                said = answer.read()
        assert b"10:incompletei1000e" in said
        calm.start_seeder()
        calm.start_peer(PEERS[0])
        calm.must_complete()
        assert tracker.process.poll() is None
        assert most_memory(tracker) < 128 << 20


@long
def test_row_90_where_no_second_thread_may_be_it_is_said(calm):
    calm.start_tracker()
    calm.start_seeder()
    with group("pids", pids__max="1") as alone:
        peer = calm.start_peer(PEERS[0], *alone.prefix)
        assert peer.wait() == 3, peer.told()
    assert "this process may not have another thread" in peer.err
    assert peer.err.count("\n") == 1


@long
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_row_90_a_peer_does_with_few_threads(calm, threads):
    calm.start_tracker()
    calm.start_seeder()
    with group("pids", pids__max=str(threads)) as alone:
        peer = calm.start_peer(PEERS[0], *alone.prefix)
        calm.must_complete()
    assert "Traceback" not in peer.err
