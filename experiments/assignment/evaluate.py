"""What is ours on top of the evaluator: an experiment's status, its winner, and our reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.assignment.buckets import bucket_ranges, choose
from experiments.assignment.conditions import NO_GROUPS, Attributes, Groups, compile_condition
from experiments.assignment.context import Context
from experiments.assignment.decide import Step, decide
from experiments.assignment.hashing import position_by, seed_state
from experiments.assignment.specs import ExperimentSpec, Meta
from experiments.definitions.errors import Problem
from experiments.definitions.experiment import Experiment
from experiments.definitions.lifecycle import RUNNING, SHIPPED, Standing

SPLIT = "SPLIT"
TARGETING_MISMATCH = "TARGETING_MISMATCH"
NOT_IN_TRAFFIC = "NOT_IN_TRAFFIC"
WINNER = "SHIPPED"
DISABLED = "DISABLED"
ERROR = "ERROR"

HASH_VERSION = 2
_REASONS = {Step.CONDITION: TARGETING_MISMATCH, Step.COVERAGE: NOT_IN_TRAFFIC}


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
    """Everything that a request needs, worked out once for each revision.

    `state` is the hash's after the seed. `inside` has an answer for each variant; `shut` one for
    each step that keeps a unit out. `everybody` is set where all get the same answer, `shipped`
    where the whole audience does.
    """

    experiment: Experiment
    spec: ExperimentSpec
    state: int
    inside: tuple[Assignment, ...]
    shut: Mapping[Step, Assignment]
    everybody: Assignment | None = None
    shipped: Assignment | None = None

    def bucket(self, unit_id: str) -> str | None:
        """The variant that the hash gives, None outside the traffic; the audience is not asked."""
        position = self.spec.position(unit_id)
        index = None if position is None else choose(position, self.spec.ranges)
        return None if index is None else self.experiment.variants[index].key


def compile_experiment(standing: Standing, groups: Groups = NO_GROUPS) -> CompiledExperiment:
    """`groups` are the segments that its audience may name."""
    experiment = standing.experiment
    runs = standing.status in {RUNNING, SHIPPED}
    return CompiledExperiment(
        experiment=experiment,
        spec=spec_of(standing, groups),
        state=seed_state(_seed(standing)),
        inside=tuple(
            Assignment(
                experiment.key,
                experiment.feature,
                variant.key,
                variant.value,
                SPLIT,
                in_experiment=True,
            )
            for variant in experiment.variants
        ),
        shut={step: outside(experiment, reason) for step, reason in _REASONS.items()},
        everybody=None if runs else outside(experiment, DISABLED),
        shipped=_winner(standing) if standing.status == SHIPPED else None,
    )


def spec_of(standing: Standing, groups: Groups = NO_GROUPS) -> ExperimentSpec:
    """The experiment as the evaluator takes it, whatever its status."""
    experiment = standing.experiment
    audience = experiment.audience
    weights = [variant.weight for variant in experiment.variants]
    return ExperimentSpec(
        key=experiment.key,
        variations=tuple(variant.value for variant in experiment.variants),
        position=position_by(_seed(standing), HASH_VERSION),
        ranges=bucket_ranges(weights, experiment.traffic),
        hash_attribute=experiment.unit_type,
        condition=compile_condition(audience, groups=groups) if audience else None,
        meta=tuple(Meta(variant.key, variant.name) for variant in experiment.variants),
    )


def evaluate(compiled: CompiledExperiment, unit_id: str, attributes: Attributes) -> Assignment:
    """What this unit gets; `attributes` hold the unit's own id under the unit type's name."""
    if compiled.everybody is not None:
        return compiled.everybody
    if compiled.shipped is not None:
        condition = compiled.spec.condition
        reached = condition is None or condition(attributes)
        return compiled.shipped if reached else compiled.shut[Step.CONDITION]
    decision = decide(compiled.spec, Context(attributes), unit_id)
    if decision.step is Step.HASH:
        return compiled.inside[decision.variation]
    return compiled.shut[decision.step]


def _seed(standing: Standing) -> str:
    return standing.phase.seed if standing.phase else ""


def _winner(standing: Standing) -> Assignment:
    experiment = standing.experiment
    winner = experiment.variant(standing.winner or "") or experiment.control
    return Assignment(
        experiment.key,
        experiment.feature,
        winner.key,
        winner.value,
        WINNER,
        in_experiment=False,
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
