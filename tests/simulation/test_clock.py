"""The clock of the simulation is fast enough for hours of a swarm, and for ten thousand seeds."""

from __future__ import annotations

import math
import random
import time

from murder_fabric.simulation.clock import Clock

#: Calls that wait at any moment; with as many, `twisted.internet.task.Clock` makes some 700 a second.
WAITING = 5_000
#: Calls in a second of CPU.
FAST_ENOUGH = 200_000
#: Calls that are timed together, and seconds of CPU in which some of them must be as fast: others are slow by
#: what else the machine does.
CALLS, PATIENCE = 5_000, 1.5


def rates(clock):
    """Yield how many calls, each of which asks for another one, the clock makes in a second of CPU."""
    rng = random.Random(1)

    def call():
        clock.call_later(rng.random(), call)

    for _ in range(WAITING):
        call()
    while True:
        wanted, began = clock.count + CALLS, time.process_time()
        clock.run(math.inf, lambda wanted=wanted: clock.count == wanted)
        yield CALLS / (time.process_time() - began)


def test_the_clock_makes_two_hundred_thousand_calls_in_a_second_of_cpu():
    clock, end, fastest = Clock(), time.process_time() + PATIENCE, 0.0
    for rate in rates(clock):
        fastest = max(fastest, rate)
        if fastest >= FAST_ENOUGH or time.process_time() > end:
            break
    assert fastest >= FAST_ENOUGH
    assert clock.count >= CALLS
    assert clock.pending == WAITING
