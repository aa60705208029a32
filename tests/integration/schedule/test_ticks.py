"""What a tick does, on each engine."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.store.database import Database
from experiments.store.leases import release_lease, take_lease

GUARDED = {"metrics": [{"metric": "returns", "role": "guardrail"}]}
RAMP = [{"traffic": share, "hours": 0} for share in (0.01, 0.05, 0.1, 0.25, 0.5, 1)]
PAST, FUTURE = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"


def test_it_starts_and_stops_by_the_clock(shop: Any):
    shop.create("due", schedule={"start_at": PAST})
    shop.create("later", schedule={"start_at": FUTURE, "stop_at": "2091-01-01T00:00:00Z"})
    assert [one.code for one in shop.scheduler.tick()] == ["STARTED"]
    assert shop.standing("due")[0] == "running"
    assert shop.get("/experiments/later")["status"] == "draft"
    answer = shop.client.patch(
        "/api/v1/experiments/due",
        json={"schedule": {"start_at": PAST, "stop_at": "2020-01-02T00:00:00Z"}},
        headers=shop.headers,
    )
    assert answer.json["schedule"]["stop_at"] == "2020-01-02T00:00:00Z"
    assert [one.code for one in shop.scheduler.tick()] == ["STOPPED"]
    assert shop.scheduler.tick() == []
    assert shop.standing("due")[0] == "stopped"
    assert shop.notices() == [("due", "STARTED"), ("due", "STOPPED")]
    history = shop.get("/experiments/due/history")["revisions"]
    done = [(one["verb"], one["actor"]) for one in history]
    assert done[0] == ("stop", "scheduler")
    assert done[2] == ("start", "scheduler")


def test_a_start_that_fails_is_said_once_and_tried_again(shop: Any):
    shop.create("rival", feature="slot")
    shop.post("/experiments/rival/start")
    shop.create("waiting", feature="slot", schedule={"start_at": PAST})
    (failed,) = shop.scheduler.tick()
    assert (failed.experiment, failed.code) == ("waiting", "START_FAILED")
    assert "rival" in failed.detail
    assert shop.scheduler.tick() == []
    shop.client.patch("/api/v1/experiments/waiting", json={"name": "W"}, headers=shop.headers)
    assert [one.code for one in shop.scheduler.tick()] == ["START_FAILED"], "it was changed"
    shop.post("/experiments/rival/stop")
    shop.post("/experiments/rival/archive")
    assert [one.code for one in shop.scheduler.tick()] == ["STARTED"]


def test_a_draft_that_missed_its_end_is_not_started(shop: Any):
    shop.create("late", schedule={"start_at": PAST, "stop_at": "2020-01-02T00:00:00Z"})
    (failed,) = shop.scheduler.tick()
    assert failed.code == "START_FAILED"
    assert "stop_at" in failed.detail
    assert shop.scheduler.tick() == []
    assert shop.get("/experiments/late")["status"] == "draft"


def test_a_ramp_goes_up_a_step_a_tick_and_ends(shop: Any):
    shop.create(**GUARDED, schedule={"ramp": RAMP})
    shop.start()
    walked = [shop.standing()]
    while shop.scheduler.tick():
        walked.append(shop.standing())
    assert walked == [("running", step["traffic"], number) for number, step in enumerate(RAMP)]
    assert shop.notices() == [("button", "RAMP_RAISED")] * 5


def test_a_step_waits_for_its_hours(shop: Any):
    shop.create(schedule={"ramp": [{"traffic": 0.1, "hours": 2}, {"traffic": 1, "hours": 0}]})
    shop.start(hours=1)
    assert shop.scheduler.tick() == []
    assert shop.standing() == ("running", 0.1, 0)


def test_bad_health_holds_a_ramp_until_it_is_good(shop: Any):
    shop.create(**GUARDED, schedule={"ramp": RAMP})
    shop.start()
    shop.visit("grey", 300, returns=30)
    shop.visit("green", 100, returns=10)
    (held,) = shop.scheduler.tick()
    assert held.code == "RAMP_HELD"
    assert "shares" in held.detail
    assert shop.scheduler.tick() == [], "one notice for each step and reason"
    assert shop.standing() == ("running", 0.01, 0)
    shop.visit("green", 200, returns=20, first=100)
    assert [one.code for one in shop.scheduler.tick()] == ["RAMP_RAISED"]


@pytest.mark.parametrize("schedule", [{"roll_back": True}, {"ramp": RAMP}])
def test_a_harm_is_rolled_back_without_anybody(shop: Any, schedule: dict[str, Any]):
    shop.create(**GUARDED, schedule=schedule)
    shop.start()
    shop.visit("grey", 400, returns=20)
    shop.visit("green", 400, returns=200)
    (rolled_back,) = shop.scheduler.tick()
    assert rolled_back.code == "ROLLED_BACK"
    assert "returns" in rolled_back.detail
    assert shop.standing()[0] == "stopped"
    assert shop.scheduler.tick() == []
    got = shop.post("/assignments", {"unit_id": "u", "experiments": ["button"]})
    assert got["assignments"][0]["value"] == "grey"


@pytest.mark.parametrize(
    "changes",
    [{"plan": {"basis": "fixed"}, "schedule": {"roll_back": True}}, {"schedule": {}}],
)
def test_nothing_is_rolled_back_that_nobody_asked_for_or_that_may_be_read_once(
    shop: Any, changes: dict[str, Any]
):
    shop.create(**GUARDED, **changes)
    shop.start()
    shop.visit("grey", 400, returns=20)
    shop.visit("green", 400, returns=200)
    assert shop.scheduler.tick() == []
    assert shop.standing()[0] == "running"


def test_looks_leave_no_reports_behind(shop: Any):
    shop.create(**GUARDED, schedule={"roll_back": True})
    shop.start()
    shop.visit("grey", 100, returns=5)
    shop.visit("green", 100, returns=5)
    assert shop.scheduler.tick() == []
    stored = shop.client.get("/api/v1/experiments/button/results?stored=true", headers=shop.headers)
    assert stored.status_code == 404


def test_who_has_no_lease_does_nothing(shop: Any, database: Database):
    shop.create(schedule={"start_at": PAST})
    assert take_lease(database, "scheduler", "another", at=0, until=2**60)
    assert shop.scheduler.tick() is None
    release_lease(database, "scheduler", "another")
    assert [one.code for one in shop.scheduler.tick()] == ["STARTED"]
