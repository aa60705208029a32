"""What the clock asks of an experiment at an instant. Pure: a standing and an instant in."""

from __future__ import annotations

from experiments.definitions.lifecycle import DRAFT, MAIN, PAUSED, RUNNING, Phase, Standing
from experiments.definitions.time import Instant

START, STOP, MISSED = "start", "stop", "missed"


def by_clock(standing: Standing, at: Instant) -> str | None:
    """`start`, `stop`, or `missed`: a draft whose stop has come before it could start."""
    start_at, stop_at = _starts_at(standing), standing.experiment.schedule.stop_at
    stops = stop_at is not None and stop_at <= at
    if stops and standing.status in {RUNNING, PAUSED}:
        return STOP
    if start_at is not None and start_at <= at:
        return MISSED if stops else START
    return None


def next_step(standing: Standing) -> int | None:
    """The ramp's next step, None where it has none; steps that somebody has passed are left out."""
    phase, experiment = standing.phase, standing.experiment
    if phase is None or phase.kind != MAIN or standing.status != RUNNING:
        return None
    for number, step in enumerate(experiment.schedule.ramp):
        if number > phase.step and step.traffic > experiment.traffic:
            return number
    return None


def is_raise_due(standing: Standing, at: Instant) -> bool:
    """Whether there is a next step and the present one has run for its hours."""
    return next_step(standing) is not None and _left(standing, at) <= 0


def is_watched(standing: Standing, at: Instant) -> bool:
    """Whether a fresh report is to be looked at: always for a roll-back, and before each raise."""
    phase, experiment = standing.phase, standing.experiment
    if phase is None or phase.kind != MAIN or standing.status != RUNNING:
        return False
    judged = any(use.role != "secondary" for use in experiment.metrics)
    return (experiment.schedule.roll_back and judged) or is_raise_due(standing, at)


def wakes_at(standing: Standing, at: Instant) -> Instant | None:
    """The next instant after `at` at which the clock asks for something."""
    schedule = standing.experiment.schedule
    instants = [
        _starts_at(standing),
        schedule.stop_at if standing.status in {RUNNING, PAUSED} else None,
        None if next_step(standing) is None else at + _left(standing, at),
    ]
    return min((one for one in instants if one is not None and one > at), default=None)


def _starts_at(standing: Standing) -> Instant | None:
    """When it starts in earnest: a draft, or a dry run that began before its time."""
    start_at, phase = standing.experiment.schedule.start_at, standing.phase
    if standing.status == DRAFT:
        return start_at
    if not standing.in_dry_run or phase is None or start_at is None:
        return None
    return start_at if phase.started_at < start_at else None


def _left(standing: Standing, at: Instant) -> int:
    """Microseconds that the ramp's step has still to run; a pause does not count."""
    phase, ramp = standing.phase, standing.experiment.schedule.ramp
    if phase is None:
        raise AssertionError("a ramp runs in a phase")
    since = phase.started_at if phase.step_at is None else phase.step_at
    return ramp[min(phase.step, len(ramp) - 1)].length - _ran(phase, since, at)


def _ran(phase: Phase, since: Instant, at: Instant) -> int:
    return sum(
        max(0, min(at if run.ended_at is None else run.ended_at, at) - max(run.started_at, since))
        for run in phase.runs
    )
