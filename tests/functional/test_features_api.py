"""Features over HTTP: types, rules, prerequisites, and what keeps them from changing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.functional.definitions import (
    ARMS,
    BANNER,
    EUROPE,
    IN_EUROPE,
    experiment,
    made,
    move,
    places,
    post,
    refused,
)

URL = "/api/v1/features/banner"
BY_TEST = [{"experiment": "test"}]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("boolean", False, 0),
        ("string", "", None),
        ("number", 1.5, True),
        ("json", {"slots": [1, None]}, None),
        ("json", None, None),
    ],
)
def test_every_value_is_of_the_features_type(admin: httpx.Client, kind: str, good: Any, bad: Any):
    feature = {"key": "f", "type": kind, "default": good, "rules": [{"value": good}]}
    created = made(admin, "features", **feature)
    assert (created["default"], created["rules"][0]["value"]) == (good, good)
    if kind != "json":
        wrong = admin.patch("/api/v1/features/f", json={"default": bad, "rules": [{"value": bad}]})
        assert refused(wrong) == (422, "VALUE_TYPE")
        assert places(wrong) == ["default", "rules.0.value"]


@pytest.mark.parametrize(
    ("fields", "code", "place"),
    [
        ({"type": "text"}, "VALIDATION_FAILED", "type"),
        ({"rules": [{}]}, "RULE_AMBIGUOUS", "rules.0"),
        ({"rules": [{"value": True, "experiment": "test"}]}, "RULE_AMBIGUOUS", "rules.0"),
        ({"rules": [{"experiment": "test", "coverage": 0.5}]}, "RULE_AMBIGUOUS",
         "rules.0.coverage"),
        ({"rules": [{"id": "a", "value": True}] * 2}, "RULE_DUPLICATE", "rules"),
        ({"rules": [{"value": True, "coverage": 1.5}]}, "VALIDATION_FAILED", "rules.0.coverage"),
        ({"rules": [{"value": True, "condition": {"$where": 1}}]}, "OPERATOR_UNKNOWN",
         "rules.0.condition.$where"),
        ({"rules": BY_TEST}, "EXPERIMENT_UNKNOWN", "rules.0.experiment"),
        ({"prerequisites": [{"feature": "shop", "condition": {"value": True}}]},
         "PREREQUISITE_UNKNOWN", "prerequisites.0.feature"),
        ({"rules": [{"value": True, "prerequisites": [{"feature": "shop", "condition": {}}]}]},
         "PREREQUISITE_UNKNOWN", "rules.0.prerequisites.0.feature"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(admin: httpx.Client, fields: dict[str, Any], code: str, place: str):
    answer = post(admin, "features", **{**BANNER, **fields})
    assert (refused(answer), places(answer)) == ((422, code), [place])


def test_rules_come_back_in_their_order_with_their_ids(admin: httpx.Client):
    made(admin, "segments", **EUROPE)
    experiment(admin, feature="banner")
    rules = [
        {"id": "staff", "value": True, "condition": {"team": "us"}},
        {"experiment": "test"},
        {"value": True, "condition": IN_EUROPE, "coverage": 0.1, "unit_type": "device"},
    ]
    created = made(admin, "features", **BANNER, rules=rules)
    assert [one["id"] for one in created["rules"]] == ["staff", "rule-1", "rule-2"]
    assert created["rules"][1] == {"id": "rule-1", "experiment": "test"}
    turned = admin.patch(URL, json={"rules": created["rules"][::-1]}).json()
    assert turned["rules"] == created["rules"][::-1]
    more = admin.patch(URL, json={"rules": [{"value": False}, *turned["rules"]]}).json()
    assert [one["id"] for one in more["rules"]] == ["rule-3", "rule-2", "rule-1", "staff"]


def test_a_rule_names_an_experiment_that_fills_the_feature(admin: httpx.Client):
    experiment(admin)
    assert refused(post(admin, "features", **BANNER, rules=BY_TEST)) == (422, "FEATURE_MISMATCH")
    admin.patch("/api/v1/experiments/test", json={"feature": "banner"})
    made(admin, "features", **BANNER, rules=BY_TEST)
    for answer in (
        admin.delete("/api/v1/experiments/test"),
        admin.patch("/api/v1/experiments/test", json={"feature": "other"}),
    ):
        assert refused(answer) == (409, "EXPERIMENT_IN_USE")
        assert "the feature 'banner' names 'test'" in answer.json()["detail"]
    admin.patch(URL, json={"rules": []})
    assert admin.delete("/api/v1/experiments/test").status_code == 204


def test_the_values_of_its_variants_fit(admin: httpx.Client):
    experiment(admin, feature="banner")
    text = post(admin, "features", **{**BANNER, "type": "string", "default": "none"})
    assert refused(text) == (422, "VALUE_TYPE")
    assert places(text) == [f"experiments.test.variants.{index}.value" for index in (0, 1)]
    made(admin, "features", **BANNER)
    strings = [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5, "value": True}]
    for answer in (
        admin.patch("/api/v1/experiments/test", json={"variants": strings}),
        post(admin, "experiments", key="another", feature="banner", variants=strings),
    ):
        assert (refused(answer), places(answer)) == ((422, "VALUE_TYPE"), ["variants.0.value"])


def test_a_feature_that_is_delivered_keeps_its_type(admin: httpx.Client):
    made(admin, "features", **BANNER)
    experiment(admin, feature="banner")
    move(admin, "test", "start")
    for answer in (admin.patch(URL, json={"type": "json"}), admin.delete(URL)):
        assert refused(answer) == (409, "FEATURE_IN_USE")
        assert "filled by test" in answer.json()["detail"]
    assert admin.patch(URL, json={"default": True}).json()["default"] is True
    move(admin, "test", "stop", "archive")
    assert admin.delete(URL).status_code == 204


def test_rules_let_several_experiments_fill_one_feature(admin: httpx.Client):
    for key in ("first", "second"):
        experiment(admin, key=key, feature="banner")
    move(admin, "first", "start")
    start = "/api/v1/experiments/second/start"
    assert refused(admin.post(start)) == (409, "PRE_FLIGHT_FAILED")
    made(admin, "features", **BANNER, rules=[{"experiment": "second"}, {"experiment": "first"}])
    checks = {one["code"]: one for one in admin.post(start).json()["checks"]}
    assert checks["FEATURE_FREE"]["outcome"] == "ok"


def test_a_prerequisite_is_not_taken_away(admin: httpx.Client):
    needs = [{"feature": "shop", "condition": {"value": True}}]
    experiment(admin, key="shop")
    made(admin, "features", **BANNER, prerequisites=needs)
    for answer in (
        admin.delete("/api/v1/experiments/shop"),
        admin.patch("/api/v1/experiments/shop", json={"feature": "other"}),
    ):
        assert refused(answer) == (409, "FEATURE_IN_USE")
        assert "a prerequisite of banner" in answer.json()["detail"]
    made(admin, "features", **{**BANNER, "key": "shop"})
    only = admin.delete("/api/v1/features/shop")
    assert refused(only) == (409, "FEATURE_IN_USE")
    assert "a prerequisite of banner" in only.json()["detail"]


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ({"value": {"$is": 1}}, "OPERATOR_UNKNOWN"),
        ({"country": "CH"}, "PREREQUISITE_ATTRIBUTE"),
        ({"$or": [{"value.text": "x"}, {"values": 1}]}, "PREREQUISITE_ATTRIBUTE"),
    ],
)
def test_a_prerequisite_sees_only_the_value(
    admin: httpx.Client, condition: dict[str, Any], code: str
):
    made(admin, "features", **{**BANNER, "key": "shop"})
    needs = [{"feature": "shop", "condition": condition}]
    for answer in (
        post(admin, "features", **BANNER, prerequisites=needs),
        post(admin, "experiments", key="test", variants=ARMS, prerequisites=needs),
    ):
        assert refused(answer) == (422, code)
        assert places(answer)[0].startswith("prerequisites.0.condition")


def test_what_others_wait_for_is_not_put_away(admin: httpx.Client):
    experiment(admin, key="shop")
    move(admin, "shop", "start", "stop")
    made(admin, "features", **BANNER, prerequisites=[{"feature": "shop", "condition": {}}])
    archive = "/api/v1/experiments/shop/archive"
    assert refused(admin.post(archive)) == (409, "FEATURE_IN_USE")
    admin.patch(URL, json={"prerequisites": []})
    assert admin.post(archive).status_code == 200


def test_prerequisites_form_no_circle(admin: httpx.Client):
    def needing(feature: str) -> list[dict[str, Any]]:
        return [{"feature": feature, "condition": {"value": True}}]

    itself = post(admin, "experiments", key="a", variants=ARMS, prerequisites=needing("a"))
    assert refused(itself) == (422, "PREREQUISITE_CYCLE")
    experiment(admin, key="a")
    made(admin, "features", **{**BANNER, "key": "b"}, prerequisites=needing("a"))
    rule = {"value": True, "prerequisites": needing("b")}
    made(admin, "features", **{**BANNER, "key": "c"}, rules=[rule])
    circle = admin.patch("/api/v1/experiments/a", json={"prerequisites": needing("c")})
    assert refused(circle) == (422, "PREREQUISITE_CYCLE")
    assert "'a' needs 'c' needs 'b' needs 'a'" in circle.json()["detail"]
    filler = post(admin, "experiments", key="d", variants=ARMS, feature="a",
                  prerequisites=needing("c"))  # fmt: skip
    assert refused(filler) == (422, "PREREQUISITE_CYCLE")


def test_of_many_who_edit_at_once_nobody_is_overwritten(admin: httpx.Client):
    made(admin, "features", **BANNER)

    def add(number: int) -> None:
        while True:
            read = admin.get(URL)
            rules = [*read.json()["rules"], {"id": f"r{number}", "value": True}]
            sent = admin.patch(
                URL, json={"rules": rules}, headers={"If-Match": read.headers["ETag"]}
            )
            if sent.status_code == 200:
                return
            assert refused(sent) == (412, "REVISION_STALE")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(12)))
    stored = admin.get(URL).json()
    assert sorted(rule["id"] for rule in stored["rules"]) == sorted(f"r{n}" for n in range(12))
    assert stored["revision"] == 13
