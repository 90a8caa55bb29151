"""Which hosts switch together, in which order, and what `--at` means."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.deploy.waves import AT_ONCE, FARTHEST, Pace, Wave, batch_size, canary_of, moment_of
from murder_fabric.errors import BadInput, HostRangeError, HostsFailed

HOSTS = [f"web{number}" for number in range(1, 9)]


@pytest.mark.parametrize(
    ("batch", "count", "size"),
    [("", 8, 0), ("3", 8, 3), ("10%", 8, 1), ("10%", 500, 50), ("34%", 3, 2), ("100%", 7, 7), ("1%", 1, 1)],
)
def test_a_share_is_rounded_up_so_that_no_batch_is_empty(batch, count, size):
    assert batch_size(batch, count) == size


@pytest.mark.parametrize(
    ("pace", "going", "waves"),
    [
        (AT_ONCE, HOSTS, [("", HOSTS)]),
        (Pace(batch="100%"), HOSTS, [("", HOSTS)]),
        (
            Pace(batch="3"),
            HOSTS,
            [
                ("batch 1 of 3", HOSTS[:3]),
                ("batch 2 of 3", HOSTS[3:6]),
                ("batch 3 of 3", HOSTS[6:]),
            ],
        ),
        # a share is one of all that were named, whoever failed meanwhile
        (Pace(batch="25%"), HOSTS[:3], [("batch 1 of 2", HOSTS[:2]), ("batch 2 of 2", HOSTS[2:3])]),
        (Pace(["web3"]), HOSTS[:4], [("the canary", ["web3"]), ("the others", ["web1", "web2", "web4"])]),
        (
            Pace(["web2", "web1"], "1"),
            HOSTS[:4],
            [("the canary", HOSTS[:2]), ("batch 1 of 2", ["web3"]), ("batch 2 of 2", ["web4"])],
        ),
        (Pace(["web1", "web5"]), HOSTS[:3], [("the canary", ["web1"]), ("the others", ["web2", "web3"])]),
        (Pace(HOSTS), HOSTS, [("", HOSTS)]),
    ],
)
def test_the_canary_goes_first_then_the_others_as_they_were_named(pace, going, waves):
    assert pace.waves(going, len(HOSTS)) == [Wave(*wave) for wave in waves]


def test_nobody_follows_a_canary_that_is_not_there():
    with pytest.raises(HostsFailed, match=r"the canary web\[1-2\] failed, so nothing was switched"):
        Pace(["web1", "web2"]).waves(HOSTS[2:], 8)


@given(
    count=st.integers(1, 60),
    batch=st.one_of(
        st.just(""), st.integers(1, 70).map(str), st.integers(1, 100).map(lambda share: f"{share}%")
    ),
    data=st.data(),
)
def test_every_host_is_in_exactly_one_wave_and_no_batch_is_too_large(count, batch, data):
    hosts = [f"web{number}" for number in range(count)]
    going = data.draw(st.lists(st.sampled_from(hosts), min_size=1, unique=True))
    canary = data.draw(st.lists(st.sampled_from(going), unique=True))
    waves = Pace(canary, batch).waves(going, count)
    assert sorted(host for wave in waves for host in wave.hosts) == sorted(going)
    assert all(wave.hosts for wave in waves)
    batches = [wave for wave in waves if wave.name != "the canary"]
    if batch and set(canary) != set(going):
        assert max(len(wave.hosts) for wave in batches) <= batch_size(batch, count)


def test_a_canary_may_be_a_range_or_a_role():
    roles = {"canary": ["web2", "web[4-5]"]}
    assert canary_of("", HOSTS, roles) == []
    assert canary_of("web[1-2],web2", HOSTS, roles) == ["web1", "web2"]
    assert canary_of("@canary", HOSTS, roles) == ["web2", "web4", "web5"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web[7-9],db1", r"--canary names web9,db1, and this run is about web\[1-8\]; no host was touched"),
        ("web[", "--canary: host expression 'web\\['"),
        ("@nobody", "--canary: .*no role 'nobody'"),
    ],
)
def test_a_canary_that_is_no_peer_is_refused(text, said):
    with pytest.raises(BadInput, match=said):
        canary_of(text, HOSTS, {})
    assert issubclass(HostRangeError, BadInput)


# --at -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "PST8PDT,M3.2.0,M11.1.0"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def local(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("14:30", "2026-11-22 14:30:00"),
        ("14:00:01", "2026-11-22 14:00:01"),
        ("23:59", "2026-11-22 23:59:00"),
        ("1:59", "2026-11-23 01:59:00"),
        ("00:10", "2026-11-23 00:10:00"),
    ],
)
def test_a_time_of_day_is_the_next_one_by_the_local_clock(zone, text, meant):
    assert moment_of(text, now=local("2026-11-22 14:00:00")) == local(meant)


def test_a_date_has_its_own_zone():
    now = datetime(2026, 11, 22, 14, 0, tzinfo=timezone.utc).timestamp()
    assert moment_of("2026-11-22T15:00:00+01:00", now=now) == now
    assert moment_of("2026-11-22T14:00:30Z", now=now) == now + 30
    assert moment_of("2026-11-22 09:30-05:00", now=now) == now + 1800


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("13:59", "--at 13:59 has passed; tomorrow's is written with its date; no host was touched"),
        ("02:01", "has passed; "),
        ("2026-11-22T13:59:59Z", "has passed; "),
        ("2026-11-23T14:00:01Z", "is more than 24 hours off"),
        ("2026-11-22T15:00:00", "is no moment: give HH:MM, or a date and time with its zone such as 2026-"),
        ("2026-11-22", "is no moment"),
        ("25:00", "is no moment"),
        ("14:60", "is no moment"),
        ("soon", "--at 'soon' is no moment"),
        ("0001-01-01T00:00:00+00:00", "has passed; "),
    ],
)
def test_what_is_no_moment_of_the_next_day_is_refused(monkeypatch, text, said):
    monkeypatch.setenv("TZ", "UTC0")
    time.tzset()
    now = datetime(2026, 11, 22, 14, 0, tzinfo=timezone.utc).timestamp()
    with pytest.raises(BadInput, match=said):
        moment_of(text, now=now)
    monkeypatch.undo()
    time.tzset()


def test_a_whole_day_ahead_is_the_most():
    now = datetime(2026, 11, 22, 14, 0, tzinfo=timezone.utc)
    tomorrow = now + timedelta(seconds=FARTHEST)
    assert moment_of(tomorrow.isoformat(), now=now.timestamp()) == tomorrow.timestamp()
