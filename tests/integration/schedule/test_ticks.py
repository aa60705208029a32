"""What a tick does, on each engine."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.definitions.errors import EvenhandError
from experiments.definitions.time import HOUR, SECOND, format_instant, now
from experiments.schedule.notices import STOPPED, notice_of
from experiments.store.database import Database
from experiments.store.leases import release_lease, take_lease

GUARDED = {"metrics": [{"metric": "returns", "role": "guardrail"}]}
UNWINDOWED = {"metrics": [{"metric": "ever", "role": "guardrail"}]}
RAMP = [{"traffic": share, "hours": 0} for share in (0.01, 0.05, 0.1, 0.25, 0.5, 1)]
PAST, FUTURE = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"


def test_it_starts_and_stops_by_the_clock(shop: Any):
    start, stop = now() + HOUR, now() + 2 * HOUR
    shop.create("later", schedule={"start_at": format_instant(stop)})
    shop.create(
        schedule={"start_at": format_instant(start), "stop_at": format_instant(stop - SECOND)}
    )
    assert shop.tick(start - 1) == []
    assert shop.tick(start) == ["STARTED"]
    assert shop.tick(stop - SECOND - 1) == []
    assert shop.standing()[0] == "running"
    assert shop.tick(stop - SECOND) == ["STOPPED"]
    assert shop.tick(stop - SECOND) == []
    assert shop.standing()[0] == "stopped"
    assert shop.get("/experiments/later")["status"] == "draft"
    assert shop.notices() == [("button", "STARTED"), ("button", "STOPPED")]
    history = shop.get("/experiments/button/history")["revisions"]
    assert [(one["verb"], one["actor"]) for one in history[:2]] == [
        ("stop", "scheduler"),
        ("start", "scheduler"),
    ]


def test_a_new_schedule_counts_at_once(shop: Any):
    shop.create(schedule={"start_at": FUTURE})
    assert shop.tick() == []
    answer = shop.patch("button", {"schedule": {"start_at": PAST}})
    assert answer["schedule"] == {
        "start_at": PAST,
        "stop_at": None,
        "ramp": [],
        "roll_back": False,
    }
    assert shop.tick() == ["STARTED"]
    shop.post("/experiments/button/pause")
    shop.patch("button", {"schedule": {"stop_at": PAST}})
    assert shop.tick() == ["STOPPED"], "what is paused stops too"


def test_a_start_that_fails_is_said_once_and_tried_again(shop: Any):
    shop.create("rival", feature="slot")
    shop.post("/experiments/rival/start")
    shop.create("waiting", feature="slot", schedule={"start_at": PAST})
    assert shop.tick() == ["START_FAILED"]
    assert "rival" in shop.details()[0]
    assert shop.tick() == []
    shop.patch("waiting", {"name": "W"})
    assert shop.tick() == ["START_FAILED"], "it was changed"
    shop.post("/experiments/rival/stop")
    shop.post("/experiments/rival/archive")
    assert shop.tick() == ["STARTED"]


def test_a_late_scheduler_does_not_start_what_should_have_ended(shop: Any):
    shop.create("late", schedule={"start_at": PAST, "stop_at": "2020-01-02T00:00:00Z"})
    assert shop.tick() == ["START_FAILED"]
    assert "stop_at" in shop.details()[0]
    assert shop.tick() == []
    assert shop.get("/experiments/late")["status"] == "draft"


def test_a_late_scheduler_gives_each_step_its_hours_yet(shop: Any):
    ramp = [{"traffic": share, "hours": 1} for share in (0.1, 0.5, 1)]
    shop.create(schedule={"ramp": ramp})
    shop.start(hours=48)
    assert shop.tick() == ["RAMP_RAISED"]
    assert shop.tick() == [], "the second step has only begun"
    assert shop.standing() == ("running", 0.5, 1)
    assert shop.tick(now() + HOUR) == ["RAMP_RAISED"]
    assert shop.standing() == ("running", 1, 2)


def test_a_ramp_goes_up_a_step_a_tick_and_ends(shop: Any):
    shop.create(**GUARDED, schedule={"ramp": RAMP})
    shop.start()
    walked = [shop.standing()]
    while shop.tick():
        walked.append(shop.standing())
    assert walked == [("running", step["traffic"], number) for number, step in enumerate(RAMP)]
    assert shop.notices() == [("button", "RAMP_RAISED")] * 5


def test_a_step_waits_for_its_hours(shop: Any):
    shop.create(schedule={"ramp": [{"traffic": 0.1, "hours": 2}, {"traffic": 1, "hours": 0}]})
    shop.start(hours=1)
    assert shop.tick() == []
    assert shop.standing() == ("running", 0.1, 0)


def test_bad_health_holds_a_ramp_until_it_is_good(shop: Any):
    shop.create(**GUARDED, schedule={"ramp": RAMP})
    shop.start()
    shop.visit("grey", 300, returns=30)
    shop.visit("green", 100, returns=10)
    assert shop.tick() == ["RAMP_HELD"]
    assert "shares" in shop.details()[0]
    assert shop.tick() == [], "one notice for each step and reason"
    assert shop.standing() == ("running", 0.01, 0)
    shop.visit("green", 200, returns=20, first=100)
    assert shop.tick() == ["RAMP_RAISED"]


def test_a_harmed_guardrail_holds_a_ramp_until_it_is_not(shop: Any):
    shop.create(**GUARDED, schedule={"ramp": RAMP})
    shop.start()
    shop.visit("grey", 400, returns=20)
    shop.visit("green", 400, returns=200)
    assert shop.tick() == ["RAMP_HELD"]
    assert "returns is significantly worse in green" in shop.details()[0]
    assert shop.tick() == []
    assert shop.standing() == ("running", 0.01, 0), "nobody asked to roll it back"
    shop.visit("grey", 400, returns=200, first=400)
    shop.visit("green", 400, returns=20, first=400)
    assert shop.tick() == ["RAMP_RAISED"]


@pytest.mark.parametrize(
    "changes",
    [
        GUARDED,
        UNWINDOWED,
        {**GUARDED, "plan": {"basis": "fixed"}},
        {"metrics": [{"metric": "returns", "role": "goal"}], "plan": {"basis": "bayesian"}},
    ],
)
def test_a_harm_is_rolled_back_without_anybody(shop: Any, changes: dict[str, Any]):
    shop.create(**changes, schedule={"roll_back": True, "ramp": RAMP})
    shop.start()
    shop.visit("grey", 400, returns=20)
    shop.visit("green", 400, returns=200)
    assert shop.tick() == ["ROLLED_BACK"]
    assert changes["metrics"][0]["metric"] in shop.details()[0]
    assert shop.standing() == ("stopped", 0.01, 0)
    assert shop.tick() == []
    got = shop.post("/assignments", {"unit_id": "u", "experiments": ["button"]})
    assert got["assignments"][0]["value"] == "grey"


def test_a_harm_that_nobody_asked_to_roll_back_goes_on(shop: Any):
    shop.create(**GUARDED)
    shop.start()
    shop.visit("grey", 400, returns=20)
    shop.visit("green", 400, returns=200)
    assert shop.tick() == []
    assert shop.standing()[0] == "running"


def test_numbers_that_cannot_be_trusted_roll_nothing_back_and_a_notice_says_so(shop: Any):
    shop.create(**GUARDED, schedule={"roll_back": True})
    shop.start()
    shop.visit("grey", 400, returns=20)
    shop.visit("green", 200, returns=100)
    assert shop.tick() == ["ROLL_BACK_HELD"]
    assert "shares" in shop.details()[0]
    assert shop.tick() == []
    assert shop.standing()[0] == "running"
    shop.visit("green", 200, returns=100, first=200)
    assert shop.tick() == ["ROLLED_BACK"]


def test_looks_leave_no_reports_behind(shop: Any):
    shop.create(**GUARDED, schedule={"roll_back": True})
    shop.start()
    shop.visit("grey", 100, returns=5)
    shop.visit("green", 100, returns=5)
    assert shop.tick() == []
    stored = shop.client.get("/api/v1/experiments/button/results?stored=true", headers=shop.headers)
    assert stored.status_code == 404


def test_who_has_no_lease_does_nothing(shop: Any, database: Database):
    shop.create(schedule={"start_at": PAST})
    assert take_lease(database, "scheduler", "another", at=0, until=2**60)
    assert shop.tick() is None
    release_lease(database, "scheduler", "another")
    assert shop.tick() == ["STARTED"]


def test_what_was_not_done_is_not_said(shop: Any):
    shop.create()
    shop.start()
    experiments = shop.services.experiments
    notice = notice_of(experiments.get("production", "button"), STOPPED, "Stopped.", now())

    def stop(revision: int) -> None:
        experiments.move(
            "production", "button", "stop", "tests", expected_revision=revision, notice=notice
        )

    with pytest.raises(EvenhandError) as refused:
        stop(1)
    assert refused.value.code == "REVISION_STALE"
    assert shop.notices() == []
    stop(2)
    assert shop.notices() == [("button", "STOPPED")]
