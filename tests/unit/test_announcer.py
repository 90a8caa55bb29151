"""Announcing on a clock moved by hand; fault rows 7, 8 and 9."""

from __future__ import annotations

import random

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from murder_fabric.errors import TrackerError
from murder_fabric.net.announcer import GOODBYE_TIMEOUT, Announcer, Standing
from murder_fabric.policy.reannounce import JITTER, LADDER, next_announce
from murder_fabric.tracker.addresses import PeerAddress
from murder_fabric.tracker.announcing import AnnounceRequest, AnnounceResponse

PEER = PeerAddress("10.0.0.2", 6881)


class NoJitter(random.Random):
    def uniform(self, a, b):
        return 1.0


class Rig:
    """An announcer, and a tracker that answers at once with what `answers` says, last one for ever."""

    def __init__(self, *answers, left=5, peers=9):
        self.clock = Clock()
        self.answers = list(answers or [15.0])
        self.left, self.peers = left, peers
        self.asked, self.heard, self.failures = [], [], []
        self.announcer = Announcer(
            self.clock, self.announce, self.state, self.heard.append, NoJitter(), self.failures.append
        )

    def start(self):
        self.running = Deferred.fromCoroutine(self.announcer.run())
        self.running.addErrback(lambda failure: failure.trap(CancelledError))

    def state(self):
        return Standing(AnnounceRequest(b"h" * 20, b"p" * 20, 6881, 0, 0, self.left), self.peers)

    async def announce(self, request):
        self.asked.append((self.clock.seconds(), request.event))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Deferred):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return AnnounceResponse(answer, 1, 1, (PEER,))


def test_the_announcer_keeps_the_trackers_time():
    rig = Rig(60.0, 30.0)
    rig.start()
    rig.clock.pump([60, 29, 1])
    assert rig.asked == [(0, "started"), (60, ""), (90, "")]
    assert rig.heard == [(PEER,)] * 3


def test_while_the_tracker_is_down_it_is_asked_more_and_more_slowly():
    rig = Rig(TrackerError("down"))
    rig.start()
    rig.clock.pump([1.0] * 20)
    assert rig.asked == [(at, "started") for at in (0, 1, 3, 7, 11, 15, 19)]
    assert len(rig.failures) == 7
    assert rig.heard == []


def test_a_tracker_that_comes_back_is_told_that_we_started():
    rig = Rig(TrackerError("down"), 15.0)
    rig.start()
    rig.clock.pump([1, 15])
    assert rig.asked == [(0, "started"), (1, "started"), (16, "")]


def test_who_is_short_of_peers_asks_soon_again():
    rig = Rig(15.0, peers=0)
    rig.start()
    rig.clock.pump([1.0] * 12)
    assert [at for at, _ in rig.asked] == [0, 1, 3, 7, 11]
    rig.peers = 4
    rig.clock.pump([1.0] * 20)
    assert [at for at, _ in rig.asked] == [0, 1, 3, 7, 11, 15, 30]


def test_completing_is_told_at_once():
    rig = Rig()
    rig.start()
    rig.clock.advance(3)
    rig.left = 0
    rig.announcer.completed()
    assert rig.asked == [(0, "started"), (3, "completed")]
    rig.clock.advance(15)
    assert rig.asked[2:] == [(18, "")]


def test_completing_while_an_announce_is_under_way_is_told_after_it():
    started = Deferred()
    rig = Rig(started, 15.0)
    rig.start()
    rig.announcer.completed()
    assert rig.asked == [(0, "started")]
    started.callback(15.0)
    assert rig.asked == [(0, "started"), (0, "completed")]


def test_a_completion_that_the_tracker_missed_is_told_again():
    rig = Rig(15.0, TrackerError("down"), 15.0)
    rig.start()
    rig.announcer.completed()
    rig.clock.advance(1)
    assert rig.asked == [(0, "started"), (0, "completed"), (1, "completed")]


def test_a_hurry_does_not_run_over_a_tracker_that_is_down():
    rig = Rig(TrackerError("down"))
    rig.start()
    rig.announcer.hurry()
    assert len(rig.asked) == 2
    rig.clock.advance(1)
    assert len(rig.asked) == 2


def test_cancelling_says_goodbye_and_leaves_no_timer():
    rig = Rig()
    rig.start()
    rig.running.cancel()
    assert rig.asked == [(0, "started"), (0, "stopped")]
    assert rig.clock.getDelayedCalls() == []
    assert rig.running.called


def test_cancelling_in_the_middle_of_an_announce_says_goodbye():
    rig = Rig(Deferred(), 15.0)
    rig.start()
    rig.running.cancel()
    assert rig.asked == [(0, "started"), (0, "stopped")]


def test_a_goodbye_is_not_waited_for_long():
    rig = Rig(15.0, Deferred())
    rig.start()
    rig.running.cancel()
    rig.clock.advance(GOODBYE_TIMEOUT - 0.1)
    assert rig.clock.getDelayedCalls()
    rig.clock.advance(0.2)
    assert rig.clock.getDelayedCalls() == []


@pytest.mark.parametrize("answers", [(TrackerError("down"),), (15.0, TrackerError("down"))])
def test_a_goodbye_that_fails_changes_nothing(answers):
    rig = Rig(*answers)
    rig.start()
    rig.running.cancel()
    assert len(rig.asked) == len(answers), "a tracker known to be down is not told"
    assert rig.failures == [answers[0]] * (len(answers) == 1)


@pytest.mark.parametrize(
    ("failures", "fruitless", "left", "peers", "delay"),
    [
        (0, 0, 0, 0, 15.0),  # a seeder waits to be found
        (0, 0, 5, 4, 15.0),
        (0, 1, 5, 3, 1.0),
        (0, 3, 5, 0, 4.0),
        (0, 99, 5, 0, 4.0),
        (1, 0, 0, 9, 1.0),
        (2, 0, 5, 9, 2.0),
        (99, 7, 5, 0, 4.0),
    ],
)
def test_when_to_announce_again(failures, fruitless, left, peers, delay):
    options = {"failures": failures, "fruitless": fruitless, "left": left, "peers": peers}
    assert next_announce(15.0, **options, rng=NoJitter()) == delay
    drawn = {next_announce(15.0, **options, rng=random.Random(seed)) for seed in range(50)}
    assert len(drawn) == 50
    assert delay * (1 - JITTER) <= min(drawn) < max(drawn) <= delay * (1 + JITTER)


def test_a_short_interval_is_kept_even_while_short_of_peers():
    assert next_announce(3.0, failures=0, fruitless=9, left=5, peers=0, rng=NoJitter()) == 3.0
    assert LADDER[-1] > 3.0
