"""The public cases of the GrowthBook SDKs that concern whoever evaluates, one test for each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from experiments.assignment.buckets import bucket_ranges, choose
from experiments.assignment.conditions import compile_condition, read_condition
from experiments.assignment.hashing import bucket, seed_state
from experiments.definitions.errors import Invalid

_SHARED = Path(os.environ.get("EVENHAND_SHARED", Path(__file__).parents[4] / "shared"))
CASES = json.loads((_SHARED / "conformance" / "growthbook-sdk-cases.json").read_text("utf-8"))


def each(section: str) -> pytest.MarkDecorator:
    """One test for each case of a section, named as the case is."""
    cases = CASES[section]
    return pytest.mark.parametrize("case", cases, ids=[str(case[0]) for case in cases])


@each("evalCondition")
def test_condition(case: list[Any]):
    _name, condition, attributes, expected, *groups = case
    assert read_condition(condition, *groups)(attributes) is expected


@each("evalCondition")
def test_a_definition_means_the_same_or_is_refused(case: list[Any]):
    _name, condition, attributes, expected, *groups = case
    try:
        predicate = compile_condition(condition, "audience", *groups)
    except Invalid as error:
        assert all(problem.path.startswith("audience.") for problem in error.problems)
    else:
        assert predicate(attributes) is expected


def test_the_hash_of_version_2():
    for seed, value, version, expected in CASES["hash"]:
        if version == 2:
            assert bucket(seed_state(seed), value) == expected


@each("getBucketRange")
def test_ranges(case: list[Any]):
    _name, (count, coverage, weights), expected = case
    if weights and not 0.99 <= sum(weights) <= 1.01:
        return
    found = bucket_ranges(weights or [1 / count] * count, coverage)
    assert [pytest.approx(one, abs=1e-9) for one in found] == [tuple(one) for one in expected]


@each("chooseVariation")
def test_choosing(case: list[Any]):
    _name, position, ranges, expected = case
    found = choose(position, [tuple(one) for one in ranges])
    assert (-1 if found is None else found) == expected
