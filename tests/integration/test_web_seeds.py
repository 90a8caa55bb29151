"""Web seeds (BEP 19): agents fetch from HTTP origins, alone and in a swarm, and drop the bad ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from origins import NGINX, Nginx, serving
from programs import Program, Programs, create, make_tree, snapshot

from murder_fabric.bencoding import decode, encode

SIZE = 3_000_000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a name, and a name in it, that must be quoted."""
    tree = make_tree(tmp_path / "www" / "an app", SIZE)
    (tree / "a" / "50% & more?.txt").write_bytes(b"quoted" * 1000)
    return tree


@pytest.fixture
def torrent(tree: Path, tmp_path: Path) -> Path:
    create(tree, tmp_path / "torrent", "--piece-length", "65536")
    return tmp_path / "torrent"


def alone(programs: Programs, torrent: Path, place: Path, *urls: str, address: str = "127.0.0.3") -> Program:
    """Start a peer that knows no tracker."""
    seeds = [word for url in urls for word in ("--web-seed", url)]
    where = ("--listen", f"{address}:0", "--seed-for", "0")
    return programs.agent("peer", torrent, place, *where, *seeds)


def test_an_origin_does_a_seeders_job(programs: Programs, tree: Path, torrent: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "www") as origin:
        peer = alone(programs, torrent, tmp_path / "here", origin.url)
        done = peer.event("completed")
        assert peer.wait() == 0
    assert snapshot(tmp_path / "here/an app") == snapshot(tree)
    assert done["bytes_of_web_seeds"] == done["bytes_downloaded"] == origin.sent
    assert any(path.startswith("/an%20app/a/50%25%20%26%20more%3F.txt") for path in origin.asked)


def test_a_torrent_says_itself_where_its_files_are(
    programs: Programs, tree: Path, torrent: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "www") as origin:
        top = {**decode(torrent.read_bytes(), 1 << 24), b"url-list": [b"ftp://none/", origin.url.encode()]}
        torrent.write_bytes(encode(top))
        assert alone(programs, torrent, tmp_path / "here").wait() == 0
    assert snapshot(tmp_path / "here/an app") == snapshot(tree)


def test_hosts_share_what_one_of_them_got_from_the_origin(
    programs: Programs, tree: Path, torrent: Path, tmp_path: Path
) -> None:
    tracker = programs.tracker()
    with serving(tmp_path / "www") as origin:
        peers = [
            programs.peer(
                torrent,
                tmp_path / f"host{number}",
                tracker,
                "--web-seed",
                origin.url,
                "--seed-for",
                "20",
                address=f"127.0.0.{number}",
            )
            for number in (3, 4, 5, 6)
        ]
        done = [peer.event("completed") for peer in peers]
        sent = origin.sent
    for number in (3, 4, 5, 6):
        assert snapshot(tmp_path / f"host{number}/an app") == snapshot(tree)
    # What a host asked the origin for and then had from another host first may lie unread.
    assert 0 < sum(one["bytes_of_web_seeds"] for one in done) <= sent
    assert sent < 3.5 * SIZE, "the origin sent each host its own copy"


def test_a_single_file_lies_at_the_url_itself(programs: Programs, tree: Path, tmp_path: Path) -> None:
    create(tree / "big", tmp_path / "one", "--piece-length", "65536")
    with serving(tmp_path / "www") as origin:
        url = f"{origin.url}an%20app/big?signature=a%2Fb"
        assert alone(programs, tmp_path / "one", tmp_path / "here", url).wait() == 0
    assert (tmp_path / "here/big").read_bytes() == (tree / "big").read_bytes()
    assert set(origin.asked) == {"/an%20app/big?signature=a%2Fb"}


def test_an_origin_that_is_busy_is_asked_again(
    programs: Programs, tree: Path, torrent: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "www", "busy") as origin:
        assert alone(programs, torrent, tmp_path / "here", origin.url).wait() == 0
    assert snapshot(tmp_path / "here/an app") == snapshot(tree)


@pytest.mark.parametrize("fault", ["lie", "stall", "die", "whole", "elsewhere", "absent"])
def test_an_origin_that_is_no_good_is_dropped_and_another_one_serves(
    programs: Programs, tree: Path, torrent: Path, tmp_path: Path, fault: str
) -> None:
    root = tmp_path if fault == "absent" else tmp_path / "www"
    with serving(root, fault) as bad, serving(tmp_path / "www") as good:
        peer = alone(programs, torrent, tmp_path / "here", bad.url, good.url)
        assert peer.wait() == 0
        assert 0 < len(bad.asked) <= 8
    assert snapshot(tmp_path / "here/an app") == snapshot(tree)


def test_with_nothing_but_a_liar_it_ends_with_the_reason(
    programs: Programs, torrent: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "www", "lie") as origin:
        peer = alone(programs, torrent, tmp_path / "here", origin.url)
        assert peer.wait(100) == 3
    reason = peer.events[-1]["reason"]
    assert "the web seed http://127.0.0.9" in reason
    assert "pieces did not match their hashes" in reason


@pytest.fixture
def nginx(tmp_path: Path, tree: Path) -> Iterator[Nginx]:
    """A real nginx that asks for a key in the query."""
    if NGINX is None:
        pytest.skip("needs nginx (Debian: nginx-light)")
    tmp_path.chmod(0o755)
    server = Nginx(tmp_path / "nginx", tmp_path / "www")
    yield server
    server.end()


def test_nginx_serves_a_tree(
    programs: Programs, tree: Path, torrent: Path, tmp_path: Path, nginx: Nginx
) -> None:
    peer = alone(programs, torrent, tmp_path / "here", nginx.url)
    assert peer.wait() == 0, peer.told()
    assert snapshot(tmp_path / "here/an app") == snapshot(tree)
    lines = nginx.log.read_text().splitlines()
    assert len(lines) > 40
    assert {line.split('"')[2].split()[0] for line in lines} == {"206"}


def test_a_wrong_signature_is_not_served_and_not_shown(
    programs: Programs, torrent: Path, tmp_path: Path, tree: Path, nginx: Nginx
) -> None:
    with serving(tmp_path / "www") as good:
        peer = alone(programs, torrent, tmp_path / "here", nginx.url.replace("s3cr", "wrong"), good.url)
        assert peer.wait() == 0
    assert "wrong" not in peer.out + peer.err
    assert snapshot(tmp_path / "here/an app") == snapshot(tree)
