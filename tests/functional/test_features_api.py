"""Features, segments, layers and holdouts over HTTP, on the service under gunicorn."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

ARMS = [
    {"key": "off", "weight": 0.5, "value": False},
    {"key": "on", "weight": 0.5, "value": True},
]
EUROPE = {"key": "europe", "condition": {"country": {"$in": ["CH", "FR"]}}}
BANNER = {"key": "banner", "type": "boolean", "default": False}
IN_EUROPE = {"$savedGroup": {"id": "europe"}}


def post(admin: httpx.Client, kind: str, **document: Any) -> httpx.Response:
    return admin.post(f"/api/v1/{kind}", json=document)


def made(admin: httpx.Client, kind: str, **document: Any) -> dict[str, Any]:
    answer = post(admin, kind, **document)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def experiment(admin: httpx.Client, **fields: Any) -> dict[str, Any]:
    return made(admin, "experiments", **{"key": "test", "variants": ARMS, **fields})


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("segments", EUROPE),
        ("segments", {"key": "staff", "attribute": "id", "values": ["ann", "bob"]}),
        ("layers", {"key": "checkout", "unit_type": "device"}),
        ("features", {**BANNER, "rules": [{"value": True, "coverage": 0.1}]}),
        ("holdouts", {"key": "untouched", "size": 0.05}),
    ],
)
def test_the_life_of_a_definition(admin: httpx.Client, kind: str, document: dict[str, Any]):
    created = post(admin, kind, **document)
    url = created.headers["Location"]
    assert created.status_code == 201
    assert url == f"/api/v1/{kind}/{document['key']}"
    assert created.json()["name"] == document["key"]
    assert refused(post(admin, kind, **document)) == (409, "KEY_TAKEN")
    assert admin.get(url).json() == created.json()
    assert admin.get(f"/api/v1/{kind}").json() == {kind: [created.json()]}
    first = {"If-Match": created.headers["ETag"]}
    renamed = admin.patch(url, json={"name": "Ours"}, headers=first)
    assert (renamed.json()["name"], renamed.json()["revision"]) == ("Ours", 2)
    assert refused(admin.patch(url, json={"name": "X"}, headers=first)) == (412, "REVISION_STALE")
    assert refused(admin.patch(url, json={"key": "other"})) == (409, "KEY_FIXED")
    assert refused(admin.delete(url, headers=first)) == (412, "REVISION_STALE")
    assert admin.delete(url).status_code == 204
    code = f"{kind.removesuffix('s').upper()}_NOT_FOUND"
    for answer in (admin.get(url), admin.patch(url, json={}), admin.delete(url)):
        assert refused(answer) == (404, code)


def test_a_segment_is_fixed_while_an_audience_goes_by_it(admin: httpx.Client):
    made(admin, "segments", **EUROPE)
    made(admin, "segments", key="young", condition={"age": {"$lt": 30}, **IN_EUROPE})
    experiment(admin, audience={"$savedGroup": {"id": "young"}})
    url = "/api/v1/segments/europe"
    wider = {"condition": {"country": {"$in": ["CH", "FR", "DE"]}}}
    assert admin.patch(url, json=wider).status_code == 200
    admin.post("/api/v1/experiments/test/start")
    assert refused(admin.patch(url, json=EUROPE)) == (409, "SEGMENT_IN_USE")
    assert admin.patch(url, json={"name": "Europe"}).status_code == 200
    assert refused(admin.delete(url)) == (409, "SEGMENT_IN_USE")
    for verb in ("stop", "archive"):
        admin.post(f"/api/v1/experiments/test/{verb}")
    assert admin.patch(url, json={"condition": {"country": "CH"}}).status_code == 200


def test_a_segment_must_stay_readable_where_it_is_named(admin: httpx.Client):
    made(admin, "segments", key="staff", attribute="id", values=["ann"])
    experiment(admin, audience={"id": {"$inGroup": "staff"}})
    no_list = {"attribute": None, "values": [], "condition": {"team": "us"}}
    assert refused(admin.patch("/api/v1/segments/staff", json=no_list)) == (409, "SEGMENT_IN_USE")
    itself = {"$savedGroup": {"id": "europe"}}
    made(admin, "segments", **EUROPE)
    changed = admin.patch("/api/v1/segments/europe", json={"condition": itself})
    assert refused(changed) == (422, "CONDITION_INVALID")
    unknown = post(admin, "segments", key="x", condition={"$savedGroup": {"id": "nobody"}})
    assert refused(unknown) == (422, "GROUP_UNKNOWN")


def test_a_layer_is_fixed_once_it_is_named(admin: httpx.Client):
    share = {"key": "page", "size": 0.25}
    unknown = post(admin, "experiments", key="test", variants=ARMS, layer=share)
    assert refused(unknown) == (422, "LAYER_UNKNOWN")
    made(admin, "layers", key="page", unit_type="device")
    other = post(admin, "experiments", key="test", variants=ARMS, layer=share)
    assert refused(other) == (422, "LAYER_UNIT_TYPE")
    assert refused(post(admin, "holdouts", key="h", size=0.1, layer="page")) == (
        422,
        "LAYER_UNIT_TYPE",
    )
    assert experiment(admin, layer=share, unit_type="device")["layer"] == share
    url = "/api/v1/layers/page"
    assert refused(admin.patch(url, json={"unit_type": "id"})) == (409, "LAYER_IN_USE")
    assert refused(admin.delete(url)) == (409, "LAYER_IN_USE")
    out = admin.patch("/api/v1/experiments/test", json={"layer": None})
    assert out.json()["layer"] is None
    assert admin.delete(url).status_code == 204


def test_the_rules_of_a_feature_name_what_exists_and_fits(admin: httpx.Client):
    by_test = {"rules": [{"experiment": "test"}]}
    assert refused(post(admin, "features", **BANNER, **by_test)) == (422, "EXPERIMENT_UNKNOWN")
    experiment(admin)
    assert refused(post(admin, "features", **BANNER, **by_test)) == (422, "FEATURE_MISMATCH")
    admin.patch("/api/v1/experiments/test", json={"feature": "banner"})
    text = post(admin, "features", **{**BANNER, "type": "string", "default": "none"})
    assert refused(text) == (422, "VALUE_TYPE")
    assert text.json()["errors"][0]["path"] == "experiments.test.variants.0.value"
    made(admin, "features", **BANNER, **by_test)
    strings = [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]
    changed = admin.patch("/api/v1/experiments/test", json={"variants": strings})
    assert refused(changed) == (422, "VALUE_TYPE")
    assert [one["path"] for one in changed.json()["errors"]] == [
        "variants.0.value",
        "variants.1.value",
    ]
    assert refused(admin.delete("/api/v1/experiments/test")) == (409, "EXPERIMENT_IN_USE")
    moved = admin.patch("/api/v1/experiments/test", json={"feature": "other"})
    assert refused(moved) == (409, "EXPERIMENT_IN_USE")
    bad = admin.patch(
        "/api/v1/features/banner",
        json={"rules": [{"value": True, "condition": {"$savedGroup": {"id": "nobody"}}}]},
    )
    assert refused(bad) == (422, "GROUP_UNKNOWN")
    assert bad.json()["errors"][0]["path"].startswith("rules.0.condition")


def test_a_feature_that_is_delivered_keeps_its_type(admin: httpx.Client):
    made(admin, "features", **BANNER)
    experiment(admin, feature="banner")
    admin.post("/api/v1/experiments/test/start")
    url = "/api/v1/features/banner"
    retyped = admin.patch(url, json={"type": "json"})
    assert refused(retyped) == (409, "FEATURE_IN_USE")
    assert refused(admin.delete(url)) == (409, "FEATURE_IN_USE")
    assert admin.patch(url, json={"default": True}).json()["default"] is True


def test_prerequisites_exist_and_form_no_circle(admin: httpx.Client):
    on = {"value": True}
    needs = [{"feature": "shop", "condition": on}]
    unknown = post(admin, "features", **BANNER, prerequisites=needs)
    assert refused(unknown) == (422, "PREREQUISITE_UNKNOWN")
    experiment(admin, key="shop")
    made(admin, "features", **BANNER, prerequisites=needs)
    only = admin.delete("/api/v1/experiments/shop")
    assert refused(only) == (409, "FEATURE_IN_USE")
    back = [{"feature": "banner", "condition": on}]
    circle = admin.patch("/api/v1/experiments/shop", json={"prerequisites": back})
    assert refused(circle) == (422, "PREREQUISITE_CYCLE")
    assert "'shop' needs 'banner' needs 'shop'" in circle.json()["detail"]
    made(admin, "features", **{**BANNER, "key": "shop"})
    assert refused(admin.delete("/api/v1/features/shop")) == (409, "FEATURE_IN_USE")
    wrong = [{"feature": "shop", "condition": {"value": {"$is": 1}}}]
    changed = admin.patch("/api/v1/features/banner", json={"prerequisites": wrong})
    assert refused(changed) == (422, "OPERATOR_UNKNOWN")


def test_how_an_experiment_is_delivered_comes_back_as_it_was_sent(admin: httpx.Client):
    delivery = {
        "sticky": {"bucket_version": 1, "min_bucket_version": 1, "fallback": "device"},
        "overrides": {"on": ["ann"], "off": ["bob"]},
        "schedule": {
            "start_at": "2031-01-31T09:30:00Z",
            "stop_at": None,
            "ramp": [{"traffic": 0.1, "hours": 24}, {"traffic": 1.0, "hours": 0}],
            "roll_back": True,
        },
    }
    created = experiment(admin, **delivery)
    assert {name: created[name] for name in delivery} == delivery
    assert created["holdout"] is None
    url = "/api/v1/experiments/test"
    assert admin.patch(url, json={"name": "T"}).json()["schedule"] == delivery["schedule"]
    assert admin.patch(url, json={"sticky": None}).json()["sticky"] is None
    many = {"on": [str(number) for number in range(1_001)]}
    for changes in ({"overrides": many}, {"holdout": {"layer": None}}, {"layer": {"key": "x"}}):
        assert refused(admin.patch(url, json=changes)) == (422, "VALIDATION_FAILED")


def test_a_holdout_is_an_experiment_of_its_own_kind(admin: httpx.Client):
    made(admin, "layers", key="page")
    created = made(admin, "holdouts", key="quiet", size=0.05, layer="page", owner="ann")
    assert (created["size"], created["layer"], created["status"]) == (0.05, "page", "draft")
    experiment(admin)
    listed = {
        kind: [one["key"] for one in admin.get(f"/api/v1/experiments{kind}").json()["experiments"]]
        for kind in ("", "?kind=holdout", "?kind=experiment")
    }
    assert sorted(listed[""]) == ["quiet", "test"]
    assert (listed["?kind=holdout"], listed["?kind=experiment"]) == (["quiet"], ["test"])
    shown = admin.get("/api/v1/experiments/quiet").json()
    assert shown["holdout"] == {"layer": "page"}
    assert [(one["key"], one["weight"], one["value"]) for one in shown["variants"]] == [
        ("held_out", 0.05, "held_out"),
        ("open", 0.95, "open"),
    ]
    url = "/api/v1/holdouts/quiet"
    assert admin.patch(url, json={"size": 0.1, "plan": {"alpha": 0.01}}).json()["size"] == 0.1
    assert refused(admin.get("/api/v1/holdouts/test")) == (404, "HOLDOUT_NOT_FOUND")
    assert refused(admin.patch("/api/v1/experiments/quiet", json={"traffic": 0.5})) == (
        422,
        "HOLDOUT_FIXED",
    )
    assert refused(post(admin, "features", **{**BANNER, "key": "quiet"})) == (422, "FEATURE_TAKEN")
    assert refused(post(admin, "experiments", key="quiet", variants=ARMS)) == (409, "KEY_TAKEN")
    assert refused(admin.delete("/api/v1/layers/page")) == (409, "LAYER_IN_USE")
    assert admin.post("/api/v1/experiments/quiet/start").json()["status"] == "running"
    assert refused(admin.patch(url, json={"size": 0.2})) == (409, "LOCKED_AFTER_START")
    assert refused(admin.delete(url)) == (409, "NOT_A_DRAFT")
