"""The GrowthBook SDKs' routes as HTTP: payload, streams, remote evaluation, tracking."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.conftest import Service

ARMS = [
    {"key": "grey", "weight": 0.25, "value": "#888"},
    {"key": "green", "weight": 0.75, "value": "#0a0"},
]


@dataclass
class Shop:
    """An environment of the common service with a client key of its own."""

    url: str
    admin: httpx.Client
    key: str

    def experiment(self, key: str, *, start: bool = True, **fields: object) -> None:
        body = {"key": key, "variants": ARMS, **fields}
        created = self.admin.post("/api/v1/experiments", json=body)
        assert created.status_code == 201, created.text
        if start:
            self.move(key, "start")

    def move(self, key: str, verb: str, **body: object) -> None:
        moved = self.admin.post(f"/api/v1/experiments/{key}/{verb}", json=body)
        assert moved.status_code == 200, moved.text

    def payload(self) -> dict:
        time.sleep(1.0)  # until every worker has seen the last change
        answer = httpx.get(f"{self.url}/api/features/{self.key}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def evaluate(self, **body: object) -> dict:
        answer = httpx.post(f"{self.url}/api/eval/{self.key}", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.json()["features"]

    def track(self, body: object) -> list[dict]:
        answer = httpx.post(
            f"{self.url}/track",
            params={"client_key": self.key},
            content=json.dumps(body),
            headers={"Content-Type": "text/plain"},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]

    def report(self, key: str) -> dict:
        answer = self.admin.get(f"/api/v1/experiments/{key}/results")
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def shop(service: Service, admin: httpx.Client, environment: str) -> Shop:
    return Shop(service.url, admin, service.key("client", environment))


def test_each_state_of_an_experiment(shop: Shop):
    shop.experiment("button", start=False, name="The button", audience={"country": "FR"})
    seen = [shop.payload()]
    assert seen[-1]["features"] == {}
    shop.move("button", "start")
    seen.append(shop.payload())
    rule = {
        "condition": {"country": "FR"},
        "key": "button",
        "phase": "1",
        "seed": "button",
        "hashAttribute": "id",
        "hashVersion": 2,
        "coverage": 1.0,
        "weights": [0.25, 0.75],
        "variations": ["#888", "#0a0"],
        "meta": [{"key": "grey"}, {"key": "green"}],
        "disableStickyBucketing": True,
    }
    assert seen[-1]["features"] == {"button": {"defaultValue": "#888", "rules": [rule]}}
    shop.move("button", "pause")
    seen.append(shop.payload())
    assert seen[-1]["features"] == {"button": {"defaultValue": "#888"}}
    shop.move("button", "resume")
    seen.append(shop.payload())
    assert seen[-1]["features"] == seen[1]["features"]
    shop.move("button", "ship", variant="green")
    seen.append(shop.payload())
    forced = {"condition": {"country": "FR"}, "force": "#0a0"}
    assert seen[-1]["features"] == {"button": {"defaultValue": "#888", "rules": [forced]}}
    shop.move("button", "stop")
    seen.append(shop.payload())
    assert seen[-1]["features"] == {"button": {"defaultValue": "#888"}}
    shop.move("button", "archive")
    seen.append(shop.payload())
    assert seen[-1]["features"] == {}
    assert {one["status"] for one in seen} == {200}
    dates = [one["dateUpdated"] for one in seen]
    assert all(before != after for before, after in itertools.pairwise(dates))


def test_an_edit_that_changes_only_words_changes_the_date(shop: Shop):
    shop.experiment("button")
    before = shop.payload()
    shop.admin.patch("/api/v1/experiments/button", json={"hypothesis": "Green sells."})
    after = shop.payload()
    assert before["features"] == after["features"]
    assert before["dateUpdated"] != after["dateUpdated"]


def test_a_feature_outlives_the_experiments_that_fill_it_in_turn(shop: Shop):
    shop.experiment("first", feature="hero")
    shop.move("first", "stop")
    shop.experiment("second", feature="hero", traffic=0.5)
    (feature,) = shop.payload()["features"].values()
    assert [rule["key"] for rule in feature["rules"]] == ["second"]


def test_the_payload_can_be_cached(shop: Shop):
    shop.experiment("button")
    shop.payload()
    url = f"{shop.url}/api/features/{shop.key}"
    first = httpx.get(url, headers={"Origin": "https://shop.example"})
    assert first.headers["Cache-Control"] == (
        "public, max-age=30, stale-while-revalidate=3600, stale-if-error=36000"
    )
    assert first.headers["x-sse-support"] == "enabled"
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    assert "x-sse-support" in first.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in first.headers
    etag = first.headers["ETag"]
    again = httpx.get(url, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == etag
    shop.admin.patch("/api/v1/experiments/button", json={"name": "Another"})
    shop.payload()
    changed = httpx.get(url, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag


def test_a_server_key_gets_the_names_and_nobody_sees_another_environment(
    service: Service, shop: Shop, environment: str
):
    shop.experiment("button", name="The button")
    (ours,) = shop.payload()["features"]["button"]["rules"]
    server = service.key("server", environment)
    seen = httpx.get(f"{shop.url}/api/features/{server}").json()
    (theirs,) = seen["features"]["button"]["rules"]
    assert (theirs.pop("id"), theirs.pop("name")) == ("experiment:button", "The button")
    assert [one.pop("name") for one in theirs["meta"]] == ["grey", "green"]
    assert theirs == ours
    stranger = service.key("client", f"{environment[:20]}-b")
    assert httpx.get(f"{shop.url}/api/features/{stranger}").json()["features"] == {}


def test_refusals_have_the_shape_of_both(service: Service, shop: Shop):
    admin_key = shop.admin.headers["Authorization"].removeprefix("Bearer ")
    for method, path in (
        ("GET", "/api/features/{}"),
        ("GET", "/sub/{}"),
        ("POST", "/api/eval/{}"),
        ("POST", "/track?client_key={}"),
    ):
        for key, status, code in (
            ("sdk-nobody", 401, "KEY_UNKNOWN"),
            (admin_key, 403, "KIND_FORBIDDEN"),
        ):
            answer = httpx.request(method, service.url + path.format(key), content="{")
            body = answer.json()
            assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
            assert body["error"] == body["detail"]
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert httpx.post(f"{service.url}/track", content="[]").json()["code"] == "KEY_MISSING"


def test_remote_evaluation_says_no_more_than_the_values(shop: Shop):
    shop.experiment("button", audience={"country": "FR"}, name="Secret plan")
    shop.experiment("shipped", audience={"country": "FR"})
    shop.move("shipped", "ship", variant="green")
    shop.experiment("stopped")
    shop.move("stopped", "stop")
    time.sleep(1.0)
    inside = shop.evaluate(attributes={"id": "u1", "country": "FR"}, url="", later_field=1)
    asked = {"unit_id": "u1", "attributes": {"country": "FR"}, "experiments": ["button"]}
    assigned = shop.admin.post("/api/v1/assignments", json=asked).json()["assignments"][0]
    assert inside["button"]["defaultValue"] == assigned["value"]
    (rule,) = inside["button"]["rules"]
    assert rule["force"] == assigned["value"]
    (track,) = rule["tracks"]
    index = ["grey", "green"].index(assigned["variant"])
    blanked = [ARMS[place]["value"] if place == index else None for place in range(2)]
    assert track["experiment"]["variations"] == blanked
    result = track["result"]
    assert (result["key"], result["variationId"]) == (assigned["variant"], index)
    assert (result["hashAttribute"], result["hashValue"]) == ("id", "u1")
    assert result["inExperiment"] is result["hashUsed"] is True
    assert inside["shipped"] == {"defaultValue": "#0a0", "rules": [{"force": "#0a0"}]}
    assert inside["stopped"] == {"defaultValue": "#888"}
    other = ARMS[1 - index]
    text = json.dumps(inside["button"])
    assert other["key"] not in text
    assert other["value"] not in text
    assert "country" not in text
    assert "weights" not in text


def test_remote_evaluation_of_those_outside_and_of_what_is_forced(shop: Shop):
    shop.experiment("button", audience={"country": "FR"})
    time.sleep(1.0)
    outside = {"button": {"defaultValue": "#888"}}
    assert shop.evaluate(attributes={"id": "u1", "country": "DE"}) == outside
    assert shop.evaluate(attributes={"country": "FR"}) == outside
    assert shop.evaluate(attributes={"id": "", "country": "FR"}) == outside
    forced = shop.evaluate(attributes={"id": "u1"}, forcedVariations={"button": 1, "no": 7})
    assert forced == {"button": {"defaultValue": "#0a0", "rules": [{"force": "#0a0"}]}}
    pinned = shop.evaluate(attributes={}, forcedFeatures=[["button", {"a": [1]}], ["no", 1]])
    assert pinned == {"button": {"defaultValue": {"a": [1]}, "rules": [{"force": {"a": [1]}}]}}
    for body in ({"attributes": []}, {"forcedFeatures": [["button"]]}, []):
        answer = httpx.post(f"{shop.url}/api/eval/{shop.key}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_FAILED")


def measured(shop: Shop, key: str, **fields: object) -> None:
    """A running experiment with a conversion and a sum of the event `buy`."""
    shop.admin.post("/api/v1/metrics", json={"key": "buys", "kind": "conversion", "event": "buy"})
    shop.admin.post("/api/v1/metrics", json={"key": "spent", "kind": "sum", "event": "buy"})
    metrics = [{"metric": "buys", "role": "goal"}, {"metric": "spent", "role": "secondary"}]
    shop.experiment(key, metrics=metrics, **fields)


def means(report: dict, metric: str) -> dict[str, tuple[int, float | None]]:
    (found,) = [one for one in report["metrics"] if one["metric"] == metric]
    return {one["variant"]: (one["n"], one["mean"]) for one in found["variants"]}


def viewed(properties: dict, **fields: object) -> dict:
    return {"event_name": "Experiment Viewed", "properties_json": properties, **fields}


def test_the_variation_is_a_key_or_an_index(shop: Shop):
    measured(shop, "button")
    shop.payload()
    js = {"experimentId": "button", "hashAttribute": "id"}
    python = {"experiment_id": "button", "hash_attribute": "id", "in_experiment": True}
    events = [
        viewed({**js, "variationId": "green", "hashValue": "a"}),
        viewed({**js, "variationId": "1", "hashValue": "b"}),
        {
            "event_name": "$$experiment_viewed",
            "properties_json": {
                **python, "variation_id": 0, "variation_key": "grey", "hash_value": "c",
                "hash_used": True,
            },
        },
        {
            "event_name": "$$experiment_viewed",
            "properties_json": {**python, "variation_id": 0, "hash_value": "d"},
        },
        {
            "event_name": "$$experiment_viewed",
            "properties_json": {
                **python, "variation_id": 1, "hash_value": "e", "in_experiment": False,
            },
        },
        viewed({**js, "variationId": "1", "hashValue": 7.0}),
    ]  # fmt: skip
    assert [one["status"] for one in shop.track(events)] == ["stored"] * 6
    report = shop.report("button")
    assert report["units"] == {"grey": 2, "green": 3}
    assert report["health"]["excluded_exposures"] == {"NOT_IN_EXPERIMENT": 1}
    again = shop.track(events)
    assert [one["status"] for one in again] == ["duplicate"] * 6


def test_an_index_of_an_experiment_that_began_a_moment_ago(shop: Shop):
    for number in range(10):  # whichever worker answers
        key = f"new-{number}"
        shop.experiment(key)
        said = {"experimentId": key, "variationId": 1, "hashAttribute": "id", "hashValue": "u"}
        (verdict,) = shop.track([viewed(said)])
        assert verdict["status"] == "stored", verdict


def test_an_outcome_finds_the_unit_by_any_id_of_the_event(shop: Shop):
    measured(shop, "by-id")
    measured(shop, "by-user", unit_type="user_id")
    measured(shop, "by-account", unit_type="account")
    shop.payload()
    ids = {"user_id": "42", "device_id": "d1", "context_json": {"account": 9, "plan": "pro"}}

    def exposed(experiment: str, attribute: str, value: object) -> dict:
        said = {"experimentId": experiment, "variationId": "grey"}
        return viewed({**said, "hashAttribute": attribute, "hashValue": value}, **ids)

    results = shop.track(
        [
            exposed("by-id", "id", "u1"),
            exposed("by-user", "user_id", "42"),
            exposed("by-account", "account", 9),
            {"event_name": "buy", "properties_json": {"value": 5}, **ids},
            {"event_name": "buy", "properties_json": {"revenue": 3}, "device_id": "d1"},
        ]
    )
    assert {one["status"] for one in results} == {"stored"}
    for experiment in ("by-id", "by-user", "by-account"):
        assert means(shop.report(experiment), "spent")["grey"] == (1, 8.0), experiment


def test_the_value_of_an_outcome(shop: Shop):
    measured(shop, "button")
    shop.payload()
    events: list[dict] = []
    for unit, properties, _ in (
        ("a", {"value": 2, "revenue": 50}, 2),
        ("b", {"value": "blue", "revenue": 30}, 30),
        ("c", {"value": True}, 1),
        ("d", {}, 1),
        ("e", {"revenue": -4.5}, -4.5),
    ):
        said = {"experimentId": "button", "variationId": "grey", "hashAttribute": "id"}
        events.append(viewed({**said, "hashValue": unit}, device_id=unit))
        events.append({"event_name": "buy", "properties_json": properties, "device_id": unit})
    assert {one["status"] for one in shop.track(events)} == {"stored"}
    assert means(shop.report("button"), "spent")["grey"] == (5, (2 + 30 + 1 + 1 - 4.5) / 5)


def test_what_is_not_stored_and_what_is_refused(shop: Shop):
    results = shop.track(
        [
            {"event_name": "Feature Evaluated", "properties_json": {"feature_key": "x"}},
            {"event_name": "$$feature_evaluated", "user_id": "u"},
            "nonsense",
            {"event_name": "buy"},
            {"event_name": "buy", "user_id": "u", "properties_json": "text"},
            viewed({"experimentId": "nope", "variationId": "1", "hashValue": "u"}),
            {"event_name": ["buy"], "user_id": "u"},
            {"event_name": "buy", "user_id": "u"},
        ]
    )
    assert [(one["index"], one["status"], one.get("error", {}).get("code")) for one in results] == [
        (0, "ignored", None),
        (1, "ignored", None),
        (2, "rejected", "ITEM_NOT_OBJECT"),
        (3, "rejected", "UNIT_MISSING"),
        (4, "rejected", "FIELD_TYPE"),
        (5, "rejected", "UNKNOWN_EXPERIMENT"),
        (6, "rejected", "FIELD_TYPE"),
        (7, "stored", None),
    ]


def test_the_documented_batch_has_times(shop: Shop):
    measured(shop, "button")
    shop.payload()
    now = "2026-01-01T00:00:00.000Z"
    properties = {"experimentId": "button", "variationId": "grey", "hashValue": "u1"}
    batch = {
        "sentAt": now,
        "events": [
            {
                "event_name": "buy", "properties": {"value": 3}, "attributes": {"id": "u1"},
                "timestamp": now,
            },
            {
                "event_name": "Experiment Viewed",
                "properties": {**properties, "hashAttribute": "id"},
                "attributes": {"id": "u1", "country": "FR"},
                "timestamp": now,
            },
        ],
    }  # fmt: skip
    assert [one["status"] for one in shop.track(batch)] == ["stored", "stored"]
    assert [one["status"] for one in shop.track(batch)] == ["duplicate", "duplicate"]
    # The clock was months behind, which `sentAt` tells: the exposure falls into the running phase.
    assert shop.report("button")["units"] == {"grey": 1, "green": 0}
    (alone,) = shop.track({"event_name": "buy", "device_id": "u1"})
    assert alone["status"] == "stored"


def test_the_limits_of_a_batch(shop: Shop):
    url = f"{shop.url}/track?client_key={shop.key}"
    for body, status, code in (
        ("[{}", 400, "BODY_NOT_JSON"),
        ("3", 422, "VALIDATION_FAILED"),
        ('{"events": 3}', 422, "VALIDATION_FAILED"),
        ('{"events": [], "sentAt": "yesterday"}', 422, "VALIDATION_FAILED"),
        (json.dumps([{}] * 1001), 422, "BATCH_TOO_LARGE"),
        (" " * 1_000_001, 413, "BODY_TOO_LARGE"),
    ):
        answer = httpx.post(url, content=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert shop.track([]) == []


def payloads(lines: Iterator[str]) -> Iterator[dict]:
    """The payloads of a stream, whatever pings lie between."""
    for line in lines:
        if line == "event: features":
            yield json.loads(next(lines).removeprefix("data: "))


def test_a_stream_tells_what_changes(shop: Shop):
    shop.experiment("button")
    known = shop.payload()
    with httpx.stream("GET", f"{shop.url}/sub/{shop.key}", timeout=20) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert stream.headers["Access-Control-Allow-Origin"] == "*"
        told = payloads(stream.iter_lines())
        assert next(told) == known
        shop.move("button", "ship", variant="green")
        (rule,) = next(told)["features"]["button"]["rules"]
        assert rule == {"force": "#0a0"}


def test_a_stream_ends_with_its_key(service: Service, shop: Shop):
    shop.payload()
    with httpx.stream("GET", f"{shop.url}/sub/{shop.key}", timeout=20) as stream:
        told = payloads(stream.iter_lines())
        next(told)
        environment, selector = shop.key.split("_")[2:4]
        service.evenhand("key", "revoke", selector, "--env", environment)
        assert list(told) == []


def test_streams_hold_a_quarter_of_the_threads(start_service, new_sqlite):
    service = start_service(new_sqlite(), workers=1, EVENHAND_THREADS="8")
    key = service.key("client")
    features, sub = f"{service.url}/api/features/{key}", f"{service.url}/sub/{key}"

    def supported() -> bool:
        return "x-sse-support" in httpx.get(features).headers

    # The iterators are kept: httpx closes a stream whose iterator is collected.
    with httpx.stream("GET", sub, timeout=20) as first:
        told = payloads(first.iter_lines())
        next(told)
        assert supported()
        with httpx.stream("GET", sub, timeout=20) as second:
            told_too = payloads(second.iter_lines())
            next(told_too)
            assert not supported()
            refused = httpx.get(sub)
            assert (refused.status_code, refused.json()["code"]) == (503, "STREAMS_FULL")
            assert refused.headers["Retry-After"].isdigit()
    end = time.monotonic() + 10
    while not supported():  # clients that left give their places back
        assert time.monotonic() < end
        time.sleep(0.1)


def test_streams_do_not_hold_up_a_stop(start_service, new_sqlite):
    service = start_service(new_sqlite(), workers=2)
    key = service.key("client")
    with httpx.stream("GET", f"{service.url}/sub/{key}", timeout=20) as stream:
        told = payloads(stream.iter_lines())
        next(told)
        os.kill(service.process.pid, signal.SIGTERM)
        assert list(told) == []  # a clean end, not a cut connection
        # gunicorn would give a stream that stayed open 30 seconds, and then kill it.
        assert service.process.wait(20) == 0
    assert "WORKER TIMEOUT" not in service.log.read_text()
