"""What of generated torrents we take and libtorrent does not, and the reverse."""

from __future__ import annotations

import pytest
from bencoded import torrent_of
from bounded import patient
from hypothesis import given, note
from test_bencoded import changed, trees

from murder_fabric.errors import MetainfoError
from murder_fabric.metainfo.parsing import parse_metainfo

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
libtorrent = pytest.importorskip("libtorrent", reason="libtorrent is not installed: pip install libtorrent")


def taken_by_libtorrent(data):
    try:
        return libtorrent.torrent_info(libtorrent.bdecode(data))
    except (RuntimeError, ValueError, TypeError):
        return None


@patient
@given(trees)
def test_both_see_the_same_files_in_a_torrent_of_ours(tree):
    metainfo = torrent_of(tree)
    found = taken_by_libtorrent(metainfo.encode())
    if not metainfo.info.geometry.length:
        return  # libtorrent takes no torrent without a byte
    assert found is not None
    assert found.info_hash().to_bytes() == metainfo.info.info_hash
    sizes = [found.files().file_size(index) for index in range(found.files().num_files())]
    assert sizes == [entry.length for entry in metainfo.info.files]


@patient
@given(changed(trees))
def test_nothing_that_is_unsafe_is_taken_by_us_and_refused_by_libtorrent(data):
    """
    What libtorrent refuses and we take holds no byte, or differs in what only we read.

    Names that it changes (`..`, slashes, bytes that are no UTF-8) we refuse, or keep byte for byte.
    """
    try:
        ours = parse_metainfo(data)
    except MetainfoError:
        return
    theirs = taken_by_libtorrent(data)
    note(f"{data[:400]!r}")
    if theirs is None:
        assert ours.info.geometry.length == 0
        return
    assert theirs.info_hash().to_bytes() == ours.info.info_hash
    assert theirs.total_size() == ours.info.geometry.length
    assert theirs.num_pieces() == ours.info.geometry.piece_count
