"""The time that is spent waiting for the disk, on a disk that takes as long as the test says."""

from __future__ import annotations

import pytest

from murder_fabric.agent import disk_wait
from murder_fabric.agent.disk_wait import TimedStorage
from murder_fabric.errors import StorageError


class SlowDisk:
    """Takes two seconds for a write and three for a read, and fails past piece 8."""

    def __init__(self):
        self.now = 10.0
        self.written = []

    def write(self, index, begin, data):
        self.now += 2.0
        if index > 8:
            raise StorageError("no space left")
        self.written.append((index, begin, bytes(data)))

    def read(self, index, begin, length):
        self.now += 3.0
        return b"x" * length


@pytest.fixture
def disk(monkeypatch):
    disk = SlowDisk()
    monkeypatch.setattr(disk_wait.time, "monotonic", lambda: disk.now)
    return disk


def test_reads_and_writes_are_passed_on_and_add_up(disk):
    storage = TimedStorage(disk)
    storage.write(1, 4, memoryview(b"abc"))
    assert storage.read(1, 0, 2) == b"xx"
    assert disk.written == [(1, 4, b"abc")]
    assert storage.seconds == 5.0


def test_a_write_that_fails_was_waited_for_too(disk):
    storage = TimedStorage(disk)
    with pytest.raises(StorageError):
        storage.write(9, 0, memoryview(b"abc"))
    assert storage.seconds == 2.0
