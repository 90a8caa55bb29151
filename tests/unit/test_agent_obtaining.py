"""Where an agent gets the torrent of what it is to stage, and what it says where it cannot have it."""

from __future__ import annotations

import errno
import hashlib

import pytest
from test_http_client import Rig
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.python.failure import Failure

from murder_fabric import control
from murder_fabric.agent.host import Host
from murder_fabric.agent.obtaining import AGAIN_AFTER, obtain
from murder_fabric.tracker.http import format_response
from murder_fabric.tracker.keys import passkey, torrent_url

TORRENT, TOKEN = b"d4:infodee", b"0123456789abcdef"
URL = torrent_url("10.0.0.1", 8998, b"h" * 20, TOKEN)


def request(url=URL, torrent=TORRENT):
    sha256 = hashlib.sha256(torrent).hexdigest()
    offer = {"torrent_url": url, "torrent_sha256": sha256, "torrent_length": len(torrent), "patience": 6.0}
    return control.Stage("v1", "0" * 64, "/srv/app", **offer)


def test_a_torrent_that_is_attached_is_not_asked_for():
    rig = Rig()
    rig.start(obtain(rig.reactor, control.Stage("v1", "0" * 64, "/srv/app"), TORRENT))
    assert (rig.outcome, rig.dialled) == ([TORRENT], [])


def test_a_torrent_is_fetched_where_the_operator_says():
    rig = Rig()
    rig.start(obtain(rig.reactor, request(), b""))
    rig.answer(format_response(200, TORRENT))
    assert (rig.outcome, rig.dialled) == ([TORRENT], [("10.0.0.1", 8998)])


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (format_response(200, b"d4:infode1"), "what lies there is not what the operator means"),
        (format_response(200, TORRENT + b"e"), "the answer is longer than 10 bytes"),
        (format_response(404, b"not found"), "the answer is HTTP status 404"),
    ],
)
def test_another_torrent_than_the_operators_is_not_taken(answer, complaint):
    rig = Rig()
    rig.start(obtain(rig.reactor, request(), b""))
    rig.answer(answer)
    assert complaint in rig.failure
    assert passkey(TOKEN) not in rig.failure


def test_it_does_not_wait_for_longer_than_the_operator_says():
    rig = Rig()
    rig.start(obtain(rig.reactor, request(), b""))
    rig.reactor.advance(6.0)
    assert "no answer within 6 s" in rig.failure


BUSY = format_response(503, b"too many at once; come again\n")


def test_who_gives_it_to_others_just_now_is_asked_again():
    rig = Rig()
    rig.start(obtain(rig.reactor, request(), b""))
    rig.answer(BUSY)
    assert (rig.outcome, len(rig.dialled)) == ([], 1)
    rig.reactor.advance(AGAIN_AFTER)
    rig.answer(format_response(200, TORRENT))
    assert (rig.outcome, len(rig.dialled)) == ([TORRENT], 2)


def test_who_is_cut_off_asks_again():
    """Row 54: as happens to some of very many that come at once, maybe before they know that they came in."""
    rig = Rig()
    rig.start(obtain(rig.reactor, request(), b""))
    rig.connect()
    rig.close(ConnectionLost())
    rig.reactor.advance(AGAIN_AFTER)
    rig.reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(ConnectError(errno.ECONNRESET)))
    rig.reactor.advance(AGAIN_AFTER)
    rig.answer(format_response(200, TORRENT))
    assert (rig.outcome, len(rig.dialled)) == ([TORRENT], 3)


def test_who_is_refused_asks_no_more():
    rig = Rig()
    rig.start(obtain(rig.reactor, request(), b""))
    rig.refuse()
    assert "connection refused" in rig.failure


def test_it_is_asked_again_for_as_long_as_the_operator_says():
    rig = Rig()
    rig.start(obtain(rig.reactor, request(), b""))
    for _ in range(5):
        rig.answer(BUSY)
        rig.reactor.advance(AGAIN_AFTER)
    assert rig.outcome == []
    rig.answer(BUSY)
    assert "the answer is HTTP status 503" in rig.failure
    assert rig.reactor.getDelayedCalls() == []


@pytest.fixture
def staging():
    """A host that is fetching a torrent: the rig it does so on, itself, and what comes of the request."""
    rig, said = Rig(), []
    host = Host(rig.reactor, "10.0.0.2")
    Deferred.fromCoroutine(host.do(request(), b"", lambda event, fields: None)).addBoth(said.append)
    return rig, host, said


def test_a_host_that_cannot_have_it_says_why_and_changes_nothing(staging):
    rig, host, said = staging
    rig.refuse()
    assert said[0].fields["unfetched"] == "http://10.0.0.1:8998/.../.../...: connection refused"
    assert (said[0].fields["released"], said[0].fields["bytes_reused"], said[0].attached) == (False, {}, b"")
    assert host.idle


def test_it_is_asked_for_from_the_address_that_the_tracker_lets_in():
    rig = Rig()
    host = Host(rig.reactor, "10.0.0.2")
    Deferred.fromCoroutine(host.do(control.Locate(), b"", lambda event, fields: None))
    Deferred.fromCoroutine(host.do(request(), b"", lambda event, fields: None))
    assert rig.reactor.tcpClients[-1][4] == ("10.0.0.2", 0)


def test_a_host_that_ends_meanwhile_stages_nothing(staging):
    rig, host, said = staging
    Deferred.fromCoroutine(host.stop())
    rig.answer(format_response(200, TORRENT))
    assert "begins nothing new" in said[0].getErrorMessage()
