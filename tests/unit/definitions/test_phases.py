"""What begins a phase, and what of the last one it keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from experiments.definitions.errors import Conflict
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import (
    DRAFT,
    DRY_RUN,
    HOLDBACK,
    MAIN,
    RUNNING,
    SHIPPED,
    Standing,
    Terms,
    move,
    ramp_to,
)

VARIANTS = [{"key": "red", "weight": 0.4}, {"key": "green", "weight": 0.6}]
RAMP = {"ramp": [{"traffic": 0.05, "hours": 1}, {"traffic": 0.5, "hours": 1}]}


def draft(**fields: Any) -> Standing:
    experiment = experiment_from_document({"key": "button", "variants": VARIANTS, **fields})
    return Standing("production", experiment, DRAFT, 1, 0, 0)


def test_a_dry_run_is_a_phase_of_its_own_and_is_started_again_in_earnest() -> None:
    dry = move(draft(schedule=RAMP), "start", 10, Terms(dry_run=True))
    assert dry.in_dry_run
    assert dry.experiment.traffic == 1.0
    earnest = move(dry, "start", 20)
    assert [phase.kind for phase in earnest.phases] == [DRY_RUN, MAIN]
    assert [phase.seed for phase in earnest.phases] == ["button", "button:2"]
    assert earnest.phases[0].ended_at == 20
    assert earnest.experiment.traffic == 0.05
    with pytest.raises(Conflict, match="cannot start"):
        move(earnest, "start", 30)


def test_randomising_anew_changes_the_seed_and_keeps_the_slices() -> None:
    running = move(draft(), "start", 10, Terms(slices=((0, 500),)))
    weights = replace(running.experiment, traffic=0.3)
    anew = move(move(running, "pause", 20), "rerandomise", 30, Terms(experiment=weights))
    assert anew.status == RUNNING
    assert anew.experiment.traffic == 0.3
    assert [phase.seed for phase in anew.phases] == ["button", "button:2"]
    assert anew.held_slices == ((0, 500),)
    assert anew.phases[0].ended_at == 20
    assert move(anew, "stop", 40).held_slices == ()


def test_a_dry_run_that_is_randomised_anew_stays_one():
    dry = move(draft(schedule=RAMP), "start", 10, Terms(dry_run=True))
    anew = move(dry, "rerandomise", 20)
    assert [phase.kind for phase in anew.phases] == [DRY_RUN, DRY_RUN]
    assert anew.in_dry_run
    assert move(anew, "start", 30).phases[-1].step_at == 30


def test_randomising_anew_stays_at_the_step_of_the_ramp():
    raised = ramp_to(move(draft(schedule=RAMP), "start", 10), 1, 20)
    last = move(raised, "rerandomise", 30).phases[-1]
    assert (last.step, last.step_at, last.started_at) == (1, 20, 30)


def test_a_hold_back_keeps_the_seed_and_goes_on_until_it_stops() -> None:
    running = move(draft(), "start", 10)
    shipped = move(running, "ship", 20, Terms(winner="green", holdback=0.1))
    assert shipped.status == SHIPPED
    assert shipped.is_held_back
    phase = shipped.phases[-1]
    assert (phase.kind, phase.seed, phase.number) == (HOLDBACK, "button", 2)
    assert dict(phase.weights) == {"red": 0.1, "green": 0.9}
    assert move(shipped, "archive", 30).phases[-1].ended_at == 30


@pytest.mark.parametrize(
    ("winner", "share", "code"),
    [("green", 0.5, "HOLDBACK_TOO_LARGE"), ("red", 0.1, "HOLDBACK_OF_CONTROL")],
)
def test_a_hold_back_takes_nothing_from_units_that_have_it(
    winner: str, share: float, code: str
) -> None:
    running = move(draft(), "start", 10)
    with pytest.raises(Conflict) as caught:
        move(running, "ship", 20, Terms(winner=winner, holdback=share))
    assert caught.value.code == code


def test_a_ramp_only_rises() -> None:
    running = move(draft(schedule=RAMP), "start", 10)
    assert (running.experiment.traffic, running.phases[-1].step_at) == (0.05, 10)
    raised = ramp_to(running, 1, 50)
    assert (raised.experiment.traffic, raised.phases[-1].step) == (0.5, 1)
    for step in (0, 2):
        with pytest.raises(Conflict, match="step"):
            ramp_to(raised, step, 60)


def test_a_holdout_neither_ships_nor_runs_dry() -> None:
    arms = [{"key": "held_out", "weight": 0.5}, {"key": "open", "weight": 0.5}]
    holdout = draft(variants=arms, holdout={})
    with pytest.raises(Conflict, match="holdout"):
        move(holdout, "start", 10, Terms(dry_run=True))
    with pytest.raises(Conflict, match="holdout"):
        move(move(holdout, "start", 10), "ship", 20, Terms(winner="open"))
