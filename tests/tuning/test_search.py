from __future__ import annotations

import numpy as np
import pytest

from gcnn.backends.accelerated.errors import BuildFailed, DeviceError
from gcnn.backends.accelerated.tuning import search as searching
from gcnn.backends.accelerated.tuning.errors import WrongResult
from gcnn.backends.accelerated.tuning.search import EXHAUSTIVE, Budget, search
from gcnn.backends.accelerated.tuning.space import Constraint, Space

pytestmark = pytest.mark.row("T8")


@pytest.fixture
def found(limits):
    """The outcome of a search by the clock that the trial's runs move."""

    def run(space, trial, seconds=1e9, stop=lambda: False, **options):
        return search(space, limits, trial, Budget(seconds, stop, lambda: trial.now), **options)

    return run


@pytest.mark.row("P13")
def test_the_fastest_is_chosen_and_its_gain_over_default_and_benchmark_told(found, tiles, pretended):
    outcome = found(tiles(), pretended({1: 4e-3, 2: 3e-3, 4: 1e-3, 8: 2e-3, 16: 5e-3}))
    assert outcome.chosen == {"TILE": 4}
    assert outcome.gain == pytest.approx(2)
    assert outcome.benchmark_gain == pytest.approx(4)
    assert outcome.seconds == pytest.approx(1e-3)
    assert outcome.complete
    assert [tried.parameters["TILE"] for tried in outcome.tried] == [8, 1, 2, 4, 16]


@pytest.mark.row("P13")
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_on_no_case_of_a_suite_is_the_chosen_slower_than_the_default(found, tiles, pretended, noise):
    gains = []
    for seed in range(100):
        draw = np.random.default_rng(seed)
        seconds = {tile: float(draw.uniform(0.5e-3, 2e-3)) for tile in (1, 2, 4, 8, 16)}
        chosen = found(tiles(), pretended(seconds, noise=noise, seed=seed)).chosen["TILE"]
        assert seconds[chosen] <= seconds[8]
        gains.append(seconds[8] / seconds[chosen])
    assert np.median(gains) > 1.3


@pytest.mark.parametrize(("seconds", "chosen"), [(0.98e-3, 8), (0.975e-3, 8), (0.96e-3, 4), (0.5e-3, 4)])
def test_the_default_stays_unless_it_is_beaten_by_more_than_three_per_cent(found, tiles, pretended, seconds, chosen):
    outcome = found(tiles(), pretended({4: seconds}))
    assert outcome.chosen == {"TILE": chosen}
    assert (outcome.gain == 1) == (chosen == 8)


def test_a_candidate_that_is_faster_but_wrong_is_never_chosen(found, tiles, pretended):
    trial = pretended({4: WrongResult("output 3 is off by 2"), 2: 0.9e-3})
    outcome = found(tiles(), trial)
    assert outcome.chosen == {"TILE": 2}
    [refused] = outcome.refused
    assert (refused.parameters, refused.reason) == ({"TILE": 4}, "wrong: output 3 is off by 2")


@pytest.mark.parametrize(
    "error",
    [BuildFailed("device", "dense.cl", [], "error: line 3"), DeviceError("the driver failed"), MemoryError("no")],
)
def test_a_candidate_that_raises_is_recorded_and_the_search_goes_on(found, tiles, pretended, error):
    outcome = found(tiles(), pretended({2: error, 16: 0.5e-3}))
    assert outcome.chosen == {"TILE": 16}
    assert [tried.parameters["TILE"] for tried in outcome.refused] == [2]
    assert outcome.refused[0].reason == f"failing: {type(error).__name__}: {error}"


def test_a_candidate_that_fails_only_when_it_is_timed_is_recorded_too(found, tiles, pretended):
    class Dies(pretended):
        def prepare(self, parameters):
            run = super().prepare(parameters)

            def dies(times):
                if parameters["TILE"] == 16:
                    raise DeviceError("out of resources")
                return run(times)

            return dies

    outcome = found(tiles(), Dies({16: 1e-4, 4: 0.5e-3}))
    assert outcome.chosen == {"TILE": 4}
    assert "out of resources" in outcome.refused[0].reason


@pytest.mark.parametrize("seconds", [0.0, -1e-3, np.nan, np.inf])
def test_a_time_that_the_clock_does_not_resolve_is_discarded(found, tiles, pretended, seconds):
    outcome = found(tiles(), pretended({4: seconds}))
    assert outcome.chosen == {"TILE": 8}
    assert [tried.parameters["TILE"] for tried in outcome.refused] == [4]
    assert outcome.refused[0].reason.startswith("not measurable")


def test_runs_are_repeated_until_a_coarse_clock_tells_them_apart(found, tiles, pretended):
    # One run takes a hundredth of a tick.
    outcome = found(tiles(), pretended(dict.fromkeys((1, 2, 8, 16), 1e-5) | {4: 0.5e-5}, tick=1e-3))
    assert outcome.chosen == {"TILE": 4}


NOISES = [{"noise": 0.3}, {"interrupted": 0.7}, {"noise": 0.1, "interrupted": 0.5}]


@pytest.mark.parametrize("noise", NOISES, ids=str)
def test_a_noisy_machine_does_not_replace_the_default_by_its_equals(found, tiles, pretended, noise):
    replaced = [seed for seed in range(100) if found(tiles(), pretended({}, seed=seed, **noise)).gain != 1]
    assert len(replaced) <= 2


@pytest.mark.parametrize("noise", NOISES, ids=str)
def test_a_real_gain_is_found_on_a_noisy_machine(found, tiles, pretended, noise):
    outcomes = [found(tiles(), pretended({4: 0.75e-3}, seed=seed, **noise)) for seed in range(100)]
    assert [outcome.chosen["TILE"] for outcome in outcomes].count(4) >= 95
    assert np.median([outcome.gain for outcome in outcomes]) == pytest.approx(4 / 3, rel=0.03)


def test_times_that_never_agree_replace_nothing(found, tiles, pretended):
    # One in a hundred measurements is short by chance.
    assert found(tiles(), pretended({4: 0.9e-3}, noise=1000.0)).chosen == {"TILE": 8}


def test_a_machine_that_slows_down_halfway_slows_the_default_too(found, tiles, pretended):
    class Slows(pretended):
        """From the fourth candidate on, everything takes three times as long."""

        def prepare(self, parameters):
            run = super().prepare(parameters)
            self.slowness = 3.0 if len(self.prepared) >= 4 else 1.0
            return run

    assert found(tiles(), Slows({16: 0.8e-3})).chosen == {"TILE": 16}  # tried last
    assert found(tiles(), Slows({2: 1.1e-3})).chosen == {"TILE": 8}  # tried before


def test_a_default_that_is_wrong_is_replaced_by_the_fastest_right_one(found, tiles, pretended):
    outcome = found(tiles(), pretended({8: WrongResult("all of it"), 16: 0.5e-3}))
    assert outcome.chosen == {"TILE": 16}
    assert outcome.gain is None
    assert outcome.benchmark_gain == pytest.approx(2)


def test_where_nothing_works_nothing_is_chosen(found, tiles, pretended):
    outcome = found(tiles(), pretended(dict.fromkeys((1, 2, 4, 8, 16), WrongResult("no"))))
    assert outcome.chosen is None
    assert len(outcome.refused) == 5


def test_a_benchmark_that_is_no_candidate_is_measured_and_never_chosen(found, pretended):
    space = Space({"TILE": (4, 8)}, {"TILE": 8}, {"TILE": 1000})
    outcome = found(space, pretended({1000: 0.2e-3}))
    assert outcome.chosen == {"TILE": 8}
    assert outcome.benchmark_gain == pytest.approx(0.2)


def test_what_the_device_does_not_allow_is_not_even_compiled(found, tiles, pretended):
    trial = pretended({16: 1e-5})
    found(tiles(items=lambda p: 8 * p["TILE"]), trial)
    assert sorted(trial.prepared) == [(1,), (2,), (4,), (8,)]


def test_a_search_that_is_out_of_time_takes_the_best_so_far_and_says_so(found, tiles, pretended):
    trial = pretended({1: 0.5e-3, 16: 0.1e-3})
    outcome = found(tiles(), trial, seconds=0.3)  # a compilation takes 0.1
    assert outcome.chosen == {"TILE": 1}
    assert not outcome.complete
    assert (16,) not in trial.prepared


def test_a_search_that_is_stopped_keeps_what_it_found(found, tiles, pretended):
    trial = pretended({2: 0.5e-3, 16: 0.1e-3})
    outcome = found(tiles(), trial, stop=lambda: (2,) in trial.prepared)
    assert outcome.chosen == {"TILE": 2}
    assert not outcome.complete
    assert (16,) not in trial.prepared


def test_candidates_far_slower_than_the_default_are_measured_once(found, tiles, pretended):
    slow = pretended({16: 1.0})
    found(tiles(), slow)
    # A warm run, two to count the runs and one beside the default; no more rounds, nor the last ones.
    assert slow.now < 5


# Four parameters, of which each has a best value: 4096 candidates.
BEST = (3, 5, 2, 6)
NAMES = ("A", "B", "C", "D")


class Bowl:
    """Slower by a tenth of a millisecond for every step away from the best."""

    def __init__(self):
        self.prepared, self.now = [], 0.0

    def prepare(self, parameters):
        values = tuple(parameters[name] for name in NAMES)
        self.prepared.append(values)
        self.now += 0.1
        distance = sum(abs(v - b) for v, b in zip(values, BEST, strict=True))
        return lambda times: times * (1e-3 + 1e-4 * distance)


@pytest.fixture
def large():
    start = dict.fromkeys(NAMES, 0)
    return Space(dict.fromkeys(NAMES, tuple(range(8))), start, start)


def test_a_large_space_is_searched_by_chance_and_then_along_its_parameters(found, large):
    trial = Bowl()
    outcome = found(large, trial)
    assert tuple(outcome.chosen.values()) == BEST
    assert len(trial.prepared) < 8**4 / 20
    assert len(set(trial.prepared)) == len(trial.prepared), "a candidate is compiled once"


def test_the_same_seed_tries_the_same_candidates_and_another_one_others(found, large):
    tried = []
    for seed in (0, 0, 1):
        trial = Bowl()
        found(large, trial, seed=seed)
        tried.append(trial.prepared)
    assert tried[0] == tried[1] != tried[2]


def test_coordinate_descent_stays_within_the_constraints(found):
    start = dict.fromkeys(NAMES, 0)
    odd = Constraint("A + B is even", lambda p: (p["A"] + p["B"]) % 2 == 0)
    trial = Bowl()
    outcome = found(Space(dict.fromkeys(NAMES, tuple(range(8))), start, start, (odd,)), trial)
    assert all((a + b) % 2 == 0 for a, b, *_ in trial.prepared)
    assert tuple(outcome.chosen.values()) == BEST


def test_a_small_space_is_searched_whole(found, pretended):
    space = Space({"TILE": tuple(range(EXHAUSTIVE))}, {"TILE": 8}, {"TILE": 1})
    trial = pretended({EXHAUSTIVE - 1: 0.5e-3})
    assert found(space, trial).chosen == {"TILE": EXHAUSTIVE - 1}
    assert len(trial.prepared) == EXHAUSTIVE


def test_progress_counts_every_candidate(found, tiles, pretended):
    seen = []
    found(tiles(), pretended({}), watch=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (5, 5)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_few_candidates_stay_ready_to_run(found, pretended, monkeypatch):
    most = []

    class Watched(searching._Sieve):
        def measure(self, parameters):
            super().measure(parameters)
            most.append(len(self.ready))

    monkeypatch.setattr(searching, "_Sieve", Watched)
    space = Space({"TILE": tuple(range(100))}, {"TILE": 8}, {"TILE": 1})
    found(space, pretended({n: 1e-3 / (n + 1) for n in range(100)}))
    assert max(most) <= searching.FINALISTS + 4
