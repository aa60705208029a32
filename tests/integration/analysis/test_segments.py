"""Reports of a part of the units: who is in it, on each engine."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.analysis.task import Findings, Part
from experiments.assignment.conditions import read_condition
from experiments.definitions.time import HOUR
from tests.integration.analysis.conftest import START, metric

COUNT = metric()


def part(condition: dict[str, Any], **groups: Any) -> Part:
    return Part(condition, groups)


def units(found: Findings) -> dict[str, int]:
    return {arm.variant: arm.units for arm in found.arms if arm.exposed}


def test_only_units_with_such_attributes_are_in_the_report(log: Any) -> None:
    for number in range(40):
        country = "FR" if number < 12 else "DE"
        log.expose(f"u{number}", "ab"[number % 2], START, attributes={"country": country})
        log.outcome(f"u{number}", "buy", START + HOUR)
    found = log.find(COUNT, part=part({"country": "FR"}))
    assert units(found) == {"a": 6, "b": 6}
    assert [arm.events for arm in found.arms] == [{"buy": 6}, {"buy": 6}]
    assert [arm.measured[0].mean_x for arm in found.arms] == [1, 1]
    assert units(log.find(COUNT, part=part({"country": {"$in": ["FR", "DE"]}}))) == units(
        log.find(COUNT)
    )
    assert log.find(COUNT, part=part({"country": "US"})).arms == ()


def test_a_unit_without_attributes_lacks_each_of_them(log: Any) -> None:
    log.expose("none", "a", START, attributes=None)
    log.expose("empty", "a", START, attributes={})
    log.expose("null", "a", START, attributes={"plan": None})
    log.expose("pro", "b", START, attributes={"plan": "pro"})
    assert units(log.find(COUNT, part=part({"plan": "pro"}))) == {"b": 1}
    assert units(log.find(COUNT, part=part({"plan": {"$ne": "pro"}}))) == {"a": 3}
    assert units(log.find(COUNT, part=part({"plan": {"$exists": False}}))) == {"a": 3}
    assert units(log.find(COUNT, part=part({}))) == {"a": 3, "b": 1}


VALUES: list[Any] = [
    *(1, 1.0, -0.5, 10**15, "1", "", "ä ,;'\"\\", "\u0001\u001f\n", "😀", True, False, None),
    *([], [1, "x", None], {"deep": {"er": [1, {"x": "y"}]}}, "null", "true", "\x1e"),
]


@pytest.mark.parametrize(
    "condition",
    [
        {"x": {"$in": [value for value in VALUES if isinstance(value, str | int)]}},
        {"$or": [{"x": value} for value in VALUES[12:15]]},
        {"x.deep.er": {"$exists": True}},
        {"$nor": [{"x": {"$size": 3}}, {"x": None}, {"x": {"$type": "string"}}, {"x": {"$gt": 0}}]},
    ],
)
def test_the_engine_keeps_each_value_as_it_is(log: Any, condition: dict[str, Any]) -> None:
    """Each value is met by one unit in a variant of its own."""
    documents = [{"x": value, "y": "not looked at"} for value in VALUES]
    for number, attributes in enumerate(documents):
        log.expose(f"u{number}", f"{number:02}", START, attributes=attributes)
    holds = read_condition(condition)
    expected = {f"{number:02}": 1 for number, one in enumerate(documents) if holds(one)}
    assert expected
    assert units(log.find(COUNT, part=part(condition))) == expected


NAMES = ["country", "/", "a/b", "~", "a'b", 'a"b', "a[0]", "*", "", "a b", "国", "a\\b", "0", "#"]


def test_any_name_of_an_attribute_is_found(log: Any) -> None:
    for name in NAMES:
        log.expose(f"with {name}", f"in {name}", START, attributes={name: "yes", "other": "no"})
    condition = {"$or": [{name: "yes"} for name in NAMES]}
    found = units(log.find(COUNT, part=part(condition)))
    assert found == {f"in {name}": 1 for name in NAMES}


def test_the_attributes_are_those_of_the_first_exposure(log: Any) -> None:
    log.expose("early", "a", START, attributes={"plan": "pro"}, mark="OVERRIDDEN")
    log.expose("early", "b", START + HOUR, attributes={"plan": "free"})
    log.expose("crossed", "a", START, attributes={"plan": "pro"})
    log.expose("crossed", "b", START + HOUR, attributes={"plan": "free"})
    log.expose("marked", "a", START, attributes={"plan": "pro"}, mark="OVERRIDDEN")
    pro = log.find(COUNT, part=part({"plan": "pro"}))
    assert (units(pro), pro.crossovers) == ({"a": 0, "b": 0}, 1)
    assert pro.excluded == {"OVERRIDDEN": 1}
    free = log.find(COUNT, part=part({"plan": "free"}))
    assert (units(free), free.crossovers) == ({"b": 1}, 0)


def test_a_segment_that_names_others(log: Any) -> None:
    for plan, country in (("pro", "FR"), ("pro", "DE"), ("free", "FR")):
        log.expose(f"{plan} {country}", "a", START, attributes={"plan": plan, "country": country})
    groups = {
        "both": {
            "type": "condition",
            "condition": {"$savedGroup": {"id": "pro"}, "country": {"$inGroup": "near"}},
        },
        "pro": {"type": "condition", "condition": {"plan": "pro"}},
        "near": {"type": "list", "attributeKey": "country", "values": ["FR", "BE"]},
    }
    found = log.find(COUNT, part=part({"$savedGroup": {"id": "both"}}, **groups))
    assert units(found) == {"a": 1}


def test_more_combinations_than_are_looked_at_at_once(log: Any) -> None:
    """Nearly every unit has a value of its own; those in the segment lie in every batch."""
    for number in range(6_000):
        log.expose(f"u{number}", "ab"[number % 2], START, attributes={"age": number // 2})
    found = log.find(COUNT, part=part({"age": {"$gte": 500, "$lt": 2_700}}))
    assert units(found) == {"a": 2_200, "b": 2_200}
