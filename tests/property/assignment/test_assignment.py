"""Properties of the assignment: stable, fair, independent, and deaf to bad attributes."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from experiments.assignment.buckets import bucket_ranges, choose
from experiments.assignment.conditions import compile_condition
from experiments.assignment.hashing import bucket, fnv32a, seed_state

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)
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


@given(weights, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1, exclude_max=True))
def test_raising_the_traffic_moves_nobody(parts: list[int], one: float, two: float, at: float):
    shares = [part / math.fsum(parts) for part in parts]
    low, high = sorted((one, two))
    before = choose(at, bucket_ranges(shares, low))
    after = choose(at, bucket_ranges(shares, high))
    assert before is None or before == after


def test_weights_are_met_within_binomial_error():
    units = 200_000
    shares = [0.2, 0.3, 0.5]
    ranges = bucket_ranges(shares, 1.0)
    state = seed_state("fairness")
    counts = np.bincount(
        [choose(bucket(state, f"user-{n}"), ranges) for n in range(units)], minlength=3
    )
    for count, share in zip(counts, shares, strict=True):
        # Five standard errors: one run in a million fails by chance, and this one has no chance.
        assert abs(count - units * share) < 5 * math.sqrt(units * share * (1 - share))


def test_two_experiments_are_independent():
    one, two = seed_state("one"), seed_state("two")
    pairs = [(bucket(one, f"u{n}") < 0.5, bucket(two, f"u{n}") < 0.5) for n in range(100_000)]
    table = np.zeros((2, 2))
    for first, second in pairs:
        table[int(first), int(second)] += 1
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    assert ((table - expected) ** 2 / expected).sum() < 23.9  # χ², 1 df, p = 1e-6


@given(
    st.sampled_from(["$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$exists"]),
    st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    json_values,
)
def test_no_attribute_can_raise(operator: str, operand: object, value: object):
    assert compile_condition({"a.b": {operator: operand}})({"a": {"b": value}}) in {True, False}
    assert compile_condition({"a.b": {operator: operand}})({"a": value}) in {True, False}
