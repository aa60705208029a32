"""What one definition says of others must be true: what it names exists and fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from experiments.assignment.conditions import attributes_of, compile_condition
from experiments.definitions.errors import Conflict, Invalid, Problem
from experiments.definitions.experiment import Experiment
from experiments.definitions.feature import Feature, fits
from experiments.definitions.holdout import holdout_problems
from experiments.definitions.prerequisite import Prerequisite
from experiments.registry.defined import Defined


def check_experiment(defined: Defined, experiment: Experiment) -> None:
    """Raise `Invalid` with all that is wrong; `defined` holds the experiment itself too."""
    problems = [
        *condition_problems(defined, experiment.audience, "audience"),
        *_metric_problems(defined, experiment),
        *_layer_problems(defined, experiment),
        *_prerequisite_problems(defined, experiment.prerequisites, "prerequisites"),
        *_cycle_problems(defined, experiment.feature),
        *holdout_problems(experiment),
    ]
    feature = defined.features.get(experiment.feature)
    if feature is not None and experiment.holdout is None:
        problems += _value_problems(feature, experiment, "variants")
    if problems:
        raise Invalid.of(problems)


def check_feature(defined: Defined, feature: Feature) -> None:
    """Raise `Invalid` with all that is wrong; `defined` holds the feature itself too."""
    problems = list(_prerequisite_problems(defined, feature.prerequisites, "prerequisites"))
    for index, rule in enumerate(feature.rules):
        path = f"rules.{index}"
        if rule.experiment is not None:
            problems += _rule_problems(defined, feature, rule.experiment, f"{path}.experiment")
        problems += condition_problems(defined, rule.condition or {}, f"{path}.condition")
        problems += _prerequisite_problems(defined, rule.prerequisites, f"{path}.prerequisites")
    problems += _cycle_problems(defined, feature.key)
    for standing in defined.fillers(feature.key):
        experiment = standing.experiment
        problems += _value_problems(feature, experiment, f"experiments.{experiment.key}.variants")
    if problems:
        raise Invalid.of(problems)


def check_release(defined: Defined, experiment: Experiment) -> None:
    """Raise `Conflict` where somebody relies on a draft to fill its feature."""
    key, feature = experiment.key, experiment.feature
    check_unneeded(defined, experiment)
    document = defined.features.get(feature)
    if document is not None and any(rule.experiment == key for rule in document.rules):
        raise Conflict(
            "EXPERIMENT_IN_USE",
            f"a rule of the feature {feature!r} names {key!r}; take the rule out first",
        )


def check_unneeded(defined: Defined, experiment: Experiment) -> None:
    """Raise `Conflict` where without it nothing would fill a feature that others wait for."""
    key, feature = experiment.key, experiment.feature
    fillers = [standing.experiment.key for standing in defined.fillers(feature)]
    needing = features_needing(defined, feature)
    if needing and fillers == [key] and feature not in defined.features:
        raise Conflict(
            "FEATURE_IN_USE",
            f"only {key!r} fills the feature {feature!r}, which is a prerequisite of"
            f" {', '.join(needing)}; take it out first",
        )


def condition_problems(defined: Defined, condition: Any, path: str) -> tuple[Problem, ...]:
    """What is wrong with a condition that may name segments."""
    try:
        compile_condition(condition, path, defined.groups)
    except Invalid as error:
        return error.problems
    return ()


def named_segments(condition: Any) -> frozenset[str]:
    """The segments that a condition names itself, not those that they name in turn."""
    return frozenset(_named(condition))


def _named(condition: Any) -> Iterator[str]:
    if isinstance(condition, list):
        for part in condition:
            yield from _named(part)
    elif isinstance(condition, dict):
        for name, operand in condition.items():
            group = operand
            if name == "$savedGroup" and isinstance(operand, dict):
                group = operand.get("id")
            if name in {"$savedGroup", "$inGroup", "$notInGroup"} and isinstance(group, str):
                yield group
            else:
                yield from _named(operand)


def _metric_problems(defined: Defined, experiment: Experiment) -> Iterator[Problem]:
    for index, use in enumerate(experiment.metrics):
        if use.metric not in defined.metrics:
            yield Problem(
                f"metrics.{index}.metric",
                "METRIC_UNKNOWN",
                f"there is no metric {use.metric!r} in {defined.environment!r}; create it first"
                " with POST /api/v1/metrics",
            )


def _layer_problems(defined: Defined, experiment: Experiment) -> Iterator[Problem]:
    named = []
    if experiment.layer is not None:
        named.append(("layer.key", experiment.layer.key))
    if experiment.holdout is not None and experiment.holdout.layer is not None:
        named.append(("holdout.layer", experiment.holdout.layer))
    for path, key in named:
        layer = defined.layers.get(key)
        if layer is None:
            yield Problem(
                path,
                "LAYER_UNKNOWN",
                f"there is no layer {key!r} in {defined.environment!r}; create it first with POST"
                " /api/v1/layers",
            )
        elif layer.unit_type != experiment.unit_type:
            yield Problem(
                path,
                "LAYER_UNIT_TYPE",
                f"the layer {key!r} shares units of type {layer.unit_type!r}, not"
                f" {experiment.unit_type!r}; set unit_type or take another layer",
            )


def _rule_problems(defined: Defined, feature: Feature, key: str, path: str) -> Iterator[Problem]:
    standing = defined.experiments.get(key)
    if standing is None:
        yield Problem(
            path,
            "EXPERIMENT_UNKNOWN",
            f"there is no experiment {key!r} in {defined.environment!r}; create it first",
        )
    elif standing.experiment.holdout is not None:
        yield Problem(
            path, "RULE_HOLDOUT", f"{key!r} is a holdout, which fills no feature; take the rule out"
        )
    elif standing.experiment.feature != feature.key:
        yield Problem(
            path,
            "FEATURE_MISMATCH",
            f"{key!r} fills the feature {standing.experiment.feature!r}; a rule names an experiment"
            f" whose feature is {feature.key!r}",
        )


def _value_problems(feature: Feature, experiment: Experiment, path: str) -> Iterator[Problem]:
    for index, variant in enumerate(experiment.variants):
        if not fits(feature.type, variant.value):
            yield Problem(
                f"{path}.{index}.value",
                "VALUE_TYPE",
                f"the feature {feature.key!r} is of type {feature.type}; give the variant"
                f" {variant.key!r} of {experiment.key!r} a value of that type",
            )


def _prerequisite_problems(
    defined: Defined, prerequisites: Iterable[Prerequisite], path: str
) -> Iterator[Problem]:
    for index, one in enumerate(prerequisites):
        if one.feature not in defined.features and not defined.fillers(one.feature):
            yield Problem(
                f"{path}.{index}.feature",
                "PREREQUISITE_UNKNOWN",
                f"there is no feature {one.feature!r} in {defined.environment!r} and no experiment"
                " fills it; create it first",
            )
        yield from condition_problems(defined, one.condition, f"{path}.{index}.condition")
        for attribute in attributes_of(one.condition, defined.groups):
            if attribute.partition(".")[0] != "value":
                yield Problem(
                    f"{path}.{index}.condition",
                    "PREREQUISITE_ATTRIBUTE",
                    f"a prerequisite sees the `value` of the feature and no {attribute!r}; put that"
                    " into the audience, or into the condition of a rule",
                )


def _cycle_problems(defined: Defined, feature: str) -> Iterator[Problem]:
    """A feature must not wait for itself, by whatever way."""
    cycle = _way_back(defined, feature)
    if cycle:
        yield Problem(
            "prerequisites",
            "PREREQUISITE_CYCLE",
            f"{' needs '.join(repr(key) for key in cycle)}; take one of these prerequisites out",
        )


def _way_back(defined: Defined, feature: str) -> tuple[str, ...]:
    """The features from this one back to itself, () where none leads back."""
    seen: set[str] = set()
    waiting: list[tuple[str, ...]] = [(feature,)]
    while waiting:
        way = waiting.pop()
        for one in defined.prerequisites(way[-1]):
            if one.feature == feature:
                return (*way, feature)
            if one.feature not in seen:
                seen.add(one.feature)
                waiting.append((*way, one.feature))
    return ()


def features_needing(defined: Defined, feature: str) -> list[str]:
    """The features that have this one as a prerequisite, by key."""
    filled = {standing.experiment.feature for standing in defined.experiments.values()}
    return [
        key
        for key in sorted(filled | defined.features.keys())
        if any(one.feature == feature for one in defined.prerequisites(key))
    ]
