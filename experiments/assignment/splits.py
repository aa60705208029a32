"""An experiment as one rule of its feature, in the words of the GrowthBook SDKs.

What runs is split by the hash; what is shipped forces the winner; what is paused forces the
control, so that no later rule takes its units; a stopped one has no rule. A dry run splits units
while every variation has the control's value. A hold-back leaves the control a part of the range
that it had and gives the winner all the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from experiments.assignment.saved_groups import SavedGroups
from experiments.definitions.experiment import Document, Experiment, Sticky, Variant
from experiments.definitions.holdout import HELD_OUT
from experiments.definitions.layer import SLOTS, seed_of_layer
from experiments.definitions.lifecycle import DRY_RUN, PAUSED, RUNNING, SHIPPED, Phase, Standing
from experiments.definitions.prerequisite import Prerequisite

HASH_VERSION = 2
EXACT = 2**53  # every whole number up to here is a float too


def experiment_id(key: str) -> str:
    """The id of an experiment's rule; no key holds a colon."""
    return f"experiment:{key}"


def guard_id(feature: str) -> str:
    return f"prerequisite:{feature}"


def holdout_feature(key: str) -> str:
    """The feature that says whether a holdout keeps a unit out."""
    return f"$holdout:{key}"


def started_at(standing: Standing) -> int:
    """When it first started, in microseconds."""
    return standing.phases[0].started_at if standing.phases else 0


def rule_document(
    standing: Standing,
    holding: Sequence[Standing],
    groups: SavedGroups,
    *,
    everybody_has_control: bool = False,
) -> Document | None:
    """The experiment's rule; None where it has none. `holding` are the holdouts that run.

    Where the default is the control anyway, a paused experiment needs no rule.
    """
    rule: Document = {"id": experiment_id(standing.experiment.key)}
    audience = _audience(standing, holding, groups)
    if standing.status == RUNNING or standing.is_held_back:
        return {**rule, **audience, **split_document(standing)}
    if standing.status == SHIPPED:
        winner = standing.experiment.variant(standing.winner or "") or standing.experiment.control
        return {**rule, **audience, "force": winner.value}
    if standing.status == PAUSED and not everybody_has_control:
        control = standing.experiment.control.value
        return {**rule, **audience, **_filters(standing), "force": control}
    return None


def split_document(standing: Standing) -> Document:
    """The randomisation of the latest phase, whatever the status."""
    experiment, phase = standing.experiment, standing.phase
    number, seed = (phase.number, phase.seed) if phase else (0, "")
    arms = _arms(standing)
    document: Document = {
        "key": experiment.key,
        "name": experiment.name,
        "phase": str(number),
        "seed": seed,
        "hashAttribute": experiment.unit_type,
        "hashVersion": HASH_VERSION,
        "coverage": experiment.traffic,
        "weights": [variant.weight for variant in experiment.variants],
        "variations": [variant.value for variant, _ in arms],
        "meta": [{"key": variant.key, "name": variant.name} for variant, _ in arms],
        # What was kept would leave in a hold-back all who had the control.
        **_sticky(None if standing.is_held_back else experiment.sticky),
    }
    if standing.is_held_back:
        ranges = [list(among) for _, among in arms]
        return {**document, "ranges": ranges, "weights": [high - low for low, high in ranges]} | {
            "coverage": 1.0
        }
    if phase is not None and phase.kind == DRY_RUN:
        document["variations"] = [experiment.control.value] * len(arms)
    return {**document, **_filters(standing)}


def guard_rules(
    prerequisites: Sequence[Prerequisite], default: Any, groups: SavedGroups
) -> list[Document]:
    """Rules that give the default while a prerequisite is not met.

    The Python SDK passes over a rule that forces null: a gate, on which the SDKs end with null.
    """
    if default is None:
        return [
            {"id": guard_id(one.feature), "parentConditions": [{**parent, "gate": True}]}
            for one, parent in zip(prerequisites, parents_of(prerequisites, groups), strict=True)
        ]
    return [
        {
            "id": guard_id(one.feature),
            "parentConditions": [
                {"id": one.feature, "condition": {"$not": groups.inlined(one.condition)}}
            ],
            "force": default,
        }
        for one in prerequisites
    ]


def parents_of(prerequisites: Iterable[Prerequisite], groups: SavedGroups) -> list[Document]:
    return [
        {"id": one.feature, "condition": groups.inlined(one.condition)} for one in prerequisites
    ]


def is_held_out_by(standing: Standing, holdout: Standing) -> bool:
    """A holdout keeps units out of what starts after it, in its layer or anywhere."""
    experiment, scope = standing.experiment, holdout.experiment.holdout
    if scope is None or experiment.holdout is not None:
        return False
    layered = experiment.layer is not None and experiment.layer.key == scope.layer
    return (
        experiment.unit_type == holdout.experiment.unit_type
        and (scope.layer is None or layered)
        and started_at(holdout) <= started_at(standing)
    )


def floats_together(document: Document) -> Document:
    """A feature with one fraction among its numbers has only fractions.

    Typed clients refuse the 1 of an arm when the other one has 1.5; JavaScript, which writes 1.0
    as 1, could not say otherwise.
    """
    rules: list[Document] = document.get("rules", [])
    values = [document["defaultValue"]]
    for rule in rules:
        values += [rule["force"]] if "force" in rule else rule.get("variations", [])
    if not any(isinstance(value, float) for value in values):
        return document
    changed = [
        {**rule, "force": as_float(rule["force"])}
        if "force" in rule
        else {**rule, "variations": [as_float(value) for value in rule["variations"]]}
        if "variations" in rule
        else rule
        for rule in rules
    ]
    document = {**document, "defaultValue": as_float(document["defaultValue"])}
    return {**document, "rules": changed} if rules else document


def as_float(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and -EXACT <= value <= EXACT else value


def _audience(standing: Standing, holding: Sequence[Standing], groups: SavedGroups) -> Document:
    experiment = standing.experiment
    parents = [
        {"id": holdout_feature(one.experiment.key), "condition": {"value": {"$ne": HELD_OUT}}}
        for one in holding
        if is_held_out_by(standing, one)
    ] + parents_of(experiment.prerequisites, groups)
    document: Document = {}
    if experiment.audience:
        document["condition"] = groups.inlined(experiment.audience)
    if parents:
        document["parentConditions"] = parents
    return document


def _filters(standing: Standing) -> Document:
    use, phase = standing.experiment.layer, standing.phase
    if use is None or phase is None:
        return {}
    return {
        "filters": [
            {
                "attribute": standing.experiment.unit_type,
                "seed": seed_of_layer(use.key),
                "hashVersion": HASH_VERSION,
                "ranges": [[start / SLOTS, end / SLOTS] for start, end in phase.slices],
            }
        ]
    }


def _sticky(sticky: Sticky | None) -> Document:
    if sticky is None:
        return {"disableStickyBucketing": True}
    document: Document = {
        "bucketVersion": sticky.bucket_version,
        "minBucketVersion": sticky.min_bucket_version,
    }
    return (
        document
        if sticky.fallback is None
        else {
            **document,
            "fallbackAttribute": sticky.fallback,
        }
    )


def _arms(standing: Standing) -> list[tuple[Variant, tuple[float, float]]]:
    """The variations in order; ranges are those of a hold-back, else of nobody."""
    experiment, phase = standing.experiment, standing.phase
    if phase is None or not standing.is_held_back:
        return [(variant, (0.0, 0.0)) for variant in experiment.variants]
    return _holdback_arms(experiment, phase, standing.winner or "")


def _holdback_arms(
    experiment: Experiment, phase: Phase, key: str
) -> list[tuple[Variant, tuple[float, float]]]:
    control, winner = experiment.control, experiment.variant(key) or experiment.control
    share = dict(phase.weights)[control.key]
    starts = accumulate((variant.weight for variant in experiment.variants), initial=0.0)
    start = next(
        low for variant, low in zip(experiment.variants, starts, strict=False) if variant.control
    )
    arms = [(control, (start, start + share)), (winner, (start + share, 1.0))]
    return [*arms, (winner, (0.0, start))] if start > 0 else arms
