"""Row 62: a torrent of as many files as one may name, and of one more."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from extent import long
from programs import REPOSITORY

from murder_fabric.metainfo.parsing import MOST_FILES

#: What a process may have for it, in bytes; a peer that reads one has the swarm beside it.
MEMORY = 1 << 30
READ = f"""\
import resource, sys
from murder_fabric.errors import MetainfoError
from murder_fabric.metainfo.parsing import parse_metainfo
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
with open(sys.argv[1], "rb") as file:
    data = file.read()
try:
    print(len(parse_metainfo(data).info.files))
except MetainfoError as error:
    print(error)
"""


def torrent_of(count: int) -> bytes:
    """Return a torrent of so many files of a byte each, in a hundred directories."""
    entry = b"d6:lengthi1e4:pathl3:d%02d7:%07dee"
    files = b"".join(entry % (number // 10_001, number) for number in range(count))
    pieces = bytes(20 * -(-count // 65536))
    info = b"d5:filesl%be4:name3:app12:piece lengthi65536e6:pieces%d:%be" % (files, len(pieces), pieces)
    return b"d4:info%be" % info


@long
@pytest.mark.parametrize(
    ("count", "said"),
    [
        (MOST_FILES, f"{MOST_FILES}\n"),
        (
            MOST_FILES + 1,
            f"this is not a usable torrent: info files names {MOST_FILES + 1} files, and {MOST_FILES} is the"
            " most\n",
        ),
    ],
)
def test_row_62_a_million_files_are_taken_and_one_more_is_refused(tmp_path: Path, count: int, said: str):
    (tmp_path / "many.torrent").write_bytes(torrent_of(count))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", READ, str(tmp_path / "many.torrent")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.stdout, done.stderr) == (said, "")
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 40
