from __future__ import annotations

import time

import numpy as np
import pytest

from gcnn.backends.accelerated.tuning import timing
from gcnn.backends.accelerated.tuning.timing import DeviceClock, Timed, settled, take_turns


def test_who_begins_changes_with_every_round():
    order = []

    def contestant(name):
        def seconds(runs):
            order.append(name)
            return 1.0

        return seconds

    contestants = [Timed(contestant(name)) for name in "abc"]
    order.clear()
    take_turns(contestants, 3, lambda times: False)
    assert "".join(order) == "abcbcacab"


def test_times_belong_to_their_contestants_and_end_when_they_are_enough():
    contestants = [Timed(lambda runs, s=seconds: s * runs) for seconds in (1.0, 2.0, 3.0)]
    times = take_turns(contestants, 10, lambda times: len(times) == 4)
    assert times.tolist() == [[1.0, 2.0, 3.0]] * 4


def test_a_measurement_that_was_interrupted_does_not_make_later_ones_short():
    calls = []

    def seconds(runs):
        calls.append(runs)
        return runs * 1e-6 * (1000 if len(calls) == 2 else 1)  # the second call, the first that counts

    assert Timed(seconds).runs * 1e-6 >= timing.SHORTEST


def test_times_settle_when_the_shortest_of_every_contestant_came_up_three_times():
    quiet = np.array([[1.0, 2.0], [1.01, 2.02], [1.02, 2.01]])
    assert settled(quiet, 1.03)
    assert not settled(quiet[:2], 1.03)
    assert not settled(quiet, 1.005)
    interrupted = np.array([[1.0, 9.0], [7.0, 2.0], [1.01, 8.0], [1.02, 2.02]])
    assert not settled(interrupted, 1.03)
    assert settled(np.vstack([interrupted, [5.0, 2.01]]), 1.03)


class Queue:
    """A runtime whose launches keep the device, and their enqueueing the host, for so many seconds."""

    def __init__(self, device, host):
        self.now = self.done = 0.0
        self._device, self._host = device, host

    def launch(self):
        self.now += self._host
        self.done = max(self.done, self.now) + self._device

    def mark(self):
        return Mark(self.done)

    def synchronize(self):
        self.now = self.done = max(self.now, self.done)


class Mark:
    def __init__(self, at):
        self.at = at

    def seconds_since(self, earlier):
        return self.at - earlier.at


class Wrong(Queue):
    """Its marks show nothing."""

    def mark(self):
        return Mark(0.0)


@pytest.mark.parametrize("queue", [Queue(1e-3, 1e-5), Queue(1e-6, 1e-3), Wrong(1e-3, 1e-5)])
def test_a_measurement_is_what_the_runs_take_and_nothing_that_was_enqueued_before(queue, monkeypatch):
    monkeypatch.setattr(time, "perf_counter", lambda: queue.now)
    for _ in range(5):
        queue.launch()
    assert DeviceClock(queue, [queue.launch])(10) == pytest.approx(10e-3, rel=0.02)
