"""What holds of every kind of definition over HTTP, on the service under gunicorn."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.functional.definitions import BANNER, EUROPE, made, post, refused

PURCHASE = {"key": "purchase", "kind": "conversion", "event": "buy"}
ONE_OF_EACH = [
    ("metrics", PURCHASE),
    ("segments", EUROPE),
    ("segments", {"key": "staff", "attribute": "id", "values": ["ann", "bob"]}),
    ("layers", {"key": "checkout", "unit_type": "device"}),
    ("features", {**BANNER, "rules": [{"value": True, "coverage": 0.1}]}),
    ("holdouts", {"key": "untouched", "size": 0.05}),
]


@pytest.mark.parametrize(("kind", "document"), ONE_OF_EACH)
def test_the_life_of_a_definition(admin: httpx.Client, kind: str, document: dict[str, Any]):
    created = post(admin, kind, **document)
    url = created.headers["Location"]
    assert created.status_code == 201
    assert url == f"/api/v1/{kind}/{document['key']}"
    assert created.json()["name"] == document["key"]
    assert refused(post(admin, kind, **document)) == (409, "KEY_TAKEN")
    assert admin.get(url).json() == created.json()
    assert admin.get(f"/api/v1/{kind}").json()[kind] == [created.json()]
    first = {"If-Match": created.headers["ETag"]}
    renamed = admin.patch(url, json={"name": "Ours"}, headers=first)
    assert (renamed.json()["name"], renamed.json()["revision"]) == ("Ours", 2)
    assert renamed.headers["ETag"] != created.headers["ETag"]
    assert refused(admin.patch(url, json={"name": "X"}, headers=first)) == (412, "REVISION_STALE")
    assert refused(admin.patch(url, json={"key": "other"})) == (409, "KEY_FIXED")
    assert refused(admin.patch(url, json={"colour": 1})) == (422, "VALIDATION_FAILED")
    assert refused(admin.delete(url, headers=first)) == (412, "REVISION_STALE")
    history = admin.get(f"{url}/history").json()["revisions"]
    assert [(one["verb"], one["revision"]) for one in history] == [("revise", 2), ("create", 1)]
    kept = [one[side] for one in history for side in ("before", "after")]
    # What a holdout is, an experiment, stands in its own document.
    names = [one and one.get("document", one)["name"] for one in kept]
    assert names == [document["key"], "Ours", None, document["key"]]
    assert all(one["actor"].startswith("key:") for one in history)
    assert admin.delete(url, headers={"If-Match": renamed.headers["ETag"]}).status_code == 204
    code = f"{kind.removesuffix('s').upper()}_NOT_FOUND"
    for answer in (admin.get(url), admin.patch(url, json={}), admin.delete(url)):
        assert refused(answer) == (404, code)
    assert refused(admin.get(f"/api/v1/{kind}/nobody/history")) == (404, code)


def test_what_is_read_can_be_sent_back(admin: httpx.Client):
    for kind, document in ONE_OF_EACH:
        created = made(admin, kind, **document)
        answered = {"environment", "revision", "created_at", "updated_at", "status", "phases"}
        own = {name: value for name, value in created.items() if name not in answered}
        again = admin.patch(f"/api/v1/{kind}/{document['key']}", json=own)
        assert again.status_code == 200, again.text
        assert {name: again.json()[name] for name in own} == own


def test_a_deleted_definition_keeps_its_history(admin: httpx.Client):
    made(admin, "segments", **EUROPE)
    admin.delete("/api/v1/segments/europe")
    history = admin.get("/api/v1/segments/europe/history").json()["revisions"]
    assert [one["verb"] for one in history] == ["delete", "create"]
    assert history[0]["after"] is None


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("metrics", PURCHASE),
        ("segments", EUROPE),
        ("layers", {}),
        ("features", BANNER),
        ("holdouts", {"size": 0.05}),
    ],
)
def test_lists_are_paged(admin: httpx.Client, kind: str, document: dict[str, Any]):
    for number in range(5):
        made(admin, kind, **{**document, "key": f"k{number}"})
    whole = admin.get(f"/api/v1/{kind}").json()
    in_order = [one["key"] for one in whole[kind]]
    newest_first = kind == "holdouts"
    assert in_order == sorted(in_order, reverse=newest_first)
    page = admin.get(f"/api/v1/{kind}", params={"page": 2, "page_size": 2}).json()
    assert [one["key"] for one in page[kind]] == in_order[2:4]
    assert (page["total"], page["page"], page["page_size"]) == (5, 2, 2)
    assert admin.get(f"/api/v1/{kind}", params={"page": 9}).json()[kind] == []
    for wrong in ({"page": 0}, {"page_size": 1001}, {"colour": "red"}):
        answer = admin.get(f"/api/v1/{kind}", params=wrong)
        assert refused(answer) == (422, "VALIDATION_FAILED"), wrong


def test_environments_do_not_see_each_other(service, admin: httpx.Client):
    for kind, document in ONE_OF_EACH:
        made(admin, kind, **document)
    staging = service.client(environment="another-one")
    for kind, document in ONE_OF_EACH:
        url = f"/api/v1/{kind}/{document['key']}"
        assert staging.get(f"/api/v1/{kind}").json()["total"] == 0
        for answer in (
            staging.get(url),
            staging.patch(url, json={"name": "Mine"}),
            staging.delete(url),
            staging.get(f"{url}/history"),
        ):
            assert answer.status_code == 404
    arms = [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]
    test = {"key": "test", "variants": arms, "unit_type": "device"}
    for named, code in (
        ({"audience": {"$savedGroup": {"id": "europe"}}}, "GROUP_UNKNOWN"),
        ({"audience": {"id": {"$inGroup": "staff"}}}, "GROUP_UNKNOWN"),
        ({"layer": {"key": "checkout", "size": 0.5}}, "LAYER_UNKNOWN"),
        ({"prerequisites": [{"feature": "banner", "condition": {"value": True}}]},
         "PREREQUISITE_UNKNOWN"),
        ({"metrics": [{"metric": "purchase", "role": "goal"}]}, "METRIC_UNKNOWN"),
    ):  # fmt: skip
        assert refused(post(staging, "experiments", **test, **named)) == (422, code)
        assert admin.post("/api/v1/experiments", json={**test, **named}).status_code == 201
        admin.delete("/api/v1/experiments/test")
