"""Sending to one host: in order, never waiting for it, and over when it is gone."""

from __future__ import annotations

import socket

import pytest

from murder_fabric.deploy.connecting.writers import PART_LENGTH, Outgoing


class Channel:
    """Takes as many bytes as its window has, as Paramiko's does without a timeout."""

    def __init__(self, window):
        self.window = window
        self.got = b""
        self.broken = False

    def settimeout(self, timeout):
        assert timeout == 0.0

    def send(self, data):
        if self.broken:
            raise OSError("Socket is closed")
        if not self.window:
            raise socket.timeout
        count = min(len(data), self.window)
        self.window -= count
        self.got += data[:count]
        return count


@pytest.fixture
def broken():
    return []


def test_parts_are_sent_in_order_however_small_the_window(broken):
    channel = Channel(0)
    outgoing = Outgoing(channel, lambda: broken.append(True))
    parts = (b"line\n", bytes(range(256)) * 1000, b"end")
    outgoing.add(parts)
    while outgoing.advance():
        channel.window = 4099
    assert channel.got == b"".join(parts)
    assert outgoing.idle
    assert broken == []


def test_a_writer_is_woken_once_until_it_is_done(broken):
    channel = Channel(PART_LENGTH)
    outgoing = Outgoing(channel, lambda: broken.append(True))
    assert [outgoing.add((b"",)), outgoing.add((b"a",)), outgoing.add((b"b",))] == [False, True, False]
    assert not outgoing.advance()
    assert outgoing.add((b"c",))
    assert channel.got == b"ab"


def test_what_cannot_be_sent_any_more_is_dropped(broken):
    channel = Channel(2)
    channel.broken = True
    outgoing = Outgoing(channel, lambda: broken.append(True))
    outgoing.add((b"abc", b"def"))
    assert not outgoing.advance()
    assert outgoing.idle
    assert broken == [True]
