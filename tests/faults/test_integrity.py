"""Rows 66 and 67: one byte is changed somewhere, or a record of something else is in the place of one."""

from __future__ import annotations

import json
import os
import random
import shutil

import pytest
from extent import so_many
from host_life import V1, V2, HostLife, copy_of, write_tree

from murder_fabric import control
from murder_fabric.agent.destination import Destination
from murder_fabric.agent.drift import drift_of, kept_torrent
from murder_fabric.agent.removal import remove_tree
from murder_fabric.agent.staging import stage, store, verify_staged
from murder_fabric.errors import MurderError, StorageError, VerifyError
from murder_fabric.storage.payload import Payload

#: Text for people in a receipt; nothing is decided by it.
SHOWN_ONLY = {"verified", "length"}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A host with the release v1, as it is copied for each change."""
    place = tmp_path_factory.mktemp("integrity")
    trees = {tag: write_tree(place / tag, files) for tag, files in (("v1", V1), ("v2", V2))}
    life = HostLife(place / "app", trees)
    life.deploy("v1")
    copy_of(life.app, place / "before")
    yield life
    for tree in place.iterdir():
        remove_tree(str(tree))


def changed(data: bytes, rng: random.Random) -> bytes:
    """Return *data* with one byte of it another one."""
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ rng.randrange(1, 256)]) + data[at + 1 :]


def change_file(root, rng):
    """Change one byte in a file below *root*; size and time stay as they were."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    path = rng.choice([path for path in files if path.stat().st_size])
    status = path.stat()
    copy = changed(path.read_bytes(), rng)
    path.unlink()  # it may be a link to a file of another release, which stays as it is
    path.write_bytes(copy)
    path.chmod(status.st_mode & 0o7777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def in_the_torrent(life, rng):
    digest = life.torrents["v2"].info.digest.hex()
    # What is outside `info`, as the dates of files, is outside the digest too.
    whole = life.torrents["v2"].encode()
    info = life.torrents["v2"].info.raw
    at = whole.index(info)
    torrent = whole[:at] + changed(info, rng) + whole[at + len(info) :]
    with pytest.raises(MurderError):
        stage(control.Stage("v2", digest, str(life.app)), torrent)


def in_a_piece_on_its_way(life, rng):
    staged = life.stage("v2")
    origin = Payload(staged.metainfo.info, str(life.trees["v2"]))
    index = rng.choice(list(staged.holdings.pieces.missing()))
    data = b"".join(origin.read(index, *part) for part in staged.holdings.lacking(index))
    origin.close()
    assert not store(staged, index, changed(data, rng))
    assert index in staged.holdings.pieces.missing()
    staged.payload.close()


def in_what_a_killed_run_left(life, rng):
    staged = life.stage("v2")
    life.fill(staged, "v2")
    staged.payload.close()
    change_file(life.app / ".murder/staging/v2", rng)
    staged = life.stage("v2")
    # What an older release has needs no second fetch, so that the file is right again already.
    assert life.fill(staged, "v2") or staged.reused.bytes_of
    verify_staged(staged, control.Verify("v2", ["log"]))
    staged.payload.close()
    life.duty(control.Switch(str(life.app), "v2"))
    assert life.current() == "v2"


def before_the_last_look(life, rng):
    staged = life.stage("v2")
    life.fill(staged, "v2")
    change_file(life.app / ".murder/staging/v2", rng)
    with pytest.raises(VerifyError, match="does not hold the bytes that it should"):
        verify_staged(staged, control.Verify("v2", ["log"]))
    staged.payload.close()
    with pytest.raises(StorageError, match="was not verified"):
        life.duty(control.Switch(str(life.app), "v2"))


def in_a_former_release(life, rng):
    """What was changed there is not taken over, and never hidden."""
    change_file(life.app / "releases/v1", rng)
    assert drift_of(Destination(str(life.app)), "v1").faults
    life.deploy("v2")
    assert life.current() == "v2"


def in_the_release_itself(life, rng):
    change_file(life.app / "releases/v1", rng)
    (fault,) = drift_of(Destination(str(life.app)), "v1").faults
    assert fault.endswith(("does not hold the bytes that it should", "does not say what was deployed"))
    with pytest.raises(MurderError):
        life.deploy("v1")


def in_the_kept_torrent(life, rng):
    path = life.app / ".murder/torrents/v1"
    info = life.torrents["v1"].info.raw
    whole = path.read_bytes()
    at = whole.index(info)
    path.write_bytes(whole[:at] + changed(info, rng) + whole[at + len(info) :])
    with pytest.raises(StorageError, match="is lost"):
        kept_torrent(Destination(str(life.app)), "v1")


def in_the_receipt(life, rng):
    path = life.app / ".murder/receipts/v1"
    true, whole = json.loads(path.read_text()), path.read_bytes()
    while True:
        path.write_bytes(changed(whole, rng))
        try:
            record = json.loads(path.read_bytes())
        except ValueError:
            break
        # One that names no destination is as an older agent's: the release is read again.
        passed_over = SHOWN_ONLY | ({"destination"} - set(record))
        if not isinstance(record, dict) or {k for k in true if record.get(k) != true[k]} - passed_over:
            break
    with pytest.raises(MurderError):
        life.deploy("v1")


PLACES = [
    in_the_torrent,
    in_a_piece_on_its_way,
    in_what_a_killed_run_left,
    before_the_last_look,
    in_a_former_release,
    in_the_release_itself,
    in_the_kept_torrent,
    in_the_receipt,
]


@pytest.mark.parametrize("where", PLACES, ids=lambda where: where.__name__)
def test_row_66_one_byte_is_changed(host, where):
    for seed in range(so_many(6, 125)):
        copy_of(host.app.with_name("before"), host.app)
        where(host, random.Random(seed))
        assert Destination(str(host.app)).current() in ("v1", "v2"), seed
        if where not in (in_a_former_release, in_the_release_itself, in_the_receipt):
            host.current()  # reads it again


def test_row_67_a_receipt_of_another_release_is_none(host):
    copy_of(host.app.with_name("before"), host.app)
    own = host.app / ".murder"
    write_tree(host.app / "releases/v2", V1)
    shutil.copy(own / "receipts/v1", own / "receipts/v2")
    with pytest.raises(StorageError, match="is not a release of ours"):
        host.deploy("v2")
    with pytest.raises(StorageError, match="not a release of ours"):
        host.duty(control.Switch(str(host.app), "v2"))
    assert host.current() == "v1"


def test_row_67_a_receipt_of_another_host_is_none(host, tmp_path):
    copy_of(host.app.with_name("before"), host.app)
    away = HostLife(tmp_path / "away", host.trees)
    away.deploy("v2")
    (host.app / "releases/v2").mkdir()
    (host.app / "releases/v2/junk").write_text("never verified here")
    for record in ("receipts/v2", "torrents/v2"):
        shutil.copy(away.app / ".murder" / record, host.app / ".murder" / record)
    for attempt in (lambda: host.deploy("v2"), lambda: host.duty(control.Switch(str(host.app), "v2"))):
        with pytest.raises(StorageError, match="is there already and is not a release of ours"):
            attempt()
    assert host.current() == "v1"
    assert os.listdir(host.app / "releases/v2") == ["junk"]
    remove_tree(str(tmp_path))


@pytest.mark.parametrize("lost", ["its id", "the receipt's"])
def test_row_67_a_receipt_that_may_be_another_hosts_counts_once_the_release_was_read_again(host, lost):
    """As one of an agent that wrote no ids; it says then that it was verified here."""
    copy_of(host.app.with_name("before"), host.app)
    host.deploy("v2")
    host.duty(control.Switch(str(host.app), "v1"))
    own = host.app / ".murder"
    (own / "history").unlink()  # what was current here may be so again, whatever its receipt says
    if lost == "its id":
        (own / "id").unlink()
    else:
        record = json.loads((own / "receipts/v2").read_text())
        del record["destination"]
        (own / "receipts/v2").write_text(json.dumps(record))
    copy_of(host.app, host.app.with_name("unbound"))
    change_file(host.app / "releases/v2", random.Random(67))
    with pytest.raises(StorageError, match=r"does not say that it was verified here, and .* does not "):
        host.duty(control.Switch(str(host.app), "v2"))
    assert Destination(str(host.app)).current() == "v1"
    copy_of(host.app.with_name("unbound"), host.app)
    for deploys in (False, True):
        copy_of(host.app.with_name("unbound"), host.app)
        assert not Destination(str(host.app)).receipts.is_bound("v2")
        if deploys:
            host.deploy("v2")
        else:
            host.duty(control.Switch(str(host.app), "v2"))
        assert Destination(str(host.app)).receipts.is_bound("v2")
        assert host.current() == "v2"


def test_row_67_an_old_torrent_under_a_new_tag_is_not_what_was_announced(host):
    copy_of(host.app.with_name("before"), host.app)
    digest = host.torrents["v2"].info.digest.hex()
    with pytest.raises(MurderError, match="not the one that was announced; nothing was changed"):
        stage(control.Stage("v2", digest, str(host.app)), host.torrents["v1"].encode())
    assert not (host.app / ".murder/staging/v2").exists()
