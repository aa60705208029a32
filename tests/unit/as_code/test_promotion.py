"""What goes along with an experiment to another environment."""

from __future__ import annotations

import pytest

from experiments.as_code.kinds import BY_SUBJECT
from experiments.as_code.promotion import Definitions, promotion
from experiments.definitions.errors import NotFound

ARMS = [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]


def defined(**kinds: list[dict]) -> Definitions:
    return {
        (subject, document["key"]): BY_SUBJECT[subject].normal(document)
        for subject, documents in kinds.items()
        for document in documents
    }


def group(key: str) -> dict:
    return {"$savedGroup": {"id": key}}


SOURCE = defined(
    segment=[
        {"key": "staff", "attribute": "id", "values": ["1"]},
        {"key": "people", "condition": {"$not": group("staff")}},
        {"key": "ruled", "attribute": "id", "values": ["2"]},
        {"key": "other", "attribute": "id", "values": ["3"]},
    ],
    layer=[{"key": "page"}, {"key": "shop"}],
    metric=[
        {"key": "sale", "kind": "count", "event": "sale"},
        {"key": "click", "kind": "count", "event": "click"},
    ],
    feature=[
        {"key": "flag", "type": "boolean", "default": True},
        {
            "key": "slot",
            "type": "string",
            "default": "",
            "prerequisites": [{"feature": "flag", "condition": {"value": True}}],
            "rules": [
                {"experiment": "rival"},
                {"value": "x", "condition": group("ruled")},
                {"experiment": "test"},
            ],
        },
        {"key": "unused", "type": "string", "default": ""},
    ],
    experiment=[
        {
            "key": "test",
            "variants": ARMS,
            "feature": "slot",
            "audience": {"$or": [{"a": 1}, group("people")]},
            "layer": {"key": "page", "size": 0.5},
            "metrics": [{"metric": "sale", "role": "goal"}],
            "traffic": 0.1,
            "schedule": {
                "start_at": "2026-01-01T00:00:00Z",
                "ramp": [{"traffic": 0.1, "hours": 1}],
            },
        },
        {"key": "rival", "variants": ARMS, "feature": "slot"},
    ],
)


def test_all_that_is_named_comes_along_and_nothing_else():
    parcel = promotion("test", SOURCE, {})
    assert sorted((one.subject, one.key) for one in parcel.wanted) == [
        ("experiment", "test"),
        ("feature", "flag"),
        ("feature", "slot"),
        ("layer", "page"),
        ("metric", "sale"),
        ("segment", "people"),
        ("segment", "ruled"),
        ("segment", "staff"),
    ]


def test_rules_of_experiments_that_are_not_there_stay_behind():
    def rules(target: Definitions) -> list[str]:
        parcel = promotion("test", SOURCE, target)
        slot = next(one for one in parcel.wanted if one.key == "slot")
        assert len(parcel.notes) == 3 - len(slot.document["rules"])
        return [rule.get("experiment", "-") for rule in slot.document["rules"]]

    assert rules({}) == ["-", "test"]
    there = defined(experiment=[{"key": "rival", "variants": ARMS, "feature": "slot"}])
    assert rules(there) == ["rival", "-", "test"]


def test_the_clock_stays_as_it_is_there():
    def schedule(target: Definitions) -> dict:
        wanted = promotion("test", SOURCE, target).wanted
        document = next(one.document for one in wanted if one.subject == "experiment")
        assert "traffic" not in document
        return document["schedule"]

    ramp = [{"traffic": 0.1, "hours": 1.0}]
    new = {"start_at": None, "stop_at": None, "ramp": ramp, "roll_back": False}
    assert schedule({}) == new
    stop = "2027-01-01T00:00:00Z"
    there = defined(experiment=[{"key": "test", "variants": ARMS, "schedule": {"stop_at": stop}}])
    assert schedule(there) == {**new, "stop_at": stop}


def test_what_is_not_there_cannot_be_promoted():
    with pytest.raises(NotFound):
        promotion("none", SOURCE, SOURCE)
