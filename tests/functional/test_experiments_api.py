"""Experiments and metrics over HTTP, on the service under gunicorn."""

from __future__ import annotations

import httpx
import pytest

BUTTON = {
    "key": "button",
    "variants": [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}],
    "metrics": [{"metric": "purchase", "role": "goal"}],
}
PURCHASE = {"key": "purchase", "kind": "conversion", "event": "purchase"}


@pytest.fixture(autouse=True)
def metric(admin: httpx.Client) -> None:
    assert admin.post("/api/v1/metrics", json=PURCHASE).status_code == 201


def test_the_whole_life(admin: httpx.Client):
    created = admin.post("/api/v1/experiments", json=BUTTON)
    assert created.status_code == 201
    assert created.headers["Location"] == "/api/v1/experiments/button"
    assert created.json()["status"] == "draft"
    assert created.json()["revision"] == 1
    started = admin.post("/api/v1/experiments/button/start").json()
    assert started["status"] == "running"
    assert {check["code"]: check["outcome"] for check in started["checks"]} == {
        "FEATURE_FREE": "ok", "TRAFFIC": "ok", "GOAL": "ok", "WEIGHTS": "ok", "PLAN": "warn",
    }  # fmt: skip
    for verb, status in (
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "stopped"),
        ("ship", "shipped"),
        ("archive", "archived"),
    ):
        body = {"variant": "green"} if verb == "ship" else None
        moved = admin.post(f"/api/v1/experiments/button/{verb}", json=body)
        assert (moved.status_code, moved.json()["status"]) == (200, status)
    assert moved.json()["winner"] is None or moved.json()["winner"] == "green"
    history = admin.get("/api/v1/experiments/button/history").json()["revisions"]
    assert [one["verb"] for one in history] == [
        "archive", "ship", "stop", "resume", "pause", "start", "create",
    ]  # fmt: skip
    assert all(one["actor"].startswith("key:") and one["at"].endswith("Z") for one in history)
    assert history[0]["before"]["status"] == "shipped"
    assert history[0]["after"]["status"] == "archived"


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("start", {"dry_run": "yes"}),
        ("start", {"dry_run": 1}),
        ("ship", {"variant": "green", "holdback": "0.1"}),
        ("rerandomise", {"traffic": "0.5"}),
        ("rerandomise", {"weights": {"grey": True, "green": 0}}),
    ],
)
def test_what_a_move_takes_is_not_guessed(admin: httpx.Client, verb: str, body: object):
    admin.post("/api/v1/experiments", json=BUTTON)
    refused = admin.post(f"/api/v1/experiments/button/{verb}", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "VALIDATION_FAILED")


def test_an_illegal_move_says_what_to_do(admin: httpx.Client):
    admin.post("/api/v1/experiments", json=BUTTON)
    refused = admin.post("/api/v1/experiments/button/pause")
    assert refused.status_code == 409
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "ILLEGAL_MOVE"
    assert "needs it to be running" in refused.json()["detail"]


def test_two_who_edit_one_thing(admin: httpx.Client):
    admin.post("/api/v1/experiments", json=BUTTON)
    url = "/api/v1/experiments/button"
    etag = admin.get(url).headers["ETag"]
    first = admin.patch(url, json={"name": "First"}, headers={"If-Match": etag})
    assert first.status_code == 200
    assert first.headers["ETag"] != etag
    second = admin.patch(url, json={"name": "Second"}, headers={"If-Match": etag})
    assert (second.status_code, second.json()["code"]) == (412, "REVISION_STALE")
    assert admin.get(url).json()["name"] == "First"


def test_a_plan_is_merged_and_the_rest_replaced(admin: httpx.Client):
    admin.post("/api/v1/experiments", json={**BUTTON, "plan": {"planned_units": 100}})
    changed = admin.patch(
        "/api/v1/experiments/button", json={"plan": {"alpha": 0.01}, "tags": ["a"]}
    ).json()
    assert changed["plan"]["planned_units"] == 100
    assert changed["plan"]["alpha"] == 0.01
    assert changed["tags"] == ["a"]


def test_while_it_runs_only_raising_traffic_is_allowed(admin: httpx.Client):
    admin.post("/api/v1/experiments", json={**BUTTON, "traffic": 0.5})
    admin.post("/api/v1/experiments/button/start")
    url = "/api/v1/experiments/button"
    assert admin.patch(url, json={"traffic": 0.6}).status_code == 200
    refused = admin.patch(url, json={"traffic": 0.4})
    assert (refused.status_code, refused.json()["code"]) == (409, "LOCKED_AFTER_START")
    assert refused.json()["errors"][0]["path"] == "traffic"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (BUTTON, 409, "KEY_TAKEN"),
        ({**BUTTON, "key": "b2", "metrics": [{"metric": "nope", "role": "goal"}]}, 422,
         "METRIC_UNKNOWN"),
        ({**BUTTON, "key": "b2", "colour": 1}, 422, "VALIDATION_FAILED"),
        ({**BUTTON, "key": "b2", "traffic": "0.5"}, 422, "VALIDATION_FAILED"),
        ({**BUTTON, "key": "b2", "audience": {"$where": 1}}, 422, "OPERATOR_UNKNOWN"),
        ({**BUTTON, "key": "b2", "name": "a\x00b"}, 422, "VALIDATION_FAILED"),
        ([], 422, "VALIDATION_FAILED"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(admin: httpx.Client, body: object, status: int, code: str):
    admin.post("/api/v1/experiments", json=BUTTON)
    refused = admin.post("/api/v1/experiments", json=body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_drafts_are_deleted_and_others_not(admin: httpx.Client):
    admin.post("/api/v1/experiments", json=BUTTON)
    assert admin.delete("/api/v1/experiments/button").status_code == 204
    assert admin.get("/api/v1/experiments/button").status_code == 404
    admin.post("/api/v1/experiments", json=BUTTON)
    admin.post("/api/v1/experiments/button/start")
    assert admin.delete("/api/v1/experiments/button").json()["code"] == "NOT_A_DRAFT"


def test_the_list_is_filtered_and_paged(admin: httpx.Client):
    for number in range(5):
        tags = ["even"] if number % 2 == 0 else []
        body = {**BUTTON, "key": f"e{number}", "feature": f"f{number}", "tags": tags}
        admin.post("/api/v1/experiments", json=body)
    admin.post("/api/v1/experiments/e3/start")

    def keys(**query: object) -> list[str]:
        found = admin.get("/api/v1/experiments", params=query).json()
        return [one["key"] for one in found["experiments"]]

    assert keys() == ["e4", "e3", "e2", "e1", "e0"]
    assert keys(status="running") == ["e3"]
    assert keys(tag="even") == ["e4", "e2", "e0"]
    assert keys(search="E1") == ["e1"]
    assert keys(page=2, page_size=2) == ["e2", "e1"]
    assert admin.get("/api/v1/experiments", params={"colour": "x"}).status_code == 422


def test_a_feature_is_filled_once(admin: httpx.Client):
    admin.post("/api/v1/experiments", json=BUTTON)
    admin.post("/api/v1/experiments", json={**BUTTON, "key": "rival", "feature": "button"})
    admin.post("/api/v1/experiments/button/start")
    refused = admin.post("/api/v1/experiments/rival/start")
    assert (refused.status_code, refused.json()["code"]) == (409, "PRE_FLIGHT_FAILED")


def test_a_metric_is_fixed_once_measured(admin: httpx.Client):
    url = "/api/v1/metrics/purchase"
    assert admin.patch(url, json={"window_hours": 24}).json()["window_hours"] == 24
    admin.post("/api/v1/experiments", json=BUTTON)
    admin.post("/api/v1/experiments/button/start")
    refused = admin.patch(url, json={"window_hours": 48})
    assert (refused.status_code, refused.json()["code"]) == (409, "METRIC_IN_USE")
    assert admin.patch(url, json={"name": "Bought"}).json()["name"] == "Bought"
    assert admin.delete(url).json()["code"] == "METRIC_IN_USE"


def test_environments_do_not_see_each_other(service, admin: httpx.Client):
    staging = service.client(environment="another-one")
    admin.post("/api/v1/experiments", json=BUTTON)
    admin.post("/api/v1/experiments/button/start")
    assert staging.get("/api/v1/experiments").json()["total"] == 0
    assert staging.get("/api/v1/metrics").json()["metrics"] == []
    for method, path in (
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/history"), ("GET", "/results"),
        ("POST", "/start"), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/stop"),
        ("POST", "/archive"), ("POST", "/ship"),
    ):  # fmt: skip
        body = {"variant": "green"} if path == "/ship" else {}
        sent = None if method in {"GET", "DELETE"} else body
        answer = staging.request(method, f"/api/v1/experiments/button{path}", json=sent)
        assert answer.status_code == 404, (method, path)
    asked = {"unit_id": "u", "experiments": ["button"]}
    assert staging.post("/api/v1/assignments", json=asked).status_code == 404
    item = {"type": "exposure", "experiment": "button", "variant": "grey", "unit_id": "u"}
    verdict = staging.post("/api/v1/events", json={"events": [item]}).json()["results"][0]
    assert verdict["error"]["code"] == "UNKNOWN_EXPERIMENT"


def test_a_report_that_has_not_changed_is_not_sent_again(admin: httpx.Client):
    admin.post("/api/v1/experiments", json=BUTTON)
    admin.post("/api/v1/experiments/button/start")
    url = "/api/v1/experiments/button/results"
    first = admin.get(url)
    assert first.status_code == 200
    same = admin.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    admin.patch("/api/v1/experiments/button", json={"name": "Another"})
    changed = admin.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (changed.status_code, changed.json()["name"]) == (200, "Another")
