"""Services of many workers keep the schedules by themselves; `evenhand tick` does so without."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from experiments.assignment.evaluate import compile_experiment, evaluate
from experiments.definitions.time import SECOND, format_instant, now
from experiments.store.database import Database
from experiments.store.experiments import standing_from_document
from experiments.store.tables import leases
from tests.conftest import ENGINES, Service, StartService
from tests.unit.console.page_tree import check

QUICK = {"EVENHAND_SCHEDULER_INTERVAL": "0.5"}
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
    """Units of which those in green send goods back; their windows end a second later.

    All in one request: a look at half of it would see arms of unequal size.
    """
    events = []
    for variant, returns in (("grey", 20), ("green", 200)):
        units = [f"{variant}-{number}" for number in range(350)]
        events += [
            {"type": "exposure", "experiment": key, "variant": variant, "unit_id": unit}
            for unit in units
        ]
        events += [
            {"type": "outcome", "event": "return", "unit_id": unit, "event_id": unit}
            for unit in units[:returns]
        ]
    answer = admin.post("/api/v1/events", json={"events": events})
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


@pytest.fixture(params=ENGINES)
def new_url(request: pytest.FixtureRequest) -> Callable[[], str]:
    make: Callable[[], str] = request.getfixturevalue(f"new_{request.param}")
    return make


def holder(database_url: str) -> int | None:
    """The process that holds the scheduler's lease."""
    database = Database(database_url)
    try:
        with database.read() as connection:
            found = connection.execute(sa.select(leases.c.holder)).scalar()
    finally:
        database.dispose()
    return None if found is None else int(found.split(":")[1])


def test_workers_start_raise_roll_back_and_stop_by_themselves(
    start_service: StartService, new_url: Callable[[], str]
):
    admin = start_service(new_url(), workers=2, **QUICK).client()
    admin.post("/api/v1/metrics", json=RETURNS)
    start_at = format_instant(now() + 3 * SECOND)
    create(admin, "timed", schedule={"start_at": start_at})
    ramp = [{"traffic": share, "hours": 0.0002} for share in SHARES]
    create(admin, "ramp", schedule={"start_at": start_at, "ramp": ramp})
    guardrail = [{"metric": "returns", "role": "guardrail"}]
    create(admin, "harmful", metrics=guardrail, schedule={"roll_back": True})
    admin.post("/api/v1/experiments/harmful/start")
    harm(admin, "harmful")

    until(lambda: codes(admin, "harmful") == ["ROLLED_BACK"])
    until(lambda: codes(admin, "timed") == ["STARTED"])
    stop_at = format_instant(now() + 3 * SECOND)
    admin.patch("/api/v1/experiments/timed", json={"schedule": {"stop_at": stop_at}})
    until(lambda: codes(admin, "timed") == ["STOPPED", "STARTED"])
    until(lambda: codes(admin, "ramp") == ["RAMP_RAISED"] * 5 + ["STARTED"])
    assert (status(admin, "harmful"), status(admin, "timed")) == ("stopped", "stopped")
    assert actors(admin, "harmful")[-1] == ("stop", "scheduler")
    moves = [one for one in actors(admin, "timed") if one[1] == "scheduler"]
    assert moves == [("start", "scheduler"), ("stop", "scheduler")]

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


def test_a_ramp_is_held_while_a_guardrail_is_worse(
    start_service: StartService, new_sqlite: Callable[[], str]
):
    admin = start_service(new_sqlite(), workers=2, **QUICK).client()
    admin.post("/api/v1/metrics", json=RETURNS)
    guardrail = [{"metric": "returns", "role": "guardrail"}]
    create(admin, "harmful", metrics=guardrail, traffic=SHARES[0])
    admin.post("/api/v1/experiments/harmful/start")
    harm(admin, "harmful")
    time.sleep(1.5)  # the windows end
    ramp = [{"traffic": share, "hours": 0} for share in SHARES]
    admin.patch("/api/v1/experiments/harmful", json={"schedule": {"ramp": ramp}})
    until(lambda: codes(admin, "harmful"))
    assert codes(admin, "harmful") == ["RAMP_HELD"]
    assert status(admin, "harmful") == "running"
    assert {traffic for traffic, _ in entered(admin, "harmful")} == {SHARES[0]}


def test_of_the_workers_of_two_machines_one_acts_once(
    start_service: StartService, new_url: Callable[[], str], tmp_path: Path
):
    url, keys = new_url(), [f"e{number}" for number in range(6)]
    services = [
        start_service(url, workers=3, EVENHAND_DATA_DIR=str(tmp_path / name), **QUICK)
        for name in ("one", "two")
    ]
    admin = services[0].client()
    soon = format_instant(now() + 4 * SECOND)
    ramp = [{"traffic": share, "hours": 0} for share in (0.5, 1)]
    for key in keys:
        create(admin, key, schedule={"start_at": soon, "ramp": ramp})
    until(lambda: all("RAMP_RAISED" in codes(admin, key) for key in keys))
    workers = [pid for service in services for pid in service.workers()]
    assert len(workers) == 6
    assert holder(url) in workers
    for key in keys:
        create_by, *rest = actors(admin, key)
        assert create_by[0] == "create"
        assert rest == [("start", "scheduler"), ("ramp", "scheduler")]
        assert codes(admin, key) == ["RAMP_RAISED", "STARTED"]


def test_another_takes_over_from_a_leader_that_is_killed(
    start_service: StartService, new_url: Callable[[], str]
):
    url = new_url()
    service = start_service(url, workers=3, **QUICK)
    admin = service.client()
    until(lambda: holder(url) in service.workers())
    for number in range(3):
        leader = holder(url)
        assert leader is not None
        os.kill(leader, signal.SIGKILL)
        until(lambda leader=leader: leader not in service.workers())
        key = f"after-{number}"
        create(admin, key, schedule={"start_at": "2020-01-01T00:00:00Z"})
        until(lambda key=key: status(admin, key) == "running")
        assert holder(url) != leader
        assert codes(admin, key) == ["STARTED"]


def test_a_leader_that_was_frozen_repeats_nothing(
    start_service: StartService, new_postgresql: Callable[[], str], tmp_path: Path
):
    url, past = new_postgresql(), {"start_at": "2020-01-01T00:00:00Z"}
    services = {
        service.workers()[0]: service
        for name in ("one", "two")
        for service in [
            start_service(url, workers=1, EVENHAND_DATA_DIR=str(tmp_path / name), **QUICK)
        ]
    }
    until(lambda: holder(url) in services)
    leader = holder(url)
    assert leader is not None
    (other,) = services.keys() - {leader}
    admin = services[other].client()
    os.kill(leader, signal.SIGSTOP)
    try:
        create(admin, "meanwhile", schedule=past)
        until(lambda: codes(admin, "meanwhile") == ["STARTED"])
        assert holder(url) == other
    finally:
        os.kill(leader, signal.SIGCONT)
    for number in range(3):
        create(admin, f"after-{number}", schedule=past)
        until(lambda number=number: codes(admin, f"after-{number}"))
    for key in ("meanwhile", "after-0", "after-1", "after-2"):
        assert codes(admin, key) == ["STARTED"]
        assert [verb for verb, _ in actors(admin, key)] == ["create", "start"]


def test_a_leader_that_stops_hands_over_at_once(
    start_service: StartService, new_sqlite: Callable[[], str]
):
    url = new_sqlite()
    service = start_service(url, workers=1, **QUICK)
    until(lambda: holder(url) in service.workers())
    service.stop()
    assert holder(url) is None


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
    assert codes(admin, "timed") == ["STARTED"]
    assert codes(admin, "harmful") == ["ROLLED_BACK"]


def test_a_tick_leaves_the_work_to_a_service_that_does_it(
    start_service: StartService, new_sqlite: Callable[[], str]
):
    url = new_sqlite()
    service = start_service(url, workers=1, **QUICK)
    until(lambda: holder(url) in service.workers())
    assert service.evenhand("tick").startswith("Another process keeps the schedules")


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", ["Done by the clock", "Started"]), ("zh", ["定时操作记录", "已按计划启动"])],
)
def test_the_page_of_an_experiment_lists_its_notices(off: Service, language: str, said: list[str]):
    admin = off.client()
    create(admin, "timed", schedule={"start_at": "2020-01-01T00:00:00Z"})
    before = check(admin.get("/experiments/timed", params={"lang": language}).text)
    assert not before.all("ul", class_="notices")
    off.evenhand("tick")
    after = check(admin.get("/experiments/timed", params={"lang": language}).text)
    assert said[0] in [one.text for one in after.all("h2")]
    (listed,) = after.all("ul", class_="notices")
    assert listed.text.startswith(said[1])
    assert "Started by its schedule (2020-01-01T00:00:00Z)." in listed.text


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
