"""Experiments as they are started and ramped: nobody is moved, and none knows of another."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from experiments.assignment.bulk import assign_many, positions
from experiments.assignment.evaluate import compile_experiment
from experiments.assignment.hashing import seed_state
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.layer import SLOTS, Slice, allocate, seed_of_layer
from experiments.definitions.lifecycle import DRAFT, Standing, Terms, move, ramp_to

SOME_UNITS = pa.array([f"user-{number}" for number in range(2_000)])
UNITS = pa.array(np.arange(100_000)).cast(pa.string())
PAIRS = 150
UNLIKELY = 1e-6  # how often chance alone would fail the test, were the seeds not fixed

weights = st.lists(st.integers(0, 100), min_size=2, max_size=6).filter(sum)
traffics = st.lists(
    st.integers(1, 10_000).map(lambda part: part / 10_000), min_size=2, max_size=5, unique=True
).map(sorted)
keys = st.text("abc-", min_size=1, max_size=6).map("x{}".format)


def started(key: str, parts: list[int], slices: tuple[Slice, ...] = (), **fields: Any) -> Standing:
    arms = [{"key": f"v{n}", "weight": part / math.fsum(parts)} for n, part in enumerate(parts)]
    experiment = experiment_from_document({"key": key, "variants": arms, **fields})
    return move(
        Standing("production", experiment, DRAFT, 1, 0, 0), "start", 1, Terms(slices=slices)
    )


def assigned(standing: Standing, ids: pa.Array) -> NDArray[np.int16]:
    """The index of each unit's variant, -1 where it is not in."""
    compiled = compile_experiment(standing)
    answers, index = assign_many(compiled, ids)
    places = [int(one.variant.removeprefix("v")) if one.variant else -1 for one in answers]
    found: NDArray[np.int16] = np.array(places, np.int16)[index]
    return found


@settings(deadline=None)
@given(keys, weights, traffics, st.none() | st.floats(0.001, 1), st.integers(0, 3))
def test_no_step_of_a_ramp_moves_a_unit(
    key: str, parts: list[int], steps: list[float], share: float | None, others: int
):
    layered: dict[str, Any] = {}
    slices: tuple[Slice, ...] = ()
    if share is not None:
        layered = {"layer": {"key": "page", "size": share}}
        taken = [(number * 3_000, number * 3_000 + 1_000) for number in range(others)]
        free = (SLOTS - 1_000 * others) / SLOTS
        slices = allocate("page", min(share, free), taken)
    ramp = [{"traffic": traffic, "hours": 1} for traffic in steps]
    standing = started(key, parts, slices, schedule={"ramp": ramp}, **layered)
    before = assigned(standing, SOME_UNITS)
    for step in range(1, len(steps)):
        standing = ramp_to(standing, step, step + 1)
        after = assigned(standing, SOME_UNITS)
        assert (before[before >= 0] == after[before >= 0]).all()
        before = after


@settings(deadline=None)
@given(weights, weights, st.floats(0.01, 0.5), st.floats(0.01, 0.5))
def test_two_in_a_layer_share_no_unit(one: list[int], two: list[int], left: float, right: float):
    first = allocate("page", left, [])
    second = allocate("page", right, list(first))
    found = [
        assigned(started(key, parts, slices, layer={"key": "page", "size": size}), SOME_UNITS)
        for key, parts, slices, size in (("a", one, first, left), ("b", two, second, right))
    ]
    assert not ((found[0] >= 0) & (found[1] >= 0)).any()


def p_value(one: NDArray[Any], two: NDArray[Any]) -> float:
    """That of χ² for the independence of two groupings of the units."""
    table = np.zeros((int(one.max()) + 1, int(two.max()) + 1))
    np.add.at(table, (one, two), 1)
    return float(scipy.stats.chi2_contingency(table, correction=False).pvalue)


def test_two_experiments_are_independent():
    arms = [assigned(started(f"test-{number}", [1, 1, 1]), UNITS) for number in range(PAIRS + 1)]
    found = [p_value(one, two) for one, two in pairwise(arms)]
    assert scipy.stats.kstest(found, "uniform").pvalue > UNLIKELY
    assert min(found) > UNLIKELY / PAIRS


def test_two_layers_are_independent():
    slots = [
        positions(seed_state(seed_of_layer(f"layer-{number}")), UNITS) // 1_000
        for number in range(PAIRS + 1)
    ]
    found = [p_value(one, two) for one, two in pairwise(slots)]
    assert scipy.stats.kstest(found, "uniform").pvalue > UNLIKELY
    assert min(found) > UNLIKELY / PAIRS


def test_a_layer_and_an_experiment_of_its_name_are_independent():
    found = []
    for number in range(PAIRS):
        slots = positions(seed_state(seed_of_layer(f"page-{number}")), UNITS) // 1_000
        found.append(p_value(slots, assigned(started(f"page-{number}", [1, 1]), UNITS)))
    assert scipy.stats.kstest(found, "uniform").pvalue > UNLIKELY
    assert min(found) > UNLIKELY / PAIRS
