"""OFREP over the running service: the published contract, and what clients need beyond it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import yaml

from api import create_app
from experiments.access import Keys
from experiments.definitions.experiment import Document
from experiments.settings import Settings
from experiments.store.database import Database

FLAGS = "/ofrep/v1/evaluate/flags"
ASSIGN = "/api/v1/assignments"
Validate = Callable[[str, object], None]


@pytest.fixture(scope="session")
def valid(shared: Path) -> Validate:
    """Check a document against a schema of the published contract."""
    contract = yaml.safe_load((shared / "conformance" / "ofrep-openapi.yaml").read_text("utf-8"))
    schemas = contract["components"]["schemas"]
    # As published, `oneOf` with `codeDefaultFlag` refuses every value, for that one takes all;
    # and the standard reason DEFAULT is missing.
    details, kinds = schemas["evaluationSuccess"]["allOf"]
    kinds["anyOf"] = kinds.pop("oneOf")
    details["properties"]["reason"]["enum"].append("DEFAULT")

    def check(name: str, document: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": contract["components"]}
        jsonschema_rs.Draft202012Validator(schema).validate(document)

    return check


def start(admin: httpx.Client, key: str, *verbs: str, **fields: Any) -> None:
    body = {
        "key": key,
        "variants": [
            {"key": "grey", "weight": 0.5, "value": "#888"},
            {"key": "green", "weight": 0.5, "value": "#0a0"},
        ],
        **fields,
    }
    created = admin.post("/api/v1/experiments", json=body)
    assert created.status_code == 201, created.text
    for verb in ("start", *verbs):
        asked = {"variant": "green"} if verb == "ship" else {}
        moved = admin.post(f"/api/v1/experiments/{key}/{verb}", json=asked)
        assert moved.status_code == 200, moved.text


def settle() -> None:
    """Wait until every worker has seen the last change."""
    time.sleep(1.0)


def context(unit: str = "u", **attributes: Any) -> Document:
    return {"context": {"targetingKey": unit, **attributes}}


def one(admin: httpx.Client, key: str, unit: str = "u", **attributes: Any) -> Document:
    answer = admin.post(f"{FLAGS}/{key}", json=context(unit, **attributes))
    assert answer.status_code == 200, answer.text
    found: Document = answer.json()
    return found


def test_every_state_keeps_the_contract(admin: httpx.Client, valid: Validate, environment: str):
    start(admin, "running")
    start(admin, "paused", "pause")
    start(admin, "stopped", "stop")
    start(admin, "shipped", "ship")
    start(admin, "french", audience={"country": "FR"})
    start(admin, "closed", traffic=0.0)
    start(admin, "hero-2", feature="hero")
    admin.post("/api/v1/experiments", json={"key": "draft", "variants": [
        {"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]})  # fmt: skip
    settle()
    answer = admin.post(FLAGS, json=context())
    valid("bulkEvaluationSuccess", answer.json())
    assert answer.json()["metadata"] == {"flagSetId": environment, "contextId": "u"}
    flags = {flag["key"]: flag for flag in answer.json()["flags"]}
    split = flags["running"]["variant"]
    assert {
        key: (flag["variant"], flag["value"], flag["reason"], flag["metadata"]["inExperiment"])
        for key, flag in flags.items()
    } == {
        "running": (split, {"grey": "#888", "green": "#0a0"}[split], "SPLIT", True),
        "hero": (flags["hero"]["variant"], flags["hero"]["value"], "SPLIT", True),
        "paused": ("grey", "#888", "DISABLED", False),
        "stopped": ("grey", "#888", "DISABLED", False),
        "shipped": ("green", "#0a0", "TARGETING_MATCH", False),
        "french": ("grey", "#888", "DEFAULT", False),
        "closed": ("grey", "#888", "DEFAULT", False),
    }
    for key, flag in flags.items():
        valid("serverEvaluationSuccess", flag)
        assert one(admin, key) == flag
    assert flags["hero"]["metadata"] == {
        "flagSetId": environment, "contextId": "u", "version": "2",
        "experimentKey": "hero-2", "inExperiment": True, "assignmentReason": "SPLIT",
    }  # fmt: skip
    assert flags["closed"]["metadata"]["assignmentReason"] == "NOT_IN_TRAFFIC"


def test_both_faces_say_the_same(admin: httpx.Client):
    start(admin, "button", traffic=0.7, audience={"plan": {"$ne": "free"}})
    settle()
    seen = set()
    for number in range(150):
        unit, plan = f"user-{number}", ("free", "paid")[number % 3 > 0]
        body = {"unit_id": unit, "attributes": {"plan": plan}}
        assigned = admin.post(ASSIGN, json=body).json()["assignments"][0]
        flag = one(admin, "button", unit, plan=plan)
        assert flag["variant"] == (assigned["variant"] or "grey")
        assert flag["value"] == assigned["value"]
        assert flag["metadata"]["inExperiment"] == assigned["in_experiment"]
        assert flag["metadata"]["assignmentReason"] == assigned["reason"]
        seen.add(assigned["reason"])
    assert seen == {"SPLIT", "TARGETING_MISMATCH", "NOT_IN_TRAFFIC"}


def test_other_unit_types_are_attributes(admin: httpx.Client):
    start(admin, "kiosk", unit_type="device")
    settle()

    def assigned(device: str) -> Document:
        body = {"unit_id": device, "unit_type": "device"}
        found: Document = admin.post(ASSIGN, json=body).json()["assignments"][0]
        return found

    for number in range(40):
        expected = assigned(f"d{number}")["variant"]
        assert one(admin, "kiosk", "user-1", device=f"d{number}")["variant"] == expected
    assert one(admin, "kiosk", device=42)["variant"] == assigned("42")["variant"]
    for nobody in ({}, {"device": ""}, {"device": 0}, {"device": True}, {"device": [1]},
                   {"id": "d1"}):  # fmt: skip
        flag = one(admin, "kiosk", "d1", **nobody)
        assert (flag["variant"], flag["reason"]) == ("grey", "DEFAULT")
        assert flag["metadata"]["assignmentReason"] == "UNIT_ID_MISSING"
    admin.post("/api/v1/experiments/kiosk/ship", json={"variant": "green"})
    settle()
    assert one(admin, "kiosk")["variant"] == "green"


def test_the_running_experiment_fills_the_feature_not_the_stopped_one(admin: httpx.Client):
    start(admin, "first", "stop", feature="hero")
    start(admin, "second", feature="hero")
    start(admin, "third", "stop", feature="footer")
    settle()
    assert one(admin, "hero")["metadata"]["experimentKey"] == "second"
    assert one(admin, "footer")["reason"] == "DISABLED"


NUMBERS = {
    "whole": (1, 2, "[1, 2]"),
    "fraction": (1.0, 2.0, "[1.0, 2.0]"),
    "mixed": (1, 2.5, "[1.0, 2.5]"),
    "large": (10**300, 2.5, f"[{10**300}, 2.5]"),
    "flag": (True, 2.5, "[true, 2.5]"),
    "inside": ({"a": 1.0}, {"a": 2}, '[{"a": 1.0}, {"a": 2}]'),
}


def test_a_fraction_stays_one_through_the_store_and_the_file(database_url: str, tmp_path: Path):
    """Python's client takes 1 for no float, and 1.0 for no integer."""
    settings = Settings(database_url, tmp_path, secret_key="for tests")
    app = create_app(settings)
    database: Database = app.extensions["evenhand"].database
    headers = {"X-API-Key": Keys(database).create("admin", "production", actor="tests")}
    with app.test_client() as client:
        for key, (control, other, _) in NUMBERS.items():
            variants = [
                {"key": "a", "weight": 0.5, "value": control},
                {"key": "b", "weight": 0.5, "value": other},
            ]
            body = {"key": key, "variants": variants}
            assert client.post("/api/v1/experiments", json=body, headers=headers).status_code == 201
            client.post(f"/api/v1/experiments/{key}/start", headers=headers)
    app.extensions["evenhand"].close()

    def values(settings: Settings) -> dict[str, str]:
        """The values of both variants as they stand in the body."""
        cold = create_app(settings)
        found: dict[str, dict[str, Any]] = {key: {} for key in NUMBERS}
        with cold.test_client() as client:
            for number in range(30):
                answer = client.post(FLAGS, json=context(f"u{number}"), headers=headers)
                for flag in answer.json["flags"]:
                    found[flag["key"]][flag["variant"]] = flag["value"]
        cold.extensions["evenhand"].close()
        return {key: json.dumps([both["a"], both["b"]]) for key, both in found.items()}

    expected = {key: text for key, (_, _, text) in NUMBERS.items()}
    assert values(settings) == expected
    nowhere = Settings(f"sqlite:///{tmp_path}/no/such/folder/e.db", tmp_path, secret_key="x")
    assert values(nowhere) == expected


def test_null_asks_for_the_default_in_the_code(admin: httpx.Client, valid: Validate):
    start(admin, "text", variants=[
        {"key": "a", "weight": 1.0, "value": None}, {"key": "b", "weight": 0.0}])  # fmt: skip
    settle()
    flag = one(admin, "text")
    valid("serverEvaluationSuccess", flag)
    assert "value" not in flag
    assert (flag["variant"], flag["reason"]) == ("a", "SPLIT")


def test_the_etag_names_the_evaluation(admin: httpx.Client):
    start(admin, "french", audience={"country": "FR"})
    settle()

    def ask(etag: str | None = None, unit: str = "u", **attributes: Any) -> httpx.Response:
        headers = {"Connection": "close"}  # whichever worker answers
        if etag is not None:
            headers["If-None-Match"] = etag
        return admin.post(FLAGS, json=context(unit, **attributes), headers=headers)

    german = ask(country="DE").headers["ETag"]
    for same in (german, f"W/{german}", f'"other", {german}'):
        for country in ("DE", "CH"):  # another context, but the same evaluation
            answer = ask(same, country=country)
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["ETag"] == german
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
    french = ask(german, country="FR")
    assert french.status_code == 200
    assert french.headers["ETag"] != german
    assert ask(german, unit="v", country="DE").status_code == 200
    start(admin, "other")
    settle()
    assert ask(german, country="DE").status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "PARSE_ERROR"),
        (b"{", "PARSE_ERROR"),
        (b"\xff\xfe", "PARSE_ERROR"),
        (b'{"context": {"targetingKey": "u", "a": NaN}}', "PARSE_ERROR"),
        (b'{"context": {"targetingKey": "u", "a": 1e999}}', "PARSE_ERROR"),
        (b'{"context": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "PARSE_ERROR"),
        (b"[]", "INVALID_CONTEXT"),
        (b"{}", "INVALID_CONTEXT"),
        (b'{"context": null}', "INVALID_CONTEXT"),
        (b'{"context": []}', "INVALID_CONTEXT"),
        (b'{"context": {"targetingKey": "u"}, "flags": []}', "INVALID_CONTEXT"),
        (b'{"context": {"targetingKey": 42}}', "INVALID_CONTEXT"),
        (b'{"context": {"targetingKey": "a\\u0000"}}', "INVALID_CONTEXT"),
        (b'{"context": {"targetingKey": "\\ud800"}}', "INVALID_CONTEXT"),
        (b'{"context": {"targetingKey": "u", "a": ' + b"[" * 40 + b"]" * 40 + b"}}",
         "INVALID_CONTEXT"),
        (b'{"context": {"targetingKey": "' + b"u" * 257 + b'"}}', "INVALID_CONTEXT"),
        (b'{"context": {}}', "TARGETING_KEY_MISSING"),
        (b'{"context": {"targetingKey": ""}}', "TARGETING_KEY_MISSING"),
        (b'{"context": {"targetingKey": null}}', "TARGETING_KEY_MISSING"),
    ],
)  # fmt: skip
def test_what_is_no_request(admin: httpx.Client, valid: Validate, body: bytes, code: str):
    bulk = admin.post(FLAGS, content=body)
    single = admin.post(f"{FLAGS}/button", content=body)
    for answer in (bulk, single):
        assert (answer.status_code, answer.json()["errorCode"]) == (400, code)
        assert answer.json()["errorDetails"]
        assert answer.headers["Content-Type"] == "application/json"
    valid("bulkEvaluationFailure", bulk.json())
    valid("evaluationFailure", single.json())
    assert single.json()["key"] == "button"


def test_a_body_over_the_limit(admin: httpx.Client):
    answer = admin.post(FLAGS, content=b" " * 1_000_001)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("nothing", "nothing"),
        ("draft", "draft"),
        ("gone", "gone"),
        ("a/b", "a/b"),
        ("here/", "here/"),
        ("he%20re", "he re"),
        ("here?x=1", "here?x=1"),
        ("%F0%9F%98%80", "😀"),
        ("%FF%00", "\ufffd\x00"),
        ("x" * 2000, "x" * 2000),
    ],
)
def test_flags_that_are_not_there(admin: httpx.Client, valid: Validate, path: str, key: str):
    start(admin, "here")
    start(admin, "gone", "stop", "archive")
    admin.post("/api/v1/experiments", json={"key": "draft", "variants": [
        {"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]})  # fmt: skip
    settle()
    answer = admin.post(f"{FLAGS}/{path}", json=context())
    assert answer.status_code == 404
    valid("flagNotFound", answer.json())
    assert (answer.json()["key"], answer.json()["errorCode"]) == (key, "FLAG_NOT_FOUND")
    assert answer.json()["errorDetails"]


def test_an_environment_sees_its_own_features_only(service, admin: httpx.Client, environment: str):
    start(admin, "button")
    settle()
    for kind in ("client", "server", "admin"):
        own = service.client(kind, environment).post(f"{FLAGS}/button", json=context())
        assert own.status_code == 200
    other = service.client("server", f"{environment}-b")
    assert other.post(f"{FLAGS}/button", json=context()).status_code == 404
    assert other.post(FLAGS, json=context()).json()["flags"] == []


def test_evaluating_is_no_exposure(admin: httpx.Client):
    start(admin, "button")
    settle()
    admin.post(FLAGS, json=context("seen-in-bulk"))
    one(admin, "button", "seen-alone")
    report = admin.get("/api/v1/experiments/button/results").json()
    assert sum(report["units"].values()) == 0
    flag = one(admin, "button", "exposed")
    exposure = {
        "type": "exposure", "unit_id": flag["metadata"]["contextId"],
        "experiment": flag["metadata"]["experimentKey"], "variant": flag["variant"],
    }  # fmt: skip
    logged = admin.post("/api/v1/events", json={"events": [exposure]}).json()["results"][0]
    assert logged["status"] == "stored"
    report = admin.get("/api/v1/experiments/button/results").json()
    assert report["units"][flag["variant"]] == 1
    assert report["health"]["hash_disagreement"]["units"] == 0
