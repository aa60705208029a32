"""The states of an experiment, the moves between them, and what may change while it runs.

    draft ─start→ running ⇄ paused ─stop→ stopped ─archive→ archived
                  └────────── ship ──────────→ shipped ─archive→ archived

A shipped experiment can be stopped, which gives everybody the control again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from experiments.definitions.errors import Conflict, Problem
from experiments.definitions.experiment import Experiment
from experiments.definitions.layer import Slice
from experiments.definitions.time import Instant

DRAFT, RUNNING, PAUSED = "draft", "running", "paused"
STOPPED, SHIPPED, ARCHIVED = "stopped", "shipped", "archived"
STATUSES = (DRAFT, RUNNING, PAUSED, STOPPED, SHIPPED, ARCHIVED)

MOVES: dict[str, tuple[tuple[str, ...], str]] = {
    "start": ((DRAFT,), RUNNING),
    "pause": ((RUNNING,), PAUSED),
    "resume": ((PAUSED,), RUNNING),
    "stop": ((RUNNING, PAUSED, SHIPPED), STOPPED),
    "ship": ((RUNNING, PAUSED, STOPPED), SHIPPED),
    "archive": ((STOPPED, SHIPPED), ARCHIVED),
}


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of time in which exposures count: [started_at, ended_at)."""

    started_at: Instant
    ended_at: Instant | None = None

    def covers(self, instant: Instant) -> bool:
        return self.started_at <= instant and (self.ended_at is None or instant < self.ended_at)


MAIN, DRY_RUN, HOLDBACK = "main", "dry_run", "holdback"


@dataclass(frozen=True, slots=True)
class Phase:
    """One randomisation: its seed and the stretches in which it ran (a pause ends one).

    In a dry run units are assigned and counted while all get the control's value. A hold-back
    follows a ship: a share stays with the control and goes on being measured. `weights` are the
    shares of the variants by key; `slices` those of the layer, in ten-thousandths. `step` is that
    of the ramp, reached at `step_at`.
    """

    number: int
    seed: str
    runs: tuple[Run, ...]
    kind: str = MAIN
    weights: tuple[tuple[str, float], ...] = ()
    slices: tuple[Slice, ...] = ()
    step: int = 0
    step_at: Instant | None = None

    @property
    def started_at(self) -> Instant:
        return self.runs[0].started_at

    @property
    def ended_at(self) -> Instant | None:
        return self.runs[-1].ended_at

    def covers(self, instant: Instant) -> bool:
        return any(run.covers(instant) for run in self.runs)


@dataclass(frozen=True, slots=True)
class Standing:
    """An experiment as it stands in one environment: the definition and where it is in life."""

    environment: str
    experiment: Experiment
    status: str
    revision: int
    created_at: Instant
    updated_at: Instant
    phases: tuple[Phase, ...] = ()
    winner: str | None = None

    @property
    def phase(self) -> Phase | None:
        """The latest phase, None for a draft."""
        return self.phases[-1] if self.phases else None


def seed_of(experiment_key: str, phase: int) -> str:
    """The hash seed of a phase: the experiment's key, so that anybody can recompute it."""
    return experiment_key if phase == 1 else f"{experiment_key}:{phase}"


def move(standing: Standing, verb: str, at: Instant, winner: str | None = None) -> Standing:
    """The standing after `verb` at the instant `at`; `Conflict` where the move is illegal."""
    sources, target = MOVES[verb]
    if standing.status not in sources:
        raise Conflict(
            "ILLEGAL_MOVE",
            f"{standing.experiment.key!r} is {standing.status} and cannot {verb};"
            f" {verb} needs it to be {' or '.join(sources)}",
        )
    return replace(
        standing,
        status=target,
        winner=winner if verb == "ship" else None,
        phases=_phases_after(standing, target, at),
        revision=standing.revision + 1,
        updated_at=max(at, standing.updated_at),
    )


def _phases_after(standing: Standing, target: str, at: Instant) -> tuple[Phase, ...]:
    if standing.status == DRAFT:
        key = standing.experiment.key
        return (Phase(number=1, seed=seed_of(key, 1), runs=(Run(at),)),)
    *earlier, last = standing.phases
    if target == RUNNING:
        last = replace(last, runs=(*last.runs, Run(at)))
    elif standing.status == RUNNING:
        ended = replace(last.runs[-1], ended_at=at)
        last = replace(last, runs=(*last.runs[:-1], ended))
    return (*earlier, last)


def check_revision(before: Standing, after: Experiment) -> None:
    """Refuse what would move units or change what they met once an experiment has started."""
    if before.status == DRAFT:
        return
    was = before.experiment
    problems = [
        Problem(
            name,
            "LOCKED_AFTER_START",
            f"{name} is fixed once an experiment has started, because {reason}; clone the"
            " experiment to try another",
        )
        for name, reason in _LOCKED.items()
        if getattr(was, name) != getattr(after, name)
    ]
    if [_arm(v) for v in was.variants] != [_arm(v) for v in after.variants]:
        problems.append(
            Problem(
                "variants",
                "LOCKED_AFTER_START",
                "keys, weights, values and the control are fixed once an experiment has started:"
                " other weights would move units between variants, other values would change"
                " what a variant means; only names may change",
            )
        )
    if after.traffic < was.traffic:
        problems.append(
            Problem(
                "traffic",
                "LOCKED_AFTER_START",
                f"traffic may be raised ({was.traffic:g} now) but not lowered: units that are in"
                " would drop out; pause or stop the experiment instead",
            )
        )
    if problems:
        raise Conflict("LOCKED_AFTER_START", problems[0].message, tuple(problems))


_LOCKED = {
    "unit_type": "it is what was randomised",
    "feature": "the apps already ask for it",
    "audience": "units that are in would drop out",
    "assignment": "it says who decided",
    "layer": "its units are shared out",
    "holdout": "units that are held out would meet what they were kept from",
    "prerequisites": "units that are in would drop out",
}


def _arm(variant: Any) -> tuple[Any, ...]:
    return (variant.key, variant.weight, variant.value, variant.control)
