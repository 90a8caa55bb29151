"""Trees that odd torrents name, written below a directory: all of that is there, and nothing beside it."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from bencoded import TORRENTS, info, torrent_of
from bounded import patient
from hypothesis import given
from hypothesis import strategies as st
from test_bencoded import names, trees

from murder_fabric.errors import MetainfoError, StorageError
from murder_fabric.metainfo.parsing import parse_metainfo
from murder_fabric.storage.payload import Payload

odd_names = names | st.sampled_from([b".", b"../x", b"/x"])
leading_up = st.builds(lambda above, name: [b".."] * above + [name], st.integers(0, 2), names)
entries = st.fixed_dictionaries({
    "length": st.integers(0, 2000),
    "path": leading_up | st.lists(odd_names, min_size=1, max_size=3),
})  # fmt: skip


@st.composite
def odd_torrents(draw):
    """Draw a torrent of which paths may lead anywhere."""
    files = draw(st.lists(entries, min_size=1, max_size=3))
    pieces = -(-sum(file["length"] for file in files) // 1024)
    return info(files=files, length=None, pieces=b"p" * 20 * pieces)


def write(wanted, root, content, order):
    """Write *content* piece by piece, as peers bring them, and finish the tree."""
    payload = Payload(wanted, os.fsencode(root))
    try:
        payload.prepare()
        for index in order.sample(range(wanted.geometry.piece_count), wanted.geometry.piece_count):
            start = index * wanted.piece_length
            payload.write(index, 0, content[start : start + wanted.geometry.piece_size(index)])
        payload.finish()
    finally:
        payload.close()


@patient
@given(trees, st.randoms(use_true_random=False))
def test_a_tree_arrives_with_every_path_byte_and_mode(tree, order):
    wanted = torrent_of(tree).info
    content = b"".join(tree[entry.path][0] for entry in wanted.files)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root"
        write(wanted, root, content, order)
        found = {}
        for where, _, files in os.walk(os.fsencode(root)):
            for path in (os.path.join(where, name) for name in files):
                mode = stat.S_IMODE(os.lstat(path).st_mode)
                os.chmod(path, 0o600)  # or only root may read it
                with open(path, "rb") as file:
                    found[tuple(os.path.relpath(path, os.fsencode(root)).split(b"/"))] = file.read(), mode
        assert found == tree
        assert os.listdir(place) == ["root"]


@patient
@given(odd_torrents() | st.sampled_from(TORRENTS), st.randoms(use_true_random=False))
def test_whatever_torrent_is_taken_writes_nothing_beside_its_tree(data, order):
    try:
        wanted = parse_metainfo(data).info
    except MetainfoError:
        return
    with tempfile.TemporaryDirectory() as place:
        above = Path(place) / "a/b/c"
        above.mkdir(parents=True)
        with contextlib.suppress(StorageError):  # a name may be too long for the file system
            write(wanted, above / "root", bytes(wanted.geometry.length), order)
        beside = [
            [*inner, *files]
            for where, inner, files in os.walk(place)
            if Path(where) in (above, *above.parents)
        ]
        assert beside == [["a"], ["b"], ["c"], ["root"]]
