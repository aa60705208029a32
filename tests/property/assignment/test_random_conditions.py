"""No condition and no attribute can raise or hang, whatever both are made of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.assignment.conditions import compile_condition, read_condition
from experiments.assignment.context import Context, Overrides
from experiments.assignment.features import evaluate_feature
from experiments.assignment.operators import LEAVES
from experiments.assignment.payload import read_payload
from experiments.definitions.errors import Invalid

ON_PARTS = ["$all", "$alli", "$elemMatch", "$inGroup", "$not", "$notInGroup", "$size"]
ON_CONDITIONS = ["$and", "$or", "$nor", "$not", "$savedGroup"]
NAMES = ["a", "b", "a.b", "a.0", "a.length", "$own", "", "."]

# Lone surrogates among them: JSON can write them.
texts = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(
    ["a", "1", "1.2.3", "true", "null", "(a+)+$", "(", "[", "😀", "own", "list", "condition"]
)
primitives = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    primitives | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "0"]), inner, max_size=3)
    ),
    max_leaves=8,
)
tests = st.recursive(
    values,
    lambda inner: st.dictionaries(
        st.sampled_from([*LEAVES, *ON_PARTS, "$nothing"]),
        inner | st.lists(inner, max_size=3),
        min_size=1,
        max_size=3,
    ),
    max_leaves=8,
)
conditions = st.recursive(
    st.dictionaries(st.sampled_from(NAMES), tests, max_size=3),
    lambda inner: st.dictionaries(
        st.sampled_from([*ON_CONDITIONS, *NAMES]),
        inner | st.lists(inner, max_size=3) | st.fixed_dictionaries({"id": texts}) | tests,
        max_size=3,
    ),
    max_leaves=8,
)
attributes = st.dictionaries(st.sampled_from(["a", "b", "$own", ""]), values, max_size=4)
groups = st.fixed_dictionaries(
    {
        "list": st.fixed_dictionaries({"type": st.just("list"), "attributeKey": texts})
        | st.lists(values),
        "own": st.just({"type": "condition", "condition": {"$savedGroup": {"id": "own"}}}),
        "condition": st.fixed_dictionaries({"type": st.just("condition"), "condition": conditions}),
    }
)


@given(conditions | values, attributes, groups)
def test_every_condition_is_true_or_false(
    condition: Any, found: dict[str, Any], saved: dict[str, Any]
):
    read = read_condition(condition, saved)(found)
    assert read is True or read is False
    try:
        compiled = compile_condition(condition, "audience", saved)
    except Invalid as error:
        assert error.problems
    else:
        assert compiled(found) is read


def test_attributes_deeper_than_any_document():
    deep: Any = "a"
    for _ in range(5_000):
        deep = [deep]
    for condition in ({"a": "a"}, {"a": 1}, {"a": [["a"]]}, {"a": {"$gt": 1}}, {"a": deep}):
        assert read_condition(condition)({"a": deep}) in {True, False}


def test_a_condition_deeper_than_any_is_refused():
    for name in ("$not", "$and", "$or", "$nor", "$elemMatch"):
        listed = name in {"$and", "$or", "$nor"}
        deep: Any = {"$eq": 1} if name == "$elemMatch" else {"a": 1}
        for _ in range(5_000):
            deep = {name: [deep] if listed else deep}
        condition = {"a": deep} if name == "$elemMatch" else deep
        assert read_condition(condition)({"a": 1}) in {True, False}
        with pytest.raises(Invalid):
            compile_condition(condition, "audience")


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("(a+)+$", "a" * 200 + "b", False),
        ("(a|aa)+$", "a" * 200 + "b", False),
        ("(x+x+)+y", "x" * 200, False),
        ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 200, False),
        (r"(\w+\s?)*$", "aaaa " * 200 + "!", True),
        ("(?:a?){50}a{50}", "a" * 50, True),
    ],
)
def test_no_pattern_takes_for_ever(pattern: str, text: str, *, expected: bool):
    """Each of them takes longer than anybody lives where the pattern is tried by going back."""
    assert compile_condition({"a": {"$regex": pattern}}, "audience")({"a": text}) is expected


@pytest.mark.parametrize("name", ["$eq", "$gt", "$lte", "$vgt", "$in", "$size", "$regex"])
@pytest.mark.parametrize(
    "huge",
    [10**5_000, -(10**400), "9" * 10_000, float("inf")],
    ids=["positive", "negative", "text", "infinite"],
)
def test_no_number_is_too_large(name: str, huge: Any):
    expected = [huge] if name == "$in" else huge
    for value in (huge, 1, "1", None):
        assert read_condition({"a": {name: expected}})({"a": value}) in {True, False}


rules = st.fixed_dictionaries(
    {},
    optional={
        "force": values,
        "variations": st.lists(values, max_size=3) | values,
        "weights": st.lists(primitives, max_size=3) | values,
        "coverage": primitives,
        "condition": conditions | values,
        "parentConditions": st.lists(
            st.fixed_dictionaries(
                {"id": st.sampled_from(["f", "g", "h"]), "condition": conditions},
                optional={"gate": primitives},
            )
            | values,
            max_size=2,
        ),
        "range": st.lists(primitives, max_size=3),
        "ranges": st.lists(st.lists(primitives, max_size=3) | values, max_size=3),
        "filters": st.lists(
            st.fixed_dictionaries({"seed": texts, "ranges": st.lists(st.lists(primitives))})
            | values,
            max_size=2,
        ),
        "namespace": st.lists(primitives, max_size=4),
        "meta": st.lists(st.fixed_dictionaries({"key": primitives}) | values, max_size=3),
        "hashVersion": primitives,
        "hashAttribute": st.sampled_from(["a", "b"]) | values,
        "fallbackAttribute": st.sampled_from(["a", "b"]) | values,
        "bucketVersion": primitives,
        "minBucketVersion": primitives,
        "seed": primitives,
        "key": primitives,
    },
)
features = st.dictionaries(
    st.sampled_from(["f", "g", "h"]),
    st.fixed_dictionaries({"defaultValue": values, "rules": st.lists(rules, max_size=3)}) | values,
    max_size=3,
)


@given(features, attributes, texts)
def test_every_feature_has_an_answer(payload: dict[str, Any], found: dict[str, Any], search: str):
    url = f"https://example.com/?{search}"
    for sticky in (None, {}):
        context = Context(found, Overrides(url=url), sticky)
        assert evaluate_feature(read_payload({"features": payload}), "f", context).to_document()


def test_prerequisites_are_evaluated_once_and_a_long_chain_ends():
    def asking(*names: str) -> dict[str, Any]:
        parents = [{"id": name, "condition": {"value": {"$exists": True}}} for name in names]
        return {"defaultValue": 0, "rules": [{"force": 1, "parentConditions": parents}]}

    doubled = {f"f{n}": asking(f"f{n + 1}", f"f{n + 1}") for n in range(40)}
    doubled["f40"] = {"defaultValue": True}
    found = evaluate_feature(read_payload({"features": doubled}), "f0", Context({}))
    assert (found.value, found.source) == (1, "force")
    chain = {f"f{n}": asking(f"f{n + 1}") for n in range(5_000)}
    found = evaluate_feature(read_payload({"features": chain}), "f0", Context({}))
    assert found.source == "cyclicPrerequisite"
