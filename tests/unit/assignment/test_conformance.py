"""The public cases of the GrowthBook SDKs that concern whoever evaluates, one test for each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from experiments.assignment.buckets import choose, equal_weights, tolerant_ranges
from experiments.assignment.conditions import compile_condition, read_condition
from experiments.assignment.context import Context, Overrides
from experiments.assignment.encryption import decrypt
from experiments.assignment.features import evaluate_feature, run
from experiments.assignment.hashing import position_by
from experiments.assignment.payload import read_experiment, read_payload
from experiments.assignment.sticky import StickyDocuments, sticky_documents
from experiments.assignment.urls import query_string_override
from experiments.definitions.errors import Invalid

_SHARED = Path(os.environ.get("EVENHAND_SHARED", Path(__file__).parents[4] / "shared"))
CASES = json.loads((_SHARED / "conformance" / "growthbook-sdk-cases.json").read_text("utf-8"))


# Not ours: the first is no case, the other is about the address bar of a browser.
_LEFT_OUT = {"specVersion", "urlRedirect"}
_run: set[str] = set()


def each(section: str) -> pytest.MarkDecorator:
    """One test for each case of a section, named as the case is."""
    _run.add(section)
    cases = CASES[section]
    return pytest.mark.parametrize("case", cases, ids=[str(case[0]) for case in cases])


def test_every_section_is_run():
    assert CASES.keys() - _run == _LEFT_OUT


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


@each("hash")
def test_hash(case: list[Any]):
    seed, value, version, expected = case
    assert position_by(seed, version)(value) == expected


@each("getBucketRange")
def test_ranges(case: list[Any]):
    _name, (count, coverage, weights), expected = case
    found = tolerant_ranges(count, coverage, weights)
    assert [pytest.approx(one, abs=1e-9) for one in found] == [tuple(one) for one in expected]


@each("getEqualWeights")
def test_equal_weights(case: list[Any]):
    count, expected = case
    assert equal_weights(count) == pytest.approx(expected, abs=1e-8)


@each("chooseVariation")
def test_choosing(case: list[Any]):
    _name, position, ranges, expected = case
    found = choose(position, [tuple(one) for one in ranges])
    assert (-1 if found is None else found) == expected


@each("inNamespace")
def test_namespace(case: list[Any]):
    _name, unit, namespace, expected = case
    spec = read_experiment({"key": "any", "variations": [0, 1], "namespace": namespace})
    assert run(spec, Context({"id": unit})).in_experiment is expected


@each("getQueryStringOverride")
def test_query_string(case: list[Any]):
    _name, key, url, variations, expected = case
    assert query_string_override(key, url, variations) == expected


@each("run")
def test_run(case: list[Any]):
    _name, given, experiment, value, in_experiment, hash_used = case
    spec = read_experiment(experiment, given.get("savedGroups"))
    result = run(spec, context(given), read_payload(given))
    assert (result.value, result.in_experiment, result.hash_used) == (
        value, in_experiment, hash_used,
    )  # fmt: skip


@each("feature")
def test_feature(case: list[Any]):
    _name, given, key, expected = case
    assert evaluate_feature(read_payload(given), key, context(given)).to_document() == expected


@each("contextualBandit")
def test_contextual_bandit(case: list[Any]):
    _name, given, key, expected = case
    assert evaluate_feature(read_payload(given), key, context(given)).to_document() == expected


@each("stickyBucket")
def test_sticky_documents(case: list[Any]):
    _name, given, documents, key, expected, kept = case
    held = sticky_documents(documents)
    found = evaluate_feature(read_payload(given), key, context(given, held))
    result = found.result.to_document(key) if found.result else None
    assert result == expected
    after = {**held, **{one.key: one for one in found.sticky_documents}}
    assert {key: one.to_document() for key, one in after.items()} == kept


@each("decrypt")
def test_decrypt(case: list[Any]):
    _name, encrypted, key, expected = case
    if expected is None:
        with pytest.raises(Invalid):
            decrypt(encrypted, key)
    else:
        assert decrypt(encrypted, key) == expected


def context(given: dict[str, Any], sticky: StickyDocuments | None = None) -> Context:
    overrides = Overrides(
        url=given.get("url", ""),
        variations=given.get("forcedVariations", {}),
        features=given.get("forcedFeatureValues", {}),
        enabled=given.get("enabled", True),
        qa_mode=given.get("qaMode", False),
    )
    return Context(given.get("attributes", {}), overrides, sticky)
