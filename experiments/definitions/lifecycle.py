"""The states of an experiment, the moves between them, and what may change while it runs.

    draft ─start→ running ⇄ paused ─stop→ stopped ─archive→ archived
                  └────────── ship ──────────→ shipped ─archive→ archived

A shipped experiment can be stopped, which gives everybody the control again. What runs or is
paused can be randomised anew, and a dry run be started in earnest: each begins another phase.
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
    "rerandomise": ((RUNNING, PAUSED), RUNNING),
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

    @property
    def is_open(self) -> bool:
        """Whether exposures count at present."""
        return self.runs[-1].ended_at is None

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

    @property
    def in_dry_run(self) -> bool:
        return self.phase is not None and self.phase.is_open and self.phase.kind == DRY_RUN

    @property
    def is_held_back(self) -> bool:
        """Whether it is shipped while a share stays with the control and goes on being measured."""
        return self.phase is not None and self.phase.is_open and self.phase.kind == HOLDBACK

    @property
    def held_slices(self) -> tuple[Slice, ...]:
        """What it holds of its layer: from its start until it stops or ships."""
        held = self.phase is not None and self.status in {RUNNING, PAUSED}
        return self.phase.slices if held and self.phase is not None else ()


def seed_of(experiment_key: str, phase: int) -> str:
    """The hash seed of a phase: the experiment's key, so that anybody can recompute it."""
    return experiment_key if phase == 1 else f"{experiment_key}:{phase}"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a move is told.

    `winner` is the variant that `ship` gives to the audience, `holdback` the share of all units
    that stay with the control, a fraction. `slices` are those of the layer that a start holds.
    `experiment` is the definition from then on, where the move changes it.
    """

    winner: str | None = None
    holdback: float | None = None
    dry_run: bool = False
    slices: tuple[Slice, ...] = ()
    experiment: Experiment | None = None


NO_TERMS = Terms()


def move(standing: Standing, verb: str, at: Instant, terms: Terms = NO_TERMS) -> Standing:
    """The standing after `verb` at the instant `at`; `Conflict` where the move is illegal."""
    sources, target = MOVES[verb]
    again = verb == "start" and standing.in_dry_run and not terms.dry_run
    if standing.status not in sources and not again:
        raise Conflict(
            "ILLEGAL_MOVE",
            f"{standing.experiment.key!r} is {standing.status} and cannot {verb};"
            f" {verb} needs it to be {' or '.join(sources)}",
        )
    if standing.experiment.holdout is not None and (
        verb in {"ship", "rerandomise"} or terms.dry_run
    ):
        raise Conflict(
            "HOLDOUT_MOVE",
            f"{standing.experiment.key!r} is a holdout, which neither ships nor runs dry, and"
            " whose units stay the same; stop it to let everybody in",
        )
    experiment = terms.experiment or standing.experiment
    ramp = experiment.schedule.ramp
    if verb == "start" and ramp and not terms.dry_run:
        experiment = replace(experiment, traffic=ramp[0].traffic)
    if again and experiment.sticky is not None:
        # Else the units of the dry run would stay in, whatever the traffic is now.
        version = experiment.sticky.bucket_version + 1
        sticky = replace(experiment.sticky, bucket_version=version)
        experiment = replace(experiment, sticky=sticky)
    moved = replace(standing, experiment=experiment)
    return replace(
        moved,
        status=target,
        winner=terms.winner if verb == "ship" else None,
        phases=_phases_after(moved, verb, at, terms),
        revision=standing.revision + 1,
        updated_at=max(at, standing.updated_at),
    )


def _phases_after(standing: Standing, verb: str, at: Instant, terms: Terms) -> tuple[Phase, ...]:
    phases = standing.phases
    if phases and phases[-1].is_open:
        phases = (*phases[:-1], _with_run(phases[-1], replace(phases[-1].runs[-1], ended_at=at)))
    if verb == "resume":
        last = phases[-1]
        return (*phases[:-1], replace(last, runs=(*last.runs, Run(at))))
    if verb == "start":
        return (*phases, _first_phase(standing, at, terms))
    if verb == "rerandomise":
        return (*phases, _anew(standing, at))
    if terms.holdback is not None:
        return (*phases, _holdback(standing, at, terms.winner or "", terms.holdback))
    return phases


def _with_run(phase: Phase, last: Run) -> Phase:
    return replace(phase, runs=(*phase.runs[:-1], last))


def _first_phase(standing: Standing, at: Instant, terms: Terms) -> Phase:
    """Of a start; after a dry run it is the next one, in the slices that this held."""
    experiment, before = standing.experiment, standing.phase
    number = before.number + 1 if before else 1
    ramped = bool(experiment.schedule.ramp) and not terms.dry_run
    return Phase(
        number=number,
        seed=seed_of(experiment.key, number),
        runs=(Run(at),),
        kind=DRY_RUN if terms.dry_run else MAIN,
        weights=_weights(experiment),
        slices=before.slices if before else terms.slices,
        step_at=at if ramped else None,
    )


def _anew(standing: Standing, at: Instant) -> Phase:
    """All of the last phase but the seed, and the weights that are there now."""
    last, number = standing.phases[-1], standing.phases[-1].number + 1
    return replace(
        last,
        number=number,
        seed=seed_of(standing.experiment.key, number),
        runs=(Run(at),),
        weights=_weights(standing.experiment),
    )


def _weights(experiment: Experiment) -> tuple[tuple[str, float], ...]:
    return tuple((variant.key, variant.weight) for variant in experiment.variants)


def _holdback(standing: Standing, at: Instant, winner: str, share: float) -> Phase:
    """The seed stays, so that those who are held back had the control before."""
    experiment, before = standing.experiment, standing.phases[-1]
    control = experiment.control
    if winner == control.key:
        raise Conflict(
            "HOLDBACK_OF_CONTROL",
            "the control ships to everybody; a hold-back compares another variant with it",
        )
    if not 0 < share <= control.weight:
        raise Conflict(
            "HOLDBACK_TOO_LARGE",
            f"hold back at most {control.weight:.4g}, the share that had the control; more would"
            " take the new variant from units that have met it",
        )
    return Phase(
        number=before.number + 1,
        seed=before.seed,
        runs=(Run(at),),
        kind=HOLDBACK,
        weights=((control.key, share), (winner, 1 - share)),
    )


def ramp_to(standing: Standing, step: int, at: Instant) -> Standing:
    """The standing with the traffic of a step of its ramp; `Conflict` where it cannot be."""
    experiment, phase, ramp = standing.experiment, standing.phase, standing.experiment.schedule.ramp
    if standing.status != RUNNING or phase is None or phase.kind != MAIN:
        raise Conflict(
            "ILLEGAL_MOVE",
            f"{experiment.key!r} does not run in earnest; only then does its traffic rise",
        )
    if not phase.step <= step < len(ramp):
        raise Conflict(
            "RAMP_STEP",
            f"{experiment.key!r} is at step {phase.step} of {len(ramp)}; a step may only rise",
        )
    return replace(
        standing,
        experiment=replace(experiment, traffic=max(experiment.traffic, ramp[step].traffic)),
        phases=(*standing.phases[:-1], replace(phase, step=step, step_at=at)),
        revision=standing.revision + 1,
        updated_at=max(at, standing.updated_at),
    )


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
    "layer": "its slices are allocated at the start",
    "holdout": "it says whom the other experiments leave alone",
    "sticky": "units are kept under its versions",
    "prerequisites": "units that are in would drop out",
}


def _arm(variant: Any) -> tuple[Any, ...]:
    return (variant.key, variant.weight, variant.value, variant.control)
