"""A service of two workers keeps the schedules by itself; `evenhand tick` does so without one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from experiments.assignment.evaluate import compile_experiment, evaluate
from experiments.definitions.time import SECOND, format_instant, now
from experiments.store.experiments import standing_from_document
from tests.conftest import Service, StartService

SHARES = [0.01, 0.05, 0.1, 0.25, 0.5, 1]
ARMS = [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}]
RETURNS = {
    "key": "returns",
    "kind": "conversion",
    "event": "return",
    "window_hours": 0.0003,
    "direction": "decrease",
}
UNITS = [f"unit-{number}" for number in range(3_000)]


def create(admin: httpx.Client, key: str, **more: Any) -> None:
    answer = admin.post("/api/v1/experiments", json={"key": key, "variants": ARMS, **more})
    assert answer.status_code == 201, answer.text


def until(holds: Callable[[], Any], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def status(admin: httpx.Client, key: str) -> str:
    return admin.get(f"/api/v1/experiments/{key}").json()["status"]


def codes(admin: httpx.Client, key: str) -> list[str]:
    """The newest first."""
    found = admin.get("/api/v1/notices", params={"experiment": key}).json()["notices"]
    return [one["code"] for one in found]


def actors(admin: httpx.Client, key: str) -> list[tuple[str, str]]:
    history = admin.get(f"/api/v1/experiments/{key}/history").json()["revisions"]
    return [(one["verb"], one["actor"]) for one in reversed(history)]


def harm(admin: httpx.Client, key: str) -> None:
    """Units of which those in green send goods back; their windows end a second later."""
    for variant, returns in (("grey", 20), ("green", 200)):
        units = [f"{variant}-{number}" for number in range(400)]
        exposures = [
            {"type": "exposure", "experiment": key, "variant": variant, "unit_id": unit}
            for unit in units
        ]
        outcomes = [
            {"type": "outcome", "event": "return", "unit_id": unit, "event_id": unit}
            for unit in units[:returns]
        ]
        answer = admin.post("/api/v1/events", json={"events": exposures + outcomes})
        assert {one["status"] for one in answer.json()["results"]} == {"stored"}


def entered(admin: httpx.Client, key: str) -> list[tuple[float, dict[str, str]]]:
    """For each revision that ran: its traffic, and who was in with which variant."""
    history = admin.get(f"/api/v1/experiments/{key}/history").json()["revisions"]
    standings = [standing_from_document(one["after"]) for one in reversed(history)]
    found = []
    for standing in standings:
        if standing.phase is not None:
            compiled = compile_experiment(standing)
            assigned = {unit: evaluate(compiled, unit, {"id": unit}) for unit in UNITS}
            inside = {unit: one.variant for unit, one in assigned.items() if one.in_experiment}
            found.append((standing.experiment.traffic, inside))
    return found


@pytest.fixture
def off(start_service: StartService, new_sqlite: Callable[[], str]) -> Service:
    """A service that does nothing by the clock."""
    return start_service(new_sqlite(), workers=1, EVENHAND_SCHEDULER="off")


def test_two_workers_start_raise_roll_back_and_stop_by_themselves(
    start_service: StartService, new_sqlite: Callable[[], str]
):
    admin = start_service(new_sqlite(), workers=2).client()
    admin.post("/api/v1/metrics", json=RETURNS)
    soon = now() + 3 * SECOND
    create(
        admin,
        "timed",
        schedule={"start_at": format_instant(soon), "stop_at": format_instant(soon + 8 * SECOND)},
    )
    ramp = [{"traffic": share, "hours": 0.0002} for share in SHARES]
    create(admin, "ramp", schedule={"start_at": format_instant(soon), "ramp": ramp})
    guardrail = [{"metric": "returns", "role": "guardrail"}]
    create(admin, "harmful", metrics=guardrail, schedule={"roll_back": True})
    admin.post("/api/v1/experiments/harmful/start")
    harm(admin, "harmful")

    until(lambda: status(admin, "harmful") == "stopped")
    until(lambda: status(admin, "timed") == "stopped")
    until(lambda: codes(admin, "ramp")[:1] == ["RAMP_RAISED"] and len(codes(admin, "ramp")) == 6)

    until(lambda: codes(admin, "harmful") == ["ROLLED_BACK"])
    assert actors(admin, "harmful")[-1] == ("stop", "scheduler")
    assert actors(admin, "timed")[1:] == [("start", "scheduler"), ("stop", "scheduler")]
    until(lambda: codes(admin, "timed") == ["STOPPED", "STARTED"])
    assert codes(admin, "ramp") == ["RAMP_RAISED"] * 5 + ["STARTED"]

    steps = entered(admin, "ramp")
    assert [traffic for traffic, _ in steps] == SHARES
    for (_, before), (_, after) in itertools.pairwise(steps):
        assert before.items() < after.items(), "who is in stays in, with the same variant"
    first = steps[0][1]
    assert first
    for unit, variant in first.items():
        body = {"unit_id": unit, "experiments": ["ramp"]}
        (answer,) = admin.post("/api/v1/assignments", json=body).json()["assignments"]
        assert answer["variant"] == variant


def test_cron_does_the_same_where_the_scheduler_is_off(off: Service):
    admin = off.client()
    admin.post("/api/v1/metrics", json=RETURNS)
    create(admin, "timed", schedule={"start_at": "2020-01-01T00:00:00Z"})
    guardrail = [{"metric": "returns", "role": "guardrail"}]
    create(admin, "harmful", metrics=guardrail, schedule={"roll_back": True})
    admin.post("/api/v1/experiments/harmful/start")
    harm(admin, "harmful")
    time.sleep(1.5)  # the windows end
    assert status(admin, "timed") == "draft"
    printed = off.evenhand("tick")
    assert "production/timed STARTED" in printed
    assert "production/harmful ROLLED_BACK" in printed
    assert (status(admin, "timed"), status(admin, "harmful")) == ("running", "stopped")
    assert off.evenhand("tick") == "Nothing was due.\n"


def test_notices_are_of_one_environment_and_the_newest_first(off: Service):
    admin, other = off.client(), off.client("admin", "staging")
    for key in ("one", "two"):
        create(admin, key, schedule={"start_at": "2020-01-01T00:00:00Z"})
        off.evenhand("tick")
    found = admin.get("/api/v1/notices").json()["notices"]
    assert [(one["experiment"], one["code"]) for one in found] == [
        ("two", "STARTED"),
        ("one", "STARTED"),
    ]
    assert admin.get("/api/v1/notices?limit=1").json()["notices"] == found[:1]
    assert admin.get("/api/v1/notices?experiment=one").json()["notices"] == found[1:]
    assert other.get("/api/v1/notices").json() == {"notices": []}
    assert admin.get("/api/v1/notices?limit=0").status_code == 422
