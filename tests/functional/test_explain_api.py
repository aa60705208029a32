"""Why a unit got what it got, and who would get what: as the assignments say it, over HTTP."""

from __future__ import annotations

import time

import httpx
import pytest

from experiments.assignment.hashing import bucket, seed_state
from tests.conftest import Service
from tests.functional.definitions import ARMS, BANNER, experiment, made, move, refused

UNITS = [f"user-{number}" for number in range(400)]


def explain(client: httpx.Client, key: str, unit: str = "u", **attributes: object) -> dict:
    body = {"experiment": key, "unit_id": unit, "attributes": attributes}
    answer = client.post("/api/v1/explain", json=body)
    assert answer.status_code == 200, answer.text
    assigned = client.post(
        "/api/v1/assignments",
        json={"experiments": [key], "unit_id": unit, "attributes": attributes},
    )
    found = answer.json()
    assert [found["assignment"]] == assigned.json()["assignments"]
    return found


def simulate(client: httpx.Client, key: str, **body: object) -> dict:
    answer = client.post(f"/api/v1/experiments/{key}/simulate", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def outline(found: dict) -> list[tuple[str, str]]:
    return [(one["step"], one["outcome"]) for one in found["steps"]]


def settle() -> None:
    """Wait until every worker has seen the last change."""
    time.sleep(1.0)


def test_each_step_has_its_figures(admin: httpx.Client):
    made(admin, "layers", key="page")
    made(admin, "holdouts", key="untouched", size=0.2)
    move(admin, "untouched", "start")
    made(admin, "features", **BANNER)
    experiment(
        admin,
        key="shown",
        traffic=0.5,
        audience={"country": "FR"},
        layer={"key": "page", "size": 0.5},
        prerequisites=[{"feature": "banner", "condition": {"value": False}}],
    )
    move(admin, "shown", "start")
    settle()
    met = set()
    for unit in UNITS[:60]:
        found = explain(admin, "shown", unit, country="FR")
        steps = {one["step"]: one for one in found["steps"]}
        met.add(outline(found)[-1])
        holdout = bucket(seed_state("untouched"), unit)
        assert steps["holdout"]["position"] == holdout
        assert steps["holdout"]["arm"] == ("held_out" if holdout < 0.2 else "open")
        if "layer" in steps:
            layer = bucket(seed_state("layer/page"), unit)
            assert steps["layer"]["position"] == layer
            assert steps["layer"]["slices"] == [[0, 5000]]
            assert (steps["layer"]["outcome"] == "passed") == (layer < 0.5)
        if "hash" in steps:
            assert steps["prerequisite"]["value"] is False
            position = bucket(seed_state("shown"), unit)
            assert steps["hash"]["position"] == position
            assert steps["hash"]["ranges"] == [
                {"variant": "off", "range": [0.0, 0.25]},
                {"variant": "on", "range": [0.5, 0.75]},
            ]
            assert str(position) in steps["hash"]["detail"]
    assert met == {
        ("holdout", "stopped"),
        ("layer", "stopped"),
        ("hash", "stopped"),
        ("hash", "decided"),
    }
    inside = next(
        unit
        for unit in UNITS
        if explain(admin, "shown", unit, country="FR")["assignment"]["in_experiment"]
    )
    outside = explain(admin, "shown", inside, country="US")["steps"][-1]
    assert outside["failing"] == {"country": "FR"}
    assert outside["found"] == "US"


def test_what_is_kept_skips_the_audience(admin: httpx.Client):
    experiment(admin, key="kept", sticky={}, audience={"country": "FR"})
    move(admin, "kept", "start")
    settle()
    explain(admin, "kept", country="FR")  # asks for the assignment too, which is kept
    found = explain(admin, "kept", country="US")
    assert outline(found)[-2:] == [("audience", "skipped"), ("sticky", "decided")]
    assert found["steps"][-1]["slot"] == "kept__0"
    assert found["assignment"]["reason"] == "STICKY"


def test_an_explanation_keeps_nothing(admin: httpx.Client):
    experiment(admin, key="loose", sticky={})
    move(admin, "loose", "start")
    settle()
    body = {"experiment": "loose", "unit_id": "u"}
    for _ in range(2):
        answer = admin.post("/api/v1/explain", json=body).json()
        assert answer["assignment"]["reason"] == "SPLIT"
    assert simulate(admin, "loose", units=["u"])["reasons"] == {"SPLIT": 1}
    assert admin.post("/api/v1/explain", json=body).json()["assignment"]["reason"] == "SPLIT"
    explain(admin, "loose")
    assert simulate(admin, "loose", units=["u", "v"])["reasons"] == {"SPLIT": 1, "STICKY": 1}


def test_rules_are_not_shown_to_clients(service: Service, admin: httpx.Client, environment: str):
    experiment(admin, key="hidden")
    settle()
    with (
        service.client("client", environment) as client,
        service.client("server", environment) as server,
    ):
        for path, body in (
            ("/api/v1/explain", {"experiment": "hidden", "unit_id": "u"}),
            ("/api/v1/experiments/hidden/simulate", {"units": ["u"]}),
        ):
            assert refused(client.post(path, json=body)) == (403, "KIND_FORBIDDEN")
            assert server.post(path, json=body).status_code == 200


def test_what_is_not_there_is_not_explained(admin: httpx.Client):
    body = {"experiment": "nothing", "unit_id": "u"}
    assert refused(admin.post("/api/v1/explain", json=body)) == (404, "EXPERIMENT_NOT_FOUND")
    answer = admin.post("/api/v1/experiments/nothing/simulate", json={"units": ["u"]})
    assert refused(answer) == (404, "EXPERIMENT_NOT_FOUND")


def test_what_is_archived_assigns_nobody(admin: httpx.Client):
    experiment(admin, key="old")
    move(admin, "old", "start", "stop", "archive")
    answer = admin.post("/api/v1/experiments/old/simulate", json={"units": ["u"]})
    assert refused(answer) == (409, "ARCHIVED")


def test_a_draft_is_simulated_as_if_it_started(admin: httpx.Client):
    made(admin, "layers", key="page")
    for key, size in (("first", 0.6), ("second", 0.3)):
        experiment(admin, key=key, layer={"key": "page", "size": size}, overrides={"on": ["qa"]})
    move(admin, "first", "start")
    found = simulate(admin, "second", units=[*UNITS, "qa"])
    assert found["assumed"] == "started"
    assert found["units"] == len(UNITS) + 1
    inside = [one for one in UNITS if 0.6 <= bucket(seed_state("layer/page"), one) < 0.9]
    on = sum(bucket(seed_state("second"), one) >= 0.5 for one in inside)
    assert found["reasons"] == {
        "LAYER_EXCLUDED": len(UNITS) - len(inside),
        "OVERRIDE": 1,
        "SPLIT": len(inside),
    }
    assert found["variants"] == {"off": len(inside) - on, "on": on + 1}
    assert admin.get("/api/v1/experiments/second").json()["status"] == "draft"
    move(admin, "second", "start")
    started = simulate(admin, "second", units=[*UNITS, "qa"])
    assert started == {name: found[name] for name in found if name != "assumed"}
    experiment(admin, key="third", layer={"key": "page", "size": 0.2})
    answer = admin.post("/api/v1/experiments/third/simulate", json={"units": ["u"]})
    assert refused(answer) == (409, "LAYER_FULL")


def test_units_have_attributes_of_their_own(admin: httpx.Client):
    experiment(admin, key="french", audience={"country": "FR"}, unit_type="device")
    move(admin, "french", "start")
    swiss = {"unit_id": "b", "attributes": {"country": "CH"}}
    found = simulate(admin, "french", units=["a", swiss], attributes={"country": "FR"})
    assert found["reasons"] == {"SPLIT": 1, "TARGETING_MISMATCH": 1}
    answer = admin.post(
        "/api/v1/experiments/french/simulate", json={"units": ["a"], "unit_type": "id"}
    )
    assert refused(answer) == (422, "UNIT_TYPE_MISMATCH")


@pytest.mark.parametrize(
    "units", [[], [7], [{"attributes": {}}], [""], [{"unit_id": "u", "x": 1}], ["u"] * 10_001]
)
def test_units_that_make_no_sense_are_refused(admin: httpx.Client, units: list[object]):
    experiment(admin, key="strict")
    answer = admin.post("/api/v1/experiments/strict/simulate", json={"units": units})
    assert refused(answer) == (422, "VALIDATION_FAILED")


def test_ten_thousand_units_fit(admin: httpx.Client):
    experiment(admin, key="many", sticky={}, variants=ARMS)
    move(admin, "many", "start")
    units = [f"unit-{number}" for number in range(10_000)]
    found = simulate(admin, "many", units=units)
    assert found["reasons"] == {"SPLIT": 10_000}
    assert sum(found["variants"].values()) == 10_000
    assert found["variants"]["on"] == sum(bucket(seed_state("many"), u) >= 0.5 for u in units)
