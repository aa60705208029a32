"""What clients get wrong: one shape of error, a stable code, nothing lost, never a 5xx."""

from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3

import httpx
import pytest

EVENTS = "/api/v1/events"


@pytest.fixture(autouse=True)
def button(admin: httpx.Client) -> None:
    admin.post(
        "/api/v1/experiments",
        json={
            "key": "button",
            "variants": [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}],
        },
    )
    assert admin.post("/api/v1/experiments/button/start").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"events": [{"value": NaN}]}',
        b'{"events": [{"value": Infinity}]}',
        b'{"events": [{"value": 1e999}]}',
        b'{"events": [{"value": ' + b"9" * 5000 + b"}]}",
        b'{"events": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        gzip.compress(b'{"events": []}', mtime=0),
    ],
)
@pytest.mark.parametrize("path", [EVENTS, "/api/v1/assignments", "/api/v1/experiments"])
def test_what_is_not_json_is_refused_whole(admin: httpx.Client, path: str, body: bytes):
    answer = admin.post(path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "BODY_NOT_JSON")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_empty_batch_is_no_json(admin: httpx.Client):
    assert admin.post(EVENTS, content=b"").json()["code"] == "BODY_NOT_JSON"


def test_a_body_over_the_limit(admin: httpx.Client):
    answer = admin.post(EVENTS, content=b" " * 1_000_001)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    "body",
    [[], "x", 1, {}, {"events": {}}, {"events": [], "x": 1}, {"events": [], "sent_at": 17}],
)
def test_what_is_no_batch(admin: httpx.Client, body: object):
    answer = admin.post(EVENTS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_FAILED")


def test_a_batch_over_the_limit(admin: httpx.Client):
    answer = admin.post(EVENTS, json={"events": [{}] * 1001})
    assert (answer.status_code, answer.json()["code"]) == (422, "BATCH_TOO_LARGE")


def test_each_item_is_judged_by_itself_and_nothing_is_lost(
    admin: httpx.Client, service, environment: str
):
    good = {"type": "exposure", "experiment": "button", "variant": "grey", "unit_id": "u1"}
    deep: object = 1
    for _ in range(30):
        deep = [deep]
    bad = [
        ({**good, "experiment": "nope"}, "UNKNOWN_EXPERIMENT"),
        ({**good, "variant": "blue"}, "UNKNOWN_VARIANT"),
        ({**good, "colour": 1}, "FIELD_UNKNOWN"),
        ({**good, "unit_type": "device"}, "UNIT_TYPE_MISMATCH"),
        ({**good, "unit_id": 42}, "FIELD_TYPE"),
        ({**good, "timestamp": 1769851800}, "TIMESTAMP_INVALID"),
        ({"type": "outcome", "event": "buy", "unit_id": "u1", "value": "7"}, "FIELD_TYPE"),
        ({"type": "outcome", "event": "buy", "unit_id": "u1", "properties": {"a": deep}},
         "ITEM_TOO_DEEP"),
        ({"type": "outcome", "event": "b" * 40_000, "unit_id": "u1"}, "ITEM_TOO_LARGE"),
        ({"type": "outcome", "event": "buy", "unit_id": "a\x00"}, "TEXT_INVALID"),
        ("text", "ITEM_NOT_OBJECT"),
        (None, "ITEM_NOT_OBJECT"),
        ({}, "TYPE_UNKNOWN"),
    ]  # fmt: skip
    items = [good, *(item for item, _ in bad), {**good, "unit_id": "u2"}]
    answer = admin.post(EVENTS, json={"events": items})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [one["index"] for one in results] == list(range(len(items)))
    assert results[0]["status"] == results[-1]["status"] == "stored"
    for (item, code), result in zip(bad, results[1:-1], strict=True):
        assert (result["status"], result["error"]["code"]) == ("rejected", code), item
        assert result["error"]["message"]
    again = admin.post(EVENTS, json={"events": items}).json()["results"]
    assert again[0]["status"] == again[-1]["status"] == "duplicate"
    letters = dead_letters(service, environment)
    assert sorted(letters) == sorted(code for _, code in bad)


def dead_letters(service, environment: str) -> list[str]:
    path = service.env["EVENHAND_DATABASE_URL"].removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT code, body FROM dead_letters WHERE environment = ?", (environment,)
        ).fetchall()
    for _, body in rows:
        json.loads(body)
    return [code for code, _ in rows]


def test_unknown_routes_and_methods(service):
    missing = httpx.get(f"{service.url}/api/v1/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "ROUTE_NOT_FOUND")
    method = httpx.put(f"{service.url}/healthz")
    assert (method.status_code, method.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert "GET" in method.headers["Allow"]
