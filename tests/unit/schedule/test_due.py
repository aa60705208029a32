"""What the clock asks of a standing at an instant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import (
    DRAFT,
    DRY_RUN,
    PAUSED,
    RUNNING,
    STATUSES,
    Standing,
    Terms,
    move,
)
from experiments.definitions.time import HOUR
from experiments.schedule.due import (
    MISSED,
    START,
    STOP,
    by_clock,
    is_raise_due,
    is_watched,
    next_step,
    wakes_at,
)

RAMP = [
    {"traffic": 0.01, "hours": 1},
    {"traffic": 0.1, "hours": 2},
    {"traffic": 0.5, "hours": 0},
]


def draft(traffic: float = 1.0, **schedule: object) -> Standing:
    experiment = experiment_from_document(
        {
            "key": "button",
            "traffic": traffic,
            "variants": [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}],
            "metrics": [{"metric": "refund", "role": "guardrail"}],
            "schedule": schedule,
        }
    )
    return Standing("production", experiment, DRAFT, 1, 0, 0)


def ramping(step: int = 0, at: int = 0, **more: object) -> Standing:
    """Started at 0, on a step since `at`."""
    standing = move(draft(traffic=RAMP[step]["traffic"], ramp=RAMP, **more), "start", 0)
    (phase,) = standing.phases
    return replace(standing, phases=(replace(phase, step=step, step_at=at),))


@pytest.mark.parametrize(("at", "action"), [(9, None), (10, START), (19, START), (20, MISSED)])
def test_a_draft_starts_when_its_time_has_come_and_its_end_has_not(at: int, action: str | None):
    assert by_clock(draft(start_at=10, stop_at=20), at) == action


@pytest.mark.parametrize("status", STATUSES)
def test_only_what_runs_or_is_paused_stops(status: str):
    standing = replace(move(draft(stop_at=20), "start", 0), status=status)
    assert by_clock(standing, 19) is None
    assert by_clock(standing, 20) == (STOP if status in {RUNNING, PAUSED} else None)


def test_a_dry_run_starts_in_earnest_when_its_time_comes():
    dry = move(draft(start_at=10, stop_at=20), "start", 5, Terms(dry_run=True))
    assert [by_clock(dry, at) for at in (9, 10, 20)] == [None, START, STOP]
    assert wakes_at(dry, 5) == 10
    later = move(draft(start_at=10), "start", 15, Terms(dry_run=True))
    assert by_clock(later, 16) is None, "somebody began it after that time"
    assert by_clock(move(dry, "pause", 7), 12) is None


def test_a_draft_without_a_start_waits_for_people():
    assert by_clock(draft(stop_at=20), 30) is None


def test_a_step_holds_for_its_hours():
    assert not is_raise_due(ramping(), HOUR - 1)
    assert is_raise_due(ramping(), HOUR)
    assert not is_raise_due(ramping(1, at=HOUR), 3 * HOUR - 1)
    assert is_raise_due(ramping(1, at=HOUR), 3 * HOUR)


def test_the_last_step_has_none_after_it():
    assert next_step(ramping(2)) is None
    assert not is_raise_due(ramping(2), 99 * HOUR)


def test_a_pause_does_not_count():
    paused = move(ramping(), "pause", HOUR // 2)
    assert not is_raise_due(paused, 9 * HOUR)
    resumed = move(paused, "resume", 9 * HOUR)
    assert not is_raise_due(resumed, 9 * HOUR + HOUR // 2 - 1)
    assert is_raise_due(resumed, 9 * HOUR + HOUR // 2)


def test_steps_that_somebody_has_passed_are_left_out():
    standing = ramping()
    raised = replace(standing, experiment=replace(standing.experiment, traffic=0.2))
    assert next_step(raised) == 2


def test_a_ramp_that_was_cut_short_has_ended():
    standing = ramping(2)
    short = replace(standing.experiment.schedule, ramp=standing.experiment.schedule.ramp[:1])
    cut = replace(standing, experiment=replace(standing.experiment, schedule=short))
    assert next_step(cut) is None
    assert not is_raise_due(cut, 99 * HOUR)


def test_a_dry_run_does_not_ramp():
    standing = ramping()
    dry = replace(standing, phases=(replace(standing.phases[0], kind=DRY_RUN),))
    assert not is_raise_due(dry, 99 * HOUR)
    assert not is_watched(dry, 99 * HOUR)


def test_what_can_be_rolled_back_is_watched_all_the_time():
    assert is_watched(ramping(roll_back=True), 1)
    assert is_watched(move(draft(roll_back=True), "start", 0), 1)
    assert not is_watched(move(draft(), "start", 0), 1)
    assert not is_watched(draft(roll_back=True), 1)


def test_what_nobody_asked_to_roll_back_is_looked_at_before_a_raise_only():
    assert not is_watched(ramping(), HOUR - 1)
    assert is_watched(ramping(), HOUR)


def test_without_a_goal_or_a_guardrail_there_is_nothing_to_watch():
    standing = move(draft(roll_back=True), "start", 0)
    secondary = replace(standing.experiment.metrics[0], role="secondary")
    experiment = replace(standing.experiment, metrics=(secondary,))
    assert not is_watched(replace(standing, experiment=experiment), 1)


def test_the_clock_wakes_for_what_comes_next():
    assert wakes_at(draft(start_at=10, stop_at=20), 5) == 10
    assert wakes_at(draft(start_at=10, stop_at=20), 15) is None
    assert wakes_at(ramping(stop_at=2 * HOUR), 10) == HOUR
    assert wakes_at(ramping(stop_at=2 * HOUR), HOUR + 1) == 2 * HOUR
    assert wakes_at(move(draft(), "start", 0), 10) is None
