"""An experiment through all kinds of phases, and units that are held out, over HTTP."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

BUTTON = {
    "key": "button",
    "variants": [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}],
}
UNITS = [f"u{number}" for number in range(300)]


def ok(response: httpx.Response) -> Any:
    assert response.is_success, response.text
    return response.json()


def move(admin: httpx.Client, key: str, verb: str, **body: Any) -> dict[str, Any]:
    return ok(admin.post(f"/api/v1/experiments/{key}/{verb}", json=body))


def ask(admin: httpx.Client, unit: str, key: str = "button") -> dict[str, Any]:
    body = {"unit_id": unit, "experiments": [key], "log_exposure": True}
    return ok(admin.post("/api/v1/assignments", json=body))


def units_of(admin: httpx.Client, phase: int) -> dict[str, int]:
    return ok(admin.get("/api/v1/experiments/button/results", params={"phase": phase}))["units"]


def test_each_phase_is_counted_by_itself(admin: httpx.Client):
    ok(admin.post("/api/v1/experiments", json=BUTTON))
    seen: list[dict[str, tuple[str, str]]] = []

    def everybody() -> Counter[str]:
        answers = {unit: ask(admin, unit)["assignments"][0] for unit in UNITS}
        assert {one["reason"] for one in answers.values()} == {"SPLIT"}
        assert {one["exposure"] for one in answers.values()} == {"stored"}
        seen.append({unit: (one["variant"], one["value"]) for unit, one in answers.items()})
        return Counter(one["variant"] for one in answers.values())

    move(admin, "button", "start", dry_run=True)
    counts = [everybody()]
    assert {value for _, value in seen[0].values()} == {"grey"}

    move(admin, "button", "start")
    counts.append(everybody())
    assert {value for _, value in seen[1].values()} == {"grey", "green"}

    move(admin, "button", "rerandomise", weights={"grey": 0.2, "green": 0.8})
    counts.append(everybody())
    assert counts[2]["grey"] < counts[1]["grey"]

    shipped = move(admin, "button", "ship", variant="green", holdback=0.1)
    counts.append(everybody())
    held = {unit for unit, (variant, _) in seen[3].items() if variant == "grey"}
    assert held
    assert held <= {unit for unit, (variant, _) in seen[2].items() if variant == "grey"}

    assert [(one["kind"], one["seed"]) for one in shipped["phases"]] == [
        ("dry_run", "button"),
        ("main", "button:2"),
        ("main", "button:3"),
        ("holdback", "button:3"),
    ]
    for number, count in enumerate(counts, start=1):
        assert units_of(admin, number) == dict(count)

    move(admin, "button", "stop")
    (after,) = ask(admin, "u1")["assignments"]
    assert (after["reason"], after["value"]) == ("DISABLED", "grey")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"weights": {"grey": 0.5}}, "WEIGHTS_SUM"),
        ({"weights": {"blue": 1.0}}, "VARIANT_UNKNOWN"),
        ({"traffic": 2}, "VALIDATION_FAILED"),
        ({"block_earlier": True}, "NOT_STICKY"),
    ],
)
def test_a_randomisation_that_cannot_be(admin: httpx.Client, body: dict[str, Any], code: str):
    ok(admin.post("/api/v1/experiments", json=BUTTON))
    move(admin, "button", "start")
    answer = admin.post("/api/v1/experiments/button/rerandomise", json=body)
    problem = answer.json()
    assert answer.status_code in {400, 422}, problem
    assert code in {problem["code"], *(one["code"] for one in problem.get("errors", []))}
    assert len(ok(admin.get("/api/v1/experiments/button"))["phases"]) == 1


def test_whoever_asks_for_a_held_out_experiment_has_met_the_holdout(admin: httpx.Client):
    ok(admin.post("/api/v1/holdouts", json={"key": "year", "size": 0.3}))
    move(admin, "year", "start")
    ok(admin.post("/api/v1/experiments", json=BUTTON))
    move(admin, "button", "start")
    arms: Counter[str] = Counter()
    for unit in UNITS:
        answer = ask(admin, unit)
        (one,) = answer["assignments"]
        (further,) = answer["further_exposures"]
        assert (further["experiment"], further["exposure"]) == ("year", "stored")
        assert (further["variant"] == "held_out") == (one["reason"] == "HOLDOUT")
        assert one["value"] == ("grey" if one["reason"] == "HOLDOUT" else one["variant"])
        arms[further["variant"]] += 1
    assert arms.keys() == {"held_out", "open"}
    report = ok(admin.get("/api/v1/experiments/year/results"))
    assert report["units"] == dict(arms)
    assert report["decision"]["rule"] == "holdout"
