"""Properties of the assignment: stable, fair and independent."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from experiments.assignment.buckets import bucket_ranges, choose
from experiments.assignment.bulk import positions, variant_indices
from experiments.assignment.hashing import Seeds, bucket, fnv32a, seed_state

SOME_UNITS = pa.array([f"user-{number}" for number in range(2_000)])
MANY_UNITS = pa.array(np.arange(1_000_000)).cast(pa.string())
# The χ² of 81 degrees of freedom that one in a million exceeds in 36 draws.
LEAST_LIKELY = scipy.special.chdtri(81, 1e-6 / 36)
weights = st.lists(st.integers(0, 100), min_size=2, max_size=8).filter(sum)


def utf16_units(text: str) -> list[int]:
    data = text.encode("utf-16-le", "surrogatepass")
    return [data[i] | data[i + 1] << 8 for i in range(0, len(data), 2)]


@given(st.text(max_size=40))
def test_the_hash_is_fnv_1a_over_utf_16_code_units(text: str):
    state = 0x811C9DC5
    for unit in utf16_units(text):
        state = (state ^ unit) * 0x01000193 % 2**32
    assert fnv32a(text) == state


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_state_of_the_seed_may_be_kept(seed: str, unit: str):
    whole = fnv32a(str(fnv32a(seed + unit))) % 10000 / 10000
    assert bucket(seed_state(seed), unit) == whole


@given(st.lists(st.text(max_size=20), max_size=30), st.text(max_size=40))
def test_a_unit_is_hashed_under_many_seeds_as_under_each(seeds: list[str], unit: str):
    states = [seed_state(seed) for seed in seeds]
    assert Seeds(states).buckets(unit) == [bucket(state, unit) for state in states]


@given(weights, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1, exclude_max=True))
def test_raising_the_traffic_moves_nobody(parts: list[int], one: float, two: float, at: float):
    shares = [part / math.fsum(parts) for part in parts]
    low, high = sorted((one, two))
    before = choose(at, bucket_ranges(shares, low))
    after = choose(at, bucket_ranges(shares, high))
    assert before is None or before == after


@given(weights, st.floats(0, 1), st.floats(0, 1), st.text(max_size=5))
def test_raising_the_traffic_moves_no_unit(parts: list[int], one: float, two: float, seed: str):
    shares = [part / math.fsum(parts) for part in parts]
    low, high = sorted((one, two))
    before = variant_indices(seed_state(seed), bucket_ranges(shares, low), SOME_UNITS)
    after = variant_indices(seed_state(seed), bucket_ranges(shares, high), SOME_UNITS)
    assert (before[before >= 0] == after[before >= 0]).all()


@given(st.lists(st.text(max_size=12), max_size=30), st.text(max_size=10))
def test_many_units_fall_where_each_falls(ids: list[str], seed: str):
    state = seed_state(seed)
    expected = [round(bucket(state, one) * 10_000) for one in ids]
    assert positions(state, pa.array(ids, pa.string())).tolist() == expected


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.2, 0.3, 0.5], [0.01, 0.99], [0.1] * 10])
@pytest.mark.parametrize("traffic", [1.0, 0.37])
def test_weights_are_met_within_binomial_error(shares: list[float], traffic: float):
    found = variant_indices(seed_state("fairness"), bucket_ranges(shares, traffic), MANY_UNITS)
    counts = np.bincount(found[found >= 0], minlength=len(shares))
    for count, share in zip(counts, shares, strict=True):
        expected = len(MANY_UNITS) * share * traffic
        # Five standard errors: one run in a million fails by chance, and this one has no chance.
        assert abs(count - expected) < 5 * math.sqrt(expected * (1 - share * traffic))


def test_layers_and_experiments_are_independent():
    """χ² of each pair of seeds over ten slices by ten, for seeds as alike as seeds get."""
    seeds = ["layer", "layer2", "layer-2", "a", "b", "checkout", "checkout:2", "checkout:3", ""]
    slices = [positions(seed_state(seed), MANY_UNITS) // 1_000 for seed in seeds]
    worst = 0.0
    for one, two in combinations(slices, 2):
        table = np.bincount(one * 10 + two, minlength=100).reshape(10, 10).astype(float)
        expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
        worst = max(worst, ((table - expected) ** 2 / expected).sum())
    assert worst < LEAST_LIKELY
