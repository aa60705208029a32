"""From a compiled experiment and a unit to an assignment, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments.assignment.buckets import Range, bucket_ranges, choose
from experiments.assignment.conditions import Attributes, Predicate, compile_condition
from experiments.assignment.hashing import bucket, seed_state
from experiments.definitions.errors import Problem
from experiments.definitions.experiment import Experiment
from experiments.definitions.lifecycle import RUNNING, SHIPPED, Standing

SPLIT = "SPLIT"
TARGETING_MISMATCH = "TARGETING_MISMATCH"
NOT_IN_TRAFFIC = "NOT_IN_TRAFFIC"
WINNER = "SHIPPED"
DISABLED = "DISABLED"
ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a unit gets. `variant` is None and `value` the control's where it is not in."""

    experiment: str
    feature: str
    variant: str | None
    value: Any
    reason: str
    in_experiment: bool
    error: Problem | None = None


@dataclass(frozen=True, slots=True)
class CompiledExperiment:
    """Everything that a request needs, worked out once for each revision."""

    experiment: Experiment
    status: str
    winner: str | None
    state: int
    ranges: tuple[Range, ...]
    audience: Predicate | None

    def bucket(self, unit_id: str) -> str | None:
        """The variant that the hash gives, None outside the traffic; the audience is not asked."""
        index = choose(bucket(self.state, unit_id), self.ranges)
        return None if index is None else self.experiment.variants[index].key


def compile_experiment(standing: Standing) -> CompiledExperiment:
    experiment = standing.experiment
    weights = [variant.weight for variant in experiment.variants]
    phase = standing.phase
    return CompiledExperiment(
        experiment=experiment,
        status=standing.status,
        winner=standing.winner,
        state=seed_state(phase.seed if phase else ""),
        ranges=bucket_ranges(weights, experiment.traffic),
        audience=compile_condition(experiment.audience) if experiment.audience else None,
    )


def evaluate(compiled: CompiledExperiment, unit_id: str, attributes: Attributes) -> Assignment:
    """What this unit gets; `attributes` hold the unit's own id under the unit type's name."""
    experiment = compiled.experiment
    if compiled.status not in {RUNNING, SHIPPED}:
        return outside(experiment, DISABLED)
    if compiled.audience is not None and not compiled.audience(attributes):
        return outside(experiment, TARGETING_MISMATCH)
    if compiled.status == SHIPPED:
        winner = experiment.variant(compiled.winner or experiment.control.key)
        return Assignment(
            experiment.key,
            experiment.feature,
            winner.key if winner else None,
            (winner or experiment.control).value,
            WINNER,
            in_experiment=False,
        )
    index = choose(bucket(compiled.state, unit_id), compiled.ranges)
    if index is None:
        return outside(experiment, NOT_IN_TRAFFIC)
    variant = experiment.variants[index]
    return Assignment(
        experiment.key,
        experiment.feature,
        variant.key,
        variant.value,
        SPLIT,
        in_experiment=True,
    )


def outside(experiment: Experiment, reason: str, error: Problem | None = None) -> Assignment:
    """A unit that is not in: no variant, the control's value."""
    return Assignment(
        experiment.key,
        experiment.feature,
        None,
        experiment.control.value,
        reason,
        in_experiment=False,
        error=error,
    )
