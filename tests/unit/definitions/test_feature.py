"""Features: values of one type, and the names of their rules."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.definitions.errors import Invalid
from experiments.definitions.feature import (
    Feature,
    feature_from_document,
    feature_to_document,
    fits,
)


def feature(**fields: Any) -> Feature:
    return feature_from_document({"key": "f", "type": "number", "default": 0, **fields})


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("boolean", [True, False], [0, 1, None, "true"]),
        ("string", ["", "a"], [None, 1, ["a"]]),
        ("number", [0, -1, 1.5], [True, False, None, "1"]),
        ("json", [None, True, 0, "a", [], {}], []),
    ],
)
def test_types(kind: str, good: list[Any], bad: list[Any]) -> None:
    assert all(fits(kind, value) for value in good)
    assert not any(fits(kind, value) for value in bad)


def test_its_document_makes_it_again() -> None:
    made = feature(
        prerequisites=[{"feature": "g", "condition": {"value": True}}],
        rules=[
            {"experiment": "e"},
            {"value": 1, "condition": {"country": "CH"}, "coverage": 0.25, "unit_type": "device"},
        ],
    )
    assert feature_from_document(feature_to_document(made)) == made


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ([None, None], ["rule-1", "rule-2"]),
        ([None, "rule-1", None], ["rule-2", "rule-1", "rule-3"]),
        (["a", None, "rule-2", None], ["a", "rule-1", "rule-2", "rule-3"]),
    ],
)
def test_rules_without_a_name_get_a_free_one(given: list[str | None], named: list[str]) -> None:
    rules = [{"value": 1, **({"id": name} if name else {})} for name in given]
    assert [rule.id for rule in feature(rules=rules).rules] == named


def test_rules_that_draw_a_share_draw_it_apart_unless_they_have_one_salt() -> None:
    made = feature(rules=[{"value": 1}, {"value": 2}, {"value": 3, "salt": "s"}])
    assert [made.salt_of(rule) for rule in made.rules] == [
        "rollout/f/rule-1", "rollout/f/rule-2", "s",
    ]  # fmt: skip


def test_everything_that_is_wrong_is_named_at_once() -> None:
    rules = [{}, {"value": "1"}, {"value": 1, "coverage": 2}, {"experiment": "e", "salt": "s"}]
    with pytest.raises(Invalid) as caught:
        feature(default=True, rules=rules)
    assert [(one.path, one.code) for one in caught.value.problems] == [
        ("default", "VALUE_TYPE"),
        ("rules.0", "RULE_AMBIGUOUS"),
        ("rules.1.value", "VALUE_TYPE"),
        ("rules.2.coverage", "COVERAGE_INVALID"),
        ("rules.3.salt", "RULE_AMBIGUOUS"),
    ]
