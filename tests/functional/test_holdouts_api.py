"""Holdouts over HTTP: experiments whose treatment is every other experiment."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.functional.definitions import (
    ARMS,
    BANNER,
    experiment,
    made,
    move,
    places,
    post,
    refused,
)

URL = "/api/v1/holdouts/quiet"
AS_EXPERIMENT = "/api/v1/experiments/quiet"
NOBODY = [{"key": "held_out", "weight": 0}, {"key": "open", "weight": 1}]


def test_a_holdout_is_an_experiment_of_its_own_kind(admin: httpx.Client):
    made(admin, "layers", key="page")
    made(admin, "metrics", key="buys", kind="conversion", event="buy")
    goal = {"metric": "buys", "role": "goal", "margin": None}
    created = made(
        admin, "holdouts", key="quiet", size=0.05, layer="page", owner="ann", metrics=[goal]
    )
    assert (created["size"], created["layer"], created["status"]) == (0.05, "page", "draft")
    assert (created["owner"], created["metrics"]) == ("ann", [goal])
    experiment(admin)
    listed = {
        kind: [one["key"] for one in admin.get(f"/api/v1/experiments{kind}").json()["experiments"]]
        for kind in ("", "?kind=holdout", "?kind=experiment")
    }
    assert sorted(listed[""]) == ["quiet", "test"]
    assert (listed["?kind=holdout"], listed["?kind=experiment"]) == (["quiet"], ["test"])
    assert [one["key"] for one in admin.get("/api/v1/holdouts").json()["holdouts"]] == ["quiet"]
    assert refused(admin.get("/api/v1/holdouts/test")) == (404, "HOLDOUT_NOT_FOUND")
    shown = admin.get(AS_EXPERIMENT).json()
    assert shown["holdout"] == {"layer": "page"}
    assert [(one["key"], one["weight"], one["value"]) for one in shown["variants"]] == [
        ("held_out", 0.05, "held_out"),
        ("open", 0.95, "open"),
    ]


def test_the_long_way_makes_the_same(admin: httpx.Client):
    short = made(admin, "holdouts", key="quiet", size=0.05)
    whole = admin.get(AS_EXPERIMENT).json()
    admin.delete(URL)
    arms = [{"key": "held_out", "weight": 0.05}, {"key": "open", "weight": 0.95}]
    long = made(admin, "experiments", key="quiet", holdout={}, variants=arms)
    times = {"created_at", "updated_at"}
    assert {**long, **{name: whole[name] for name in times}} == whole
    again = admin.get(URL).json()
    assert {**again, **{name: short[name] for name in times}} == short
    for variants, code in ((arms[::-1], "HOLDOUT_FIXED"), (NOBODY, "HOLDOUT_SIZE_INVALID")):
        answer = post(admin, "experiments", key="q", holdout={}, variants=variants)
        assert (refused(answer), places(answer)) == ((422, code), ["variants"])


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({}, "VALIDATION_FAILED"),
        ({"size": 0}, "VALIDATION_FAILED"),
        ({"size": 1}, "VALIDATION_FAILED"),
        ({"size": 0.1, "variants": ARMS}, "VALIDATION_FAILED"),
        ({"size": 0.1, "traffic": 0.5}, "VALIDATION_FAILED"),
        ({"size": 0.1, "layer": "nowhere"}, "LAYER_UNKNOWN"),
        ({"size": 0.1, "layer": "page", "unit_type": "device"}, "LAYER_UNIT_TYPE"),
        ({"size": 0.1, "audience": {"$savedGroup": {"id": "x"}}}, "GROUP_UNKNOWN"),
        ({"size": 0.1, "metrics": [{"metric": "x", "role": "goal"}]}, "METRIC_UNKNOWN"),
    ],
)
def test_what_is_wrong_is_named(admin: httpx.Client, document: dict[str, Any], code: str):
    made(admin, "layers", key="page")
    assert refused(post(admin, "holdouts", **{"key": "quiet", **document})) == (422, code)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"traffic": 0.5}, "traffic"),
        ({"feature": "other"}, "feature"),
        ({"assignment": "external"}, "assignment"),
        ({"schedule": {"ramp": [{"traffic": 0.5, "hours": 1}]}}, "schedule.ramp"),
        ({"variants": ARMS}, "variants"),
        ({"prerequisites": [{"feature": "test", "condition": {"value": True}}]}, "prerequisites"),
    ],
)
def test_a_holdout_stays_one_as_an_experiment_too(
    admin: httpx.Client, changes: dict[str, Any], field: str
):
    made(admin, "holdouts", key="quiet", size=0.05)
    experiment(admin)
    changed = admin.patch(AS_EXPERIMENT, json=changes)
    assert (refused(changed), places(changed)) == ((422, "HOLDOUT_FIXED"), [field])
    assert admin.patch(AS_EXPERIMENT, json={"tags": ["2031"]}).json()["tags"] == ["2031"]


def test_it_fills_no_feature(admin: httpx.Client):
    made(admin, "holdouts", key="quiet", size=0.05)
    assert refused(post(admin, "experiments", key="quiet", variants=ARMS)) == (409, "KEY_TAKEN")
    needs = [{"feature": "quiet", "condition": {"value": "open"}}]
    needing = post(admin, "experiments", key="test", variants=ARMS, prerequisites=needs)
    assert refused(needing) == (422, "PREREQUISITE_UNKNOWN")
    feature = {**BANNER, "key": "quiet"}
    rule = post(admin, "features", **feature, rules=[{"experiment": "quiet"}])
    assert (refused(rule), places(rule)) == ((422, "RULE_HOLDOUT"), ["rules.0.experiment"])
    # A feature or an experiment under the same name has nothing to do with it.
    made(admin, "features", **feature)
    experiment(admin, feature="quiet", prerequisites=[])
    move(admin, "test", "start")
    move(admin, "quiet", "start")


def test_it_starts_and_stops_as_an_experiment(admin: httpx.Client):
    made(admin, "layers", key="page")
    made(admin, "holdouts", key="quiet", size=0.05, layer="page")
    changed = admin.patch(URL, json={"size": 0.1, "plan": {"alpha": 0.01}}).json()
    assert (changed["size"], changed["plan"]["alpha"], changed["plan"]["power"]) == (0.1, 0.01, 0.8)
    move(admin, "quiet", "start")
    assert admin.get(URL).json()["status"] == "running"
    for fixed, field in (({"size": 0.2}, "variants"), ({"layer": None}, "holdout")):
        answer = admin.patch(URL, json=fixed)
        assert (refused(answer), places(answer)) == ((409, "LOCKED_AFTER_START"), [field])
    assert refused(admin.delete(URL)) == (409, "NOT_A_DRAFT")
    for verb, body in (("ship", {"variant": "open"}), ("rerandomise", {"traffic": 0.5})):
        answer = admin.post(f"{AS_EXPERIMENT}/{verb}", json=body)
        assert refused(answer) == (409, "HOLDOUT_MOVE")
    move(admin, "quiet", "stop")
    verbs = [one["verb"] for one in admin.get(f"{URL}/history").json()["revisions"]]
    assert verbs == ["stop", "start", "revise", "create"]
