from __future__ import annotations

import pytest

from gcnn.backends.accelerated.tuning.errors import TuningError
from gcnn.backends.accelerated.tuning.space import Constraint, Space

TWO = {"MAPS": (1, 2, 4), "COLUMNS": (8, 4)}


def two(**options):
    return Space(TWO, {"MAPS": 2, "COLUMNS": 4}, {"MAPS": 1, "COLUMNS": 8}, **options)


def values(candidates):
    return [tuple(candidate.values()) for candidate in candidates]


def test_candidates_come_in_the_order_of_their_declaration(limits):
    assert values(two().candidates(limits)) == [(1, 8), (1, 4), (2, 8), (2, 4), (4, 8), (4, 4)]


def test_constraints_between_parameters_leave_candidates_out(limits):
    space = two(constraints=(Constraint("MAPS * COLUMNS <= 16", lambda p: p["MAPS"] * p["COLUMNS"] <= 16),))
    assert values(space.candidates(limits)) == [(1, 8), (1, 4), (2, 8), (2, 4), (4, 4)]
    assert space.fault({"MAPS": 4, "COLUMNS": 8}, limits) == "MAPS * COLUMNS <= 16 does not hold"


def test_the_devices_work_group_leaves_candidates_out(limits):
    space = two(items=lambda p: 8 * p["MAPS"] * p["COLUMNS"])
    assert values(space.candidates(limits)) == [(1, 8), (1, 4), (2, 4)]
    assert space.fault({"MAPS": 4, "COLUMNS": 8}, limits) == "a group has 256 work-items, the device allows 64"


def test_the_devices_shared_memory_leaves_candidates_out(limits):
    space = two(shared_bytes=lambda p: 512 * p["MAPS"] * p["COLUMNS"])
    assert values(space.candidates(limits)) == [(1, 8), (1, 4), (2, 4)]
    assert space.fault({"MAPS": 2, "COLUMNS": 8}, limits) == "a group shares 8,192 bytes, the device has 4,096"


def test_cheaper_candidates_come_first_and_equal_ones_in_order(limits):
    space = two(cost=lambda p: -p["MAPS"])
    assert values(space.candidates(limits)) == [(4, 8), (4, 4), (2, 8), (2, 4), (1, 8), (1, 4)]


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"MAPS": 3, "COLUMNS": 4}, "MAPS is no candidate"),
        ({"MAPS": 2}, "its parameters are MAPS, COLUMNS"),
        ({"MAPS": 2, "COLUMNS": 4, "ROWS": 1}, "its parameters are MAPS, COLUMNS"),
        ({"MAPS": 2, "COLUMNS": 4}, None),
    ],
)
def test_parameters_from_elsewhere_are_told_from_candidates(limits, parameters, fault):
    assert two().fault(parameters, limits) == fault


@pytest.mark.parametrize(
    "arguments",
    [
        ({"TILE": ()}, {"TILE": 1}, {"TILE": 1}),
        ({"TILE": (1, 2, 1)}, {"TILE": 1}, {"TILE": 1}),
        ({"TILE": (1, 2)}, {"TILE": 3}, {"TILE": 1}),
        ({"TILE": (1, 2)}, {"TILES": 1}, {"TILE": 1}),
        ({"TILE": (1, 2)}, {"TILE": 1}, {"TILE": 1, "ROWS": 1}),
        ({"TILE": (1, 2)}, {"TILE": 2}, {"TILE": 1}, (Constraint("TILE < 2", lambda p: p["TILE"] < 2),)),
        ({"TILE": (1, 2)}, {"TILE": 1}, {"TILE": 2}, (Constraint("TILE < 2", lambda p: p["TILE"] < 2),)),
    ],
)
def test_a_space_that_contradicts_itself_is_refused(arguments):
    with pytest.raises(TuningError):
        Space(*arguments)


def test_a_benchmark_may_be_what_nobody_would_try(limits):
    space = Space({"TILE": (1, 2)}, {"TILE": 1}, {"TILE": 1000})
    assert values(space.candidates(limits)) == [(1,), (2,)]


def test_constraints_are_never_asked_about_what_is_no_candidate(limits):
    whole = Constraint("8 % MAPS == 0", lambda p: 8 % p["MAPS"] == 0)
    space = two(constraints=(whole,))
    for parameters in ({"MAPS": 0, "COLUMNS": 4}, {"TILE": 4}, {}):
        assert space.fault(parameters, limits) is not None
