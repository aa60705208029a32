"""Keys over HTTP and on the command line, and the payloads that each of them gets."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from experiments.assignment.encryption import decrypt
from tests.conftest import ROOT, Service

EMAIL = "ann@shop.example"


def make(admin: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = admin.post("/api/v1/keys", json={"kind": "client", **fields})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    made: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/api/v1/keys/{made['selector']}"
    return made


def experiment(admin: httpx.Client, key: str, **fields: Any) -> None:
    arms = [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}]
    created = admin.post("/api/v1/experiments", json={"key": key, "variants": arms, **fields})
    assert created.status_code == 201, created.text
    assert admin.post(f"/api/v1/experiments/{key}/start").status_code == 200
    time.sleep(1.0)  # until every worker has seen it


def features(service: Service, key: str) -> httpx.Response:
    return httpx.get(f"{service.url}/api/features/{key}")


def payloads(lines: Iterator[str]) -> Iterator[dict]:
    for line in lines:
        if line == "event: features":
            yield json.loads(next(lines).removeprefix("data: "))


def test_a_key_is_shown_whole_once(service: Service, admin: httpx.Client, environment: str):
    made = make(admin, name="shop", payload="encrypted", secure_attributes=["email", "account.id"])
    assert made["key"].startswith(f"ehk_client_{environment}_{made['selector']}_")
    assert (made["payload"], made["secure_attributes"]) == ("encrypted", ["account.id", "email"])
    shown = admin.get(f"/api/v1/keys/{made['selector']}")
    assert shown.headers["Cache-Control"] == "no-store"
    assert shown.json() == {name: one for name, one in made.items() if name != "key"}
    assert shown.json()["withheld"] == []
    (listed,) = [one for one in admin.get("/api/v1/keys").json()["keys"] if one["kind"] == "client"]
    secrets = {"decryption_key", "salt", "withheld"}
    assert listed == {name: one for name, one in shown.json().items() if name not in secrets}
    text = service.evenhand("key", "secrets", made["selector"], "--env", environment)
    assert text == f"decryption_key  {made['decryption_key']}\nsalt  {made['salt']}\n"
    lines = service.evenhand("key", "list", "--env", environment).splitlines()
    (line,) = [one for one in lines if one.startswith(made["selector"])]
    assert "encrypted payload (hashed: account.id, email)  shop" in line


def test_a_key_made_on_the_command_line(service: Service, admin: httpx.Client, environment: str):
    create = ("key", "create", "--kind", "client", "--env", environment)
    key = service.evenhand(*create, "--payload", "remote").strip()
    assert features(service, key).json()["code"] == "PAYLOAD_REMOTE"
    key = service.evenhand(*create, "--secure-attribute", "email", "--secure-attribute", "phone")
    selector = key.split("_")[3]
    shown = admin.get(f"/api/v1/keys/{selector}").json()
    assert (shown["payload"], shown["secure_attributes"]) == ("plain", ["email", "phone"])
    assert service.evenhand("key", "secrets", selector, "--env", environment) == (
        f"salt  {shown['salt']}\n"
    )
    plain = service.evenhand(*create).split("_")[3]
    told = service.evenhand("key", "secrets", plain, "--env", environment)
    assert "needs none" in told


def test_secrets_need_the_secret_of_the_service(
    service: Service, admin: httpx.Client, environment: str
):
    selector = make(admin, payload="encrypted")["selector"]
    env = {name: one for name, one in service.env.items() if name != "EVENHAND_SECRET_KEY"}
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cli", "key", "secrets", selector, "--env", environment],
        env=env, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "SECRET_KEY_MISSING" in done.stderr


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "server", "payload": "encrypted"}, "PAYLOAD_NOT_CLIENT"),
        ({"kind": "admin", "secure_attributes": ["email"]}, "PAYLOAD_NOT_CLIENT"),
        ({"payload": "remote", "secure_attributes": ["email"]}, "SECURE_ATTRIBUTES_REMOTE"),
        ({"secure_attributes": ["$in"]}, "SECURE_ATTRIBUTES_INVALID"),
        ({"payload": "secret"}, "VALIDATION_FAILED"),
        ({"secure_attributes": "email"}, "VALIDATION_FAILED"),
        ({"secure_attributes": [""]}, "VALIDATION_FAILED"),
        ({"kind": "owner"}, "VALIDATION_FAILED"),
    ],
)
def test_what_no_key_can_be(admin: httpx.Client, fields: dict[str, Any], code: str):
    answer = admin.post("/api/v1/keys", json={"kind": "client", **fields})
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_key_is_revoked_and_stays_in_the_environment(
    service: Service, admin: httpx.Client, environment: str
):
    made = make(admin)
    address = f"/api/v1/keys/{made['selector']}"
    with service.client("admin", f"{environment[:20]}-b") as stranger:
        for method in ("GET", "DELETE"):
            answer = stranger.request(method, address)
            assert (answer.status_code, answer.json()["code"]) == (404, "KEY_NOT_FOUND")
        assert made["selector"] not in stranger.get("/api/v1/keys").text
    assert features(service, made["key"]).status_code == 200
    assert admin.delete(address).status_code == 204
    time.sleep(1.0)
    assert features(service, made["key"]).json()["code"] == "KEY_EXPIRED"
    assert admin.get(address).json()["revoked_at"] is not None
    assert admin.delete(address).json()["code"] == "KEY_NOT_FOUND"


def test_an_encrypted_payload_over_http(service: Service, admin: httpx.Client):
    experiment(admin, "button", name="A secret plan", audience={"country": "FR"})
    plain, sealed, other = (make(admin, payload=mode) for mode in ("plain", *["encrypted"] * 2))
    time.sleep(1.0)
    answers = [features(service, one["key"]) for one in (plain, sealed, other)]
    open_payload = answers[0].json()
    assert "A secret plan" not in answers[0].text
    for made, answer in zip((sealed, other), answers[1:], strict=True):
        payload = answer.json()
        assert payload["features"] == {}
        assert payload["dateUpdated"] == open_payload["dateUpdated"]
        opened = json.loads(decrypt(payload["encryptedFeatures"], made["decryption_key"]))
        assert opened == open_payload["features"]
        assert "button" not in answer.text
    etags = [answer.headers["ETag"] for answer in answers]
    assert len(set(etags)) == 3
    for made, etag in zip((plain, sealed, other), etags, strict=True):
        for _ in range(6):  # whichever worker answers
            again = httpx.get(
                f"{service.url}/api/features/{made['key']}", headers={"If-None-Match": etag}
            )
            assert again.status_code == 304
    admin.patch("/api/v1/experiments/button", json={"hypothesis": "Green sells."})
    time.sleep(1.0)
    changed = [features(service, one["key"]) for one in (plain, sealed, other)]
    assert set(etags).isdisjoint(one.headers["ETag"] for one in changed)


def test_a_stream_is_encrypted_too(service: Service, admin: httpx.Client):
    experiment(admin, "button")
    made = make(admin, payload="encrypted")
    with httpx.stream("GET", f"{service.url}/sub/{made['key']}", timeout=20) as stream:
        told = payloads(stream.iter_lines())
        assert next(told) == features(service, made["key"]).json()
        ship = admin.post("/api/v1/experiments/button/ship", json={"variant": "green"})
        assert ship.status_code == 200, ship.text
        payload = next(told)
        opened = json.loads(decrypt(payload["encryptedFeatures"], made["decryption_key"]))
        assert opened["button"]["rules"] == [{"force": "green"}]


def test_a_remote_key_evaluates_and_gets_no_payload(service: Service, admin: httpx.Client):
    experiment(admin, "button")
    key = make(admin, payload="remote")["key"]
    for path in (f"/api/features/{key}", f"/sub/{key}"):
        refused = httpx.get(service.url + path)
        body = refused.json()
        assert (refused.status_code, body["code"]) == (403, "PAYLOAD_REMOTE")
        assert "/api/eval/" in body["error"]
        assert refused.headers["Access-Control-Allow-Origin"] == "*"
    answer = httpx.post(f"{service.url}/api/eval/{key}", json={"attributes": {"id": "u1"}})
    assert answer.json()["features"]["button"]["defaultValue"] in {"grey", "green"}


def test_hashed_attributes_in_the_payload_raw_ones_in_every_evaluation(
    service: Service, admin: httpx.Client
):
    experiment(admin, "vip", audience={"email": {"$in": [EMAIL]}})
    experiment(admin, "staff", audience={"email": {"$regex": "@shop[.]example$"}})
    made = make(admin, secure_attributes=["email"])
    time.sleep(1.0)
    answer = features(service, made["key"])
    published = answer.json()["features"]
    digest = hashlib.sha256((made["salt"] + EMAIL).encode()).hexdigest()
    (rule,) = published["vip"]["rules"]
    assert rule["condition"] == {"email": {"$in": [digest]}}
    assert published["staff"] == {"defaultValue": "grey", "rules": []}
    assert "shop" not in answer.text
    (withheld,) = admin.get(f"/api/v1/keys/{made['selector']}").json()["withheld"]
    assert (withheld["feature"], withheld["rule"]) == ("staff", 1)
    assert "$regex" in withheld["reason"]
    attributes = {"id": "u1", "email": EMAIL}
    evaluated = httpx.post(
        f"{service.url}/api/eval/{made['key']}", json={"attributes": attributes}
    ).json()["features"]
    assigned = httpx.post(
        f"{service.url}/api/v1/assignments",
        json={"unit_id": "u1", "attributes": attributes},
        headers={"X-API-Key": made["key"]},
    ).json()["assignments"]
    assert {one["experiment"]: one["in_experiment"] for one in assigned} == {
        "vip": True, "staff": True,
    }  # fmt: skip
    assert all("tracks" in one["rules"][0] for one in evaluated.values())
