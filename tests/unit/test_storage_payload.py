"""Pieces into files: what is created, what is never touched, what the disk's refusals become."""

from __future__ import annotations

import errno
import os
import pathlib
import resource
import stat

import pytest
from feeding import add_file
from vanishing import vanishes_once_listed

from murder_fabric.bencoding import encode
from murder_fabric.errors import StorageError
from murder_fabric.metainfo.building import InfoBuilder
from murder_fabric.metainfo.parsing import parse_metainfo
from murder_fabric.metainfo.values import Info
from murder_fabric.storage import directories, durability, open_files
from murder_fabric.storage.directories import Directories
from murder_fabric.storage.payload import Payload

PIECE = 1024
CONTENT = bytes(range(256)) * 11


def release() -> Info:
    """Return a tree of 2,816 bytes in two files, with all that a tree may hold."""
    builder = InfoBuilder(b"app", PIECE)
    builder.add_directory((), 0o750)
    builder.add_directory((b"bin",), 0o555)
    builder.add_directory((b"empty",), 0o700)
    add_file(builder, (b"bin", b"run"), 0o555, CONTENT[:1500])
    add_file(builder, (b"data",), 0o440, CONTENT[1500:])
    builder.add_link((b"link",), b"bin/./run")
    add_file(builder, (b"none",), 0o644)
    return builder.build()


def stock(*files: dict[bytes, object], **info: object) -> Info:
    fields = {b"name": b"app", b"piece length": PIECE, b"pieces": b"h" * 60}
    fields.update({b"files": list(files)} if files else {})  # type: ignore[dict-item]
    fields.update({key.encode(): value for key, value in info.items()})  # type: ignore[misc]
    return parse_metainfo(encode({b"info": fields})).info


def fill(payload: Payload, info: Info) -> None:
    for index in range(info.geometry.piece_count):
        start = index * PIECE
        payload.write(index, 0, CONTENT[start : start + info.geometry.piece_size(index)])


def mode(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "releases" / "app"


def test_pieces_become_a_tree_with_its_modes_links_and_times(root: pathlib.Path) -> None:
    info = release()
    payload = Payload(info, str(root))
    payload.prepare()
    assert mode(root) == 0o700
    fill(payload, info)
    assert mode(root / "data") == 0o600
    payload.finish([1_000_000_001, 2, 3_000_000_000, 4])
    payload.sync()
    payload.close()

    assert (root / "bin" / "run").read_bytes() + (root / "data").read_bytes() == CONTENT
    assert (root / "none").read_bytes() == b""
    assert os.readlink(root / "link") == "bin/./run"
    assert [mode(root / name) for name in ("", "bin", "empty", "bin/run", "data", "none")] == (
        [0o750, 0o555, 0o700, 0o555, 0o440, 0o644]
    )
    found = [(root / name).lstat().st_mtime_ns for name in ("bin/run", "data", "link", "none")]
    assert found == [1_000_000_001, 2, 3_000_000_000, 4]


def test_a_block_may_come_in_any_parts_and_be_read_in_others(root: pathlib.Path) -> None:
    info = release()
    payload = Payload(info, str(root))
    payload.prepare()
    for start in range(0, PIECE, 100):
        payload.write(1, start, memoryview(CONTENT)[PIECE + start : PIECE + min(start + 100, PIECE)])
    assert payload.read(1, 3, 1000) == CONTENT[PIECE + 3 : PIECE + 1003]
    assert payload.present() == [1500, 548, 0, 0]
    with pytest.raises(IndexError):
        payload.write(1, 1, CONTENT[:PIECE])
    with pytest.raises(IndexError):
        payload.read(9, 0, 1)


def test_a_descriptor_serves_a_file_that_is_there(root: pathlib.Path) -> None:
    info = release()
    payload = Payload(info, os.fsencode(root))
    payload.prepare()
    fill(payload, info)
    assert os.pread(payload.descriptor(1), 10, 5) == CONTENT[1505:1515]


def test_a_directory_that_was_closed_is_opened_for_what_comes_later(root: pathlib.Path) -> None:
    directories, path, there = Directories(str(root)), (b"a", b"b"), root / "a" / "b"
    directories.make_root(0o700)
    for _ in range(2):
        directories.make(path)
        assert mode(there) == 0o700
        directories.set_mode(path, 0o555)
        directories.open(path)
        assert mode(there) == 0o555
        directories.make(path)
        assert mode(there) == 0o755
        directories.close()
        there.chmod(0o500)


def test_what_lies_in_the_place_of_a_file_or_directory_is_none_of_its_bytes(root: pathlib.Path) -> None:
    info = release()
    payload = Payload(info, str(root))
    payload.prepare()
    fill(payload, info)
    first, second = (root.joinpath(*map(os.fsdecode, entry.path)) for entry in info.files[:2])
    lengths = [entry.length for entry in info.files]
    assert payload.present() == lengths
    second.rename(second.with_name("moved"))
    second.symlink_to("moved")
    assert payload.present() == [lengths[0], 0, *lengths[2:]]
    first.unlink()
    first.mkdir()
    assert payload.present() == [0, 0, *lengths[2:]]
    payload.close()
    root.rename(root.with_name("moved"))
    root.write_bytes(b"not a tree")
    assert payload.present() == [0, 0, 0, 0]


def test_what_lies_beside_the_files_is_not_looked_into(
    root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be what was left out of the torrent, and closed to everybody."""
    payload = Payload(release(), str(root))
    payload.prepare()
    fill(payload, release())
    (root / "lost+found").mkdir()
    (root / "bin" / "core.d").mkdir()
    opened, real = [], Directories.open

    def noted(directories: Directories, path: tuple[bytes, ...]) -> int:
        opened.append(path)
        return real(directories, path)

    monkeypatch.setattr(Directories, "open", noted)
    assert payload.present() == [entry.length for entry in release().files]
    assert (b"bin",) in opened
    assert {path[-1] for path in opened if path}.isdisjoint({b"lost+found", b"core.d"})


def test_a_file_that_goes_meanwhile_costs_no_other_file(
    root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = release()
    payload = Payload(info, str(root))
    payload.prepare()
    fill(payload, info)
    vanishes_once_listed(monkeypatch, root.joinpath(*map(os.fsdecode, info.files[0].path)))
    assert payload.present() == [0, *(entry.length for entry in info.files[1:])]


def test_nothing_is_created_by_looking(root: pathlib.Path) -> None:
    payload = Payload(release(), str(root))
    assert payload.present() == [0, 0, 0, 0]
    with pytest.raises(StorageError, match=r"No such file or directory: .*/releases/app/bin/run"):
        payload.read(0, 0, 1)
    assert not root.parent.exists()


def test_a_finished_tree_can_be_taken_up_again(root: pathlib.Path) -> None:
    info = release()
    for _ in range(2):
        payload = Payload(info, str(root))
        payload.prepare()
        fill(payload, info)
        payload.finish()
        payload.close()
    assert (root / "data").read_bytes() == CONTENT[1500:]
    assert [mode(root), mode(root / "bin"), mode(root / "data")] == [0o750, 0o555, 0o440]


def test_finishing_again_changes_nothing(root: pathlib.Path) -> None:
    info = release()
    payload = Payload(info, str(root))
    payload.prepare()
    fill(payload, info)
    payload.finish([5, 5, 5, 5])
    before = [(path, path.lstat().st_ctime_ns) for path in sorted(root.rglob("*")) if not path.is_symlink()]
    Payload(info, str(root)).finish([5, 5, 5, 5])
    assert [(path, path.lstat().st_ctime_ns) for path, _ in before] == before


def test_a_file_that_is_too_long_is_cut(root: pathlib.Path) -> None:
    root.mkdir(parents=True)
    for name in ("data", "none"):
        (root / name).write_bytes(b"x" * 5000)
    info = release()
    payload = Payload(info, str(root))
    payload.prepare()
    fill(payload, info)
    payload.finish()
    assert [(root / name).stat().st_size for name in ("data", "none")] == [len(CONTENT) - 1500, 0]


def test_a_file_that_is_too_short_is_not_finished(root: pathlib.Path) -> None:
    payload = Payload(release(), str(root))
    payload.prepare()
    payload.write(0, 0, b"x")
    with pytest.raises(StorageError, match=r"shorter than the torrent says: .*bin/run"):
        payload.finish()
    with pytest.raises(StorageError, match=r"shorter than the torrent says: .*bin/run"):
        payload.read(0, 0, 2)


def test_a_file_with_another_link_is_never_written_to(root: pathlib.Path) -> None:
    """What it shares its bytes with may be the live release; its good bytes must not get lost either."""
    info = release()
    live = root.parent / "live"
    live.mkdir(parents=True)
    (live / "data").write_bytes(CONTENT[1500:-4] + b"old!")
    (live / "data").chmod(0o640)
    root.mkdir()
    os.link(live / "data", root / "data")
    before = (live / "data").stat()
    payload = Payload(info, str(root))
    payload.prepare()
    assert payload.read(2, 0, 10) == CONTENT[2048:2058]
    payload.write(0, 0, CONTENT[:1024])
    payload.write(1, 0, CONTENT[1024:1500])
    payload.write(2, info.geometry.piece_size(2) - 4, CONTENT[-4:])
    payload.finish([1, 1, 1, 1])
    assert (root / "data").read_bytes() == CONTENT[1500:]
    assert (live / "data").read_bytes()[-4:] == b"old!"
    after = (live / "data").stat()
    assert (after.st_nlink, after.st_mtime_ns, after.st_mode) == (1, before.st_mtime_ns, before.st_mode)


def test_a_link_stays_only_where_mode_and_time_are_right_and_the_live_file_keeps_its_own(
    root: pathlib.Path,
) -> None:
    builder = InfoBuilder(b"app", PIECE)
    builder.add_directory((), 0o755)
    for name in (b"mode", b"right", b"time"):
        add_file(builder, (name,), 0o440, CONTENT[:100])
    live = root.parent / "live"
    live.mkdir(parents=True)
    root.mkdir()
    for name, bits, time in (("mode", 0o600, 7), ("right", 0o440, 7), ("time", 0o440, 8)):
        (live / name).write_bytes(CONTENT[:100])
        (live / name).chmod(bits)
        os.utime(live / name, ns=(time, time))
        os.link(live / name, root / name)
    before = [(live / name).stat() for name in ("mode", "right", "time")]
    payload = Payload(builder.build(), str(root))
    payload.finish([7, 7, 7])
    after = [(live / name).stat() for name in ("mode", "right", "time")]
    assert [s.st_nlink for s in after] == [1, 2, 1]
    assert [(s.st_mtime_ns, s.st_mode) for s in after] == [(s.st_mtime_ns, s.st_mode) for s in before]
    assert [mode(root / name) for name in ("mode", "right", "time")] == [0o440] * 3
    assert [(root / name).stat().st_mtime_ns for name in ("mode", "right", "time")] == [7] * 3
    assert [(root / name).read_bytes() for name in ("mode", "right", "time")] == [CONTENT[:100]] * 3


@pytest.mark.parametrize("name", ["data", "bin"])
def test_a_link_in_the_place_of_a_file_or_directory_is_not_followed(root: pathlib.Path, name: str) -> None:
    outside = root.parent / "outside"
    outside.mkdir(parents=True)
    (outside / "run").write_bytes(b"precious")
    root.mkdir()
    (root / name).symlink_to(outside if name == "bin" else outside / "run")
    payload = Payload(release(), str(root))
    piece = 0 if name == "bin" else 2
    for attempt in (lambda: payload.read(piece, 0, 1), lambda: payload.write(piece, 0, b"x")):
        with pytest.raises(StorageError, match=f"releases/app/{name}"):
            attempt()
    assert [path.name for path in outside.iterdir()] == ["run"]
    assert (outside / "run").read_bytes() == b"precious"


def test_a_fifo_in_the_place_of_a_file_neither_hangs_nor_is_replaced(root: pathlib.Path) -> None:
    root.mkdir(parents=True)
    os.mkfifo(root / "data")
    payload = Payload(release(), str(root))
    for attempt in (lambda: payload.read(2, 0, 1), lambda: payload.write(2, 0, b"x")):
        with pytest.raises(StorageError, match=r"in the place of a file: .*data"):
            attempt()
    assert stat.S_ISFIFO((root / "data").lstat().st_mode)


def test_a_wrong_link_is_replaced_and_a_file_in_its_place_is_not(root: pathlib.Path) -> None:
    info = release()
    payload = Payload(info, str(root))
    payload.prepare()
    fill(payload, info)
    (root / "link").symlink_to("elsewhere")
    payload.finish()
    assert os.readlink(root / "link") == "bin/./run"
    (root / "link").unlink()
    (root / "link").write_bytes(b"mine")
    with pytest.raises(StorageError, match=r"in the place of a link: .*/link"):
        payload.finish()
    assert (root / "link").read_bytes() == b"mine"


def test_a_stock_torrent_gets_ordinary_modes_and_no_padding(root: pathlib.Path) -> None:
    info = stock(
        {b"length": 1500, b"path": [b"deep", b"er", b"run"], b"attr": b"x"},
        {b"length": 548, b"path": [b".pad", b"548"], b"attr": b"p"},
        {b"length": 768, b"path": [b"data"]},
    )
    payload = Payload(info, str(root))
    payload.prepare()
    fill(payload, info)
    payload.finish()
    assert [mode(root / name) for name in ("deep", "deep/er", "deep/er/run", "data")] == (
        [0o755, 0o755, 0o755, 0o644]
    )
    assert not (root / ".pad").exists()
    assert (root / "data").read_bytes() == CONTENT[2048:]
    assert payload.read(1, 470, 10) == CONTENT[1494:1500] + bytes(4)


def test_a_single_file_lies_in_a_directory_that_is_not_ours(tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o750)
    info = stock(length=2816)
    payload = Payload(info, str(tmp_path))
    payload.prepare()
    fill(payload, info)
    payload.finish([7])
    assert (tmp_path / "app").read_bytes() == CONTENT
    assert (mode(tmp_path / "app"), mode(tmp_path)) == (0o644, 0o750)
    assert (tmp_path / "app").stat().st_mtime_ns == 7


def test_a_root_that_cannot_be_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"Not a directory: .*/file/app"):
        Payload(release(), str(tmp_path / "file" / "app")).prepare()


def test_a_full_disk_is_one_sentence_with_the_path(
    root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: memoryview, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    payload = Payload(release(), str(root))
    payload.prepare()
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageError, match=r"^No space left on device: .*/releases/app/bin/run$"):
        payload.write(0, 0, b"x")
    real = os.statvfs(root)
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((*real[:7], 0, *real[8:])))
    with pytest.raises(StorageError, match=r"^No inodes left on device: .*/releases/app/bin/run$"):
        payload.write(0, 0, b"x")


def test_what_the_kernel_takes_in_parts_arrives_whole(
    root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite, pread = os.pwrite, os.pread
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:100], offset))
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: pread(fd, min(length, 70), offset))
    info = release()
    payload = Payload(info, str(root))
    payload.prepare()
    fill(payload, info)
    assert payload.read(1, 0, PIECE) == CONTENT[PIECE : 2 * PIECE]


@pytest.mark.parametrize(
    ("allowed", "most"), [(8192, open_files.MOST_OPEN + directories.MOST_OPEN), (64, 8), (16, 4)]
)
def test_few_files_are_open_however_many_there_are(
    root: pathlib.Path, monkeypatch: pytest.MonkeyPatch, allowed: int, most: int
) -> None:
    """Row 85: as few as the kernel lets this process have, since connections need theirs too."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    files = [{b"length": 1, b"path": [b"d%d" % (n // 2), b"f%d" % n]} for n in range(400)]
    info = stock(*files, pieces=b"h" * 20)  # type: ignore[arg-type]
    payload = Payload(info, str(root))
    payload.prepare()
    before = len(os.listdir("/proc/self/fd"))
    payload.write(0, 0, CONTENT[:400])
    assert payload.read(0, 0, 400) == CONTENT[:400]
    opened = len(os.listdir("/proc/self/fd")) - before
    assert opened <= most + 1  # the root
    payload.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1


def test_a_path_as_deep_as_linux_takes_is_written_and_read(root: pathlib.Path) -> None:
    """Together with its root it is longer than PATH_MAX."""
    deep = [b"dddddd"] * 580 + [b"f"]
    info = stock({b"length": 3, b"path": deep}, pieces=b"h" * 20)
    payload = Payload(info, str(root))
    payload.prepare()
    payload.write(0, 0, b"abc")
    payload.finish()
    assert payload.read(0, 0, 3) == b"abc"
    payload.close()


@pytest.mark.parametrize("has_syncfs", [True, False])
def test_a_failure_to_reach_the_disk_is_never_silent(
    root: pathlib.Path, monkeypatch: pytest.MonkeyPatch, has_syncfs: bool
) -> None:
    def broken(descriptor: int) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    info = release()
    payload = Payload(info, str(root))
    payload.prepare()
    fill(payload, info)
    payload.finish()
    if has_syncfs:
        monkeypatch.setattr("murder_fabric.storage.payload.sync_file_system", broken)
    else:
        monkeypatch.setattr("murder_fabric.storage.payload.sync_file_system", lambda descriptor: False)
        payload.sync()
        monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StorageError, match="Input/output error"):
        payload.sync()


def test_what_the_disk_says_as_files_are_closed_in_the_end_comes_after_all_that_counts(
    root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 33: it ended a peer in a traceback. While pieces come it fails their host, as a write does."""
    close, refused = os.close, []

    def broken(descriptor: int) -> None:
        close(descriptor)
        if stat.S_ISREG(kinds.get(descriptor, 0)):
            refused.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    info = release()
    payload = Payload(info, str(root))
    payload.prepare()
    fill(payload, info)
    kinds = {int(name): mode_of(int(name)) for name in os.listdir("/proc/self/fd")}
    monkeypatch.setattr(os, "close", broken)
    payload.close()
    assert refused
    before = set(os.listdir("/proc/self/fd"))
    payload.close()
    assert set(os.listdir("/proc/self/fd")) == before


def mode_of(descriptor: int) -> int:
    """Return what kind of thing is open; 0 where it was closed meanwhile."""
    try:
        return os.fstat(descriptor).st_mode
    except OSError:
        return 0


def test_syncing_a_file_system_through_a_bad_descriptor_says_so() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        durability.sync_file_system(-1)
