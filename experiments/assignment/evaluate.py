"""One experiment that alone decides about its feature, worked out for requests; and our reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.assignment.buckets import choose
from experiments.assignment.conditions import Attributes, Predicate
from experiments.assignment.context import Context
from experiments.assignment.decide import Step, decide
from experiments.assignment.hashing import bucket, seed_state
from experiments.assignment.payload import read_experiment, read_payload
from experiments.assignment.published import Published, publish
from experiments.assignment.specs import ExperimentSpec, Feature, Features, Force, Rule, Trial
from experiments.assignment.splits import experiment_id, holdout_feature, split_document
from experiments.definitions.errors import Problem
from experiments.definitions.experiment import Experiment
from experiments.definitions.lifecycle import SHIPPED, STOPPED, Standing

SPLIT = "SPLIT"
STICKY = "STICKY"
OVERRIDE = "OVERRIDE"
TARGETING_MISMATCH = "TARGETING_MISMATCH"
NOT_IN_TRAFFIC = "NOT_IN_TRAFFIC"
LAYER_EXCLUDED = "LAYER_EXCLUDED"
HOLDOUT = "HOLDOUT"
PREREQUISITE_UNMET = "PREREQUISITE_UNMET"
FEATURE_TAKEN = "FEATURE_TAKEN"
BLOCKED = "BLOCKED"
UNIT_ID_MISSING = "UNIT_ID_MISSING"
WINNER = "SHIPPED"
DISABLED = "DISABLED"
ERROR = "ERROR"

REASONS: Mapping[Step, str] = {
    Step.CONDITION: TARGETING_MISMATCH,
    Step.COVERAGE: NOT_IN_TRAFFIC,
    Step.FILTER: LAYER_EXCLUDED,
    Step.PREREQUISITE: PREREQUISITE_UNMET,
    Step.BLOCKED: BLOCKED,
    Step.NO_UNIT: UNIT_ID_MISSING,
}


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a unit gets. `value` is what the feature gives; `variant` is None where it is not in."""

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

    `alone` says that nothing else decides about the feature: then `evaluate` answers. `state` is
    the hash's after the seed. `inside` has an answer for each variation; `shut` one for each step
    that keeps a unit out. `everybody` is set where all get the same answer, `shipped` where the
    whole audience does. `placed` has the answers with the ends of their ranges where nothing but
    audience and hash decides. `testers` are the variants that units were given by hand.
    """

    experiment: Experiment
    feature: str
    spec: ExperimentSpec
    condition: Predicate | None
    state: int
    alone: bool
    inside: tuple[Assignment, ...]
    shut: Mapping[Step, Assignment]
    everybody: Assignment | None
    shipped: Assignment | None
    testers: Mapping[str, str]
    placed: tuple[tuple[float, float, Assignment], ...] | None

    def bucket(self, unit_id: str) -> str | None:
        """The variant that the hash gives, None outside the traffic; the audience is not asked."""
        position = self.spec.position(unit_id)
        index = None if position is None else choose(position, self.spec.ranges)
        return None if index is None else self.spec.key_of(index)

    def outside(self, reason: str, value: Any) -> Assignment:
        return outside(self.experiment, self.feature, reason, value)


def feature_of(experiment: Experiment) -> str:
    """The feature that an experiment fills; a holdout has one of its own."""
    return experiment.feature if experiment.holdout is None else holdout_feature(experiment.key)


def compile_experiment(
    standing: Standing, published: Published | None = None, features: Features | None = None
) -> CompiledExperiment:
    """`published` and `features` are the environment's; without them the experiment is alone."""
    if published is None or features is None:
        published = publish([standing])
        features = read_payload(published.payload)
    experiment, key = standing.experiment, feature_of(standing.experiment)
    fills = standing in published.fillers.get(key, ())
    feature = features.get(key, _UNPUBLISHED)
    rule = next((one for one in feature.rules if one.id == experiment_id(experiment.key)), None)
    spec, condition = _spec(standing, rule)
    default = feature.default if fills else experiment.control.value
    inside = tuple(
        Assignment(experiment.key, key, meta.key, value, SPLIT, in_experiment=True)
        for meta, value in zip(spec.meta, spec.variations, strict=True)
    )
    constant = not feature.rules and (fills or key not in features)
    return CompiledExperiment(
        experiment=experiment,
        feature=key,
        spec=spec,
        condition=condition,
        state=seed_state(standing.phase.seed if standing.phase else ""),
        alone=constant or _decides_alone(standing, feature, rule),
        inside=inside,
        shut={step: outside(experiment, key, reason, default) for step, reason in REASONS.items()},
        everybody=outside(experiment, key, DISABLED, default) if constant else None,
        shipped=_winner(standing, key, rule),
        testers={}
        if standing.status == STOPPED
        else {unit: variant for variant, units in experiment.overrides for unit in units},
        placed=tuple(
            (low, high, given) for (low, high), given in zip(spec.ranges, inside, strict=True)
        )
        if spec.is_plain and standing.phase is not None
        else None,
    )


def evaluate(
    compiled: CompiledExperiment,
    unit_id: str,
    attributes: Attributes,
    position: float | None = None,
) -> Assignment:
    """What this unit gets where the experiment is `alone`.

    `attributes` hold the unit's own id under the unit type's name; `position` is that of the hash,
    where it is known already.
    """
    if compiled.everybody is not None:
        return compiled.everybody
    if compiled.shipped is not None:
        condition = compiled.condition
        reached = condition is None or condition(attributes)
        return compiled.shipped if reached else compiled.shut[Step.CONDITION]
    if compiled.placed is not None:
        condition = compiled.condition
        if condition is not None and not condition(attributes):
            return compiled.shut[Step.CONDITION]
        if position is None:
            position = bucket(compiled.state, unit_id)
        for low, high, given in compiled.placed:
            if low <= position < high:
                return given
        return compiled.shut[Step.COVERAGE]
    decision = decide(compiled.spec, Context(attributes), unit_id)
    if decision.step is Step.HASH:
        return compiled.inside[decision.variation]
    return compiled.shut[decision.step]


def outside(
    experiment: Experiment, feature: str, reason: str, value: Any, error: Problem | None = None
) -> Assignment:
    """A unit that is not in: no variant, and what the feature gives it all the same."""
    return Assignment(
        experiment.key, feature, None, value, reason, in_experiment=False, error=error
    )


_UNPUBLISHED = Feature()


def _spec(standing: Standing, rule: Rule | None) -> tuple[ExperimentSpec, Predicate | None]:
    """The randomisation, and whom the rule reaches; without a rule, that of the last phase."""
    if rule is not None and isinstance(rule.then, Trial):
        return rule.then.experiment, rule.then.experiment.condition
    condition = rule.then.condition if rule is not None and isinstance(rule.then, Force) else None
    return read_experiment(split_document(standing)), condition


def _decides_alone(standing: Standing, feature: Feature, rule: Rule | None) -> bool:
    """Whether the rule is the feature's only one and asks nothing of other features or before."""
    return (
        rule is not None
        and len(feature.rules) == 1
        and not rule.parents
        and (isinstance(rule.then, Trial) or standing.status == SHIPPED)
        and standing.experiment.sticky is None
    )


def _winner(standing: Standing, feature: str, rule: Rule | None) -> Assignment | None:
    if standing.status != SHIPPED or rule is None or not isinstance(rule.then, Force):
        return None
    key = standing.winner or standing.experiment.control.key
    return Assignment(
        standing.experiment.key, feature, key, rule.then.value, WINNER, in_experiment=False
    )
