"""Assignments over HTTP: stable, explained, without the database."""

from __future__ import annotations

import time

import httpx

from experiments.assignment.hashing import bucket, seed_state

ASSIGN = "/api/v1/assignments"


def experiment(key: str, **fields: object) -> dict:
    return {
        "key": key,
        "variants": [
            {"key": "grey", "weight": 0.5, "value": "#888"},
            {"key": "green", "weight": 0.5, "value": "#0a0"},
        ],
        **fields,
    }


def start(admin: httpx.Client, key: str, **fields: object) -> None:
    created = admin.post("/api/v1/experiments", json=experiment(key, **fields))
    assert created.status_code == 201, created.text
    assert admin.post(f"/api/v1/experiments/{key}/start").status_code == 200


def settle() -> None:
    """Wait until every worker has seen the last change."""
    time.sleep(1.0)


def test_the_hash_decides_and_raising_the_traffic_moves_nobody(admin: httpx.Client):
    start(admin, "button", traffic=0.5)
    settle()
    units = [f"user-{number}" for number in range(300)]

    def variants() -> dict[str, str | None]:
        asked = {unit: admin.post(ASSIGN, json={"unit_id": unit}).json() for unit in units}
        return {unit: answer["assignments"][0]["variant"] for unit, answer in asked.items()}

    before = variants()
    for unit, variant in before.items():
        position = bucket(seed_state("button"), unit)
        expected = "grey" if position < 0.25 else "green" if 0.5 <= position < 0.75 else None
        assert variant == expected
    admin.patch("/api/v1/experiments/button", json={"traffic": 1.0})
    settle()
    after = variants()
    assert all(after.values())
    assert all(after[unit] == variant for unit, variant in before.items() if variant)


def test_one_several_or_all(admin: httpx.Client):
    for key in ("one", "two", "three"):
        start(admin, key)
    admin.post("/api/v1/experiments", json=experiment("draft"))
    settle()

    def keys(**body: object) -> list[str]:
        answer = admin.post(ASSIGN, json={"unit_id": "u", **body}).json()
        assert answer["unit_id"] == "u"
        return [one["experiment"] for one in answer["assignments"]]

    assert keys(experiments=["two"]) == ["two"]
    assert keys(experiments=["three", "one"]) == ["three", "one"]
    assert sorted(keys()) == ["one", "three", "two"]
    assert keys(unit_type="device") == []


def test_why_a_unit_gets_what_it_gets(admin: httpx.Client):
    start(admin, "french", audience={"country": "FR"})
    settle()

    def ask(**attributes: object) -> dict:
        body = {"unit_id": "u", "attributes": attributes, "experiments": ["french"]}
        return admin.post(ASSIGN, json=body).json()["assignments"][0]

    inside = ask(country="FR")
    assert inside["reason"] == "SPLIT"
    assert inside["in_experiment"] is True
    assert inside["value"] in {"#888", "#0a0"}
    assert ask(country="DE") == {
        "experiment": "french", "feature": "french", "variant": None, "value": "#888",
        "reason": "TARGETING_MISMATCH", "in_experiment": False,
    }  # fmt: skip


def test_unknown_names(admin: httpx.Client):
    start(admin, "button")
    settle()
    all_unknown = admin.post(ASSIGN, json={"unit_id": "u", "experiments": ["nope"]})
    assert (all_unknown.status_code, all_unknown.json()["code"]) == (404, "EXPERIMENT_NOT_FOUND")
    mixed = admin.post(ASSIGN, json={"unit_id": "u", "experiments": ["nope", "button"]})
    assert mixed.status_code == 200
    first, second = mixed.json()["assignments"]
    assert (first["reason"], first["error"]["code"]) == ("ERROR", "EXPERIMENT_NOT_FOUND")
    assert second["reason"] == "SPLIT"


def test_a_change_is_seen_by_every_worker_within_a_second(start_service, new_sqlite):
    service = start_service(new_sqlite(), workers=4)
    admin = service.client()
    start(admin, "button")
    settle()
    seen = {
        httpx.post(
            service.url + ASSIGN,
            json={"unit_id": "u", "experiments": ["button"]},
            headers={**admin.headers, "Connection": "close"},
        ).status_code
        for _ in range(40)
    }
    assert seen == {200}


def test_exposures_are_logged_on_request(admin: httpx.Client):
    start(admin, "button")
    start(admin, "french", audience={"country": "FR"})
    settle()
    body = {"unit_id": "u", "log_exposure": True}
    for expected in ("stored", "duplicate"):
        given = {
            one["experiment"]: one.get("exposure")
            for one in admin.post(ASSIGN, json=body).json()["assignments"]
        }
        assert given == {"button": expected, "french": None}
    report = admin.get("/api/v1/experiments/button/results").json()
    assert sum(report["units"].values()) == 1
