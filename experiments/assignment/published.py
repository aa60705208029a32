"""What is live in an environment as documents of the GrowthBook SDKs: the source of all answers.

Every face compiles these documents or sends them to an SDK, so that none can differ. A feature's
rules stand in this order: a guard for each prerequisite, which gives the default while it is not
met; the rules of the feature's document; then each experiment that no rule names, by its start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.assignment.conditions import attributes_of
from experiments.assignment.saved_groups import SavedGroups
from experiments.assignment.splits import (
    HASH_VERSION,
    floats_together,
    guard_rules,
    holdout_feature,
    parents_of,
    rule_document,
    started_at,
)
from experiments.definitions.experiment import Document
from experiments.definitions.feature import Feature, FeatureRule
from experiments.definitions.holdout import OPEN
from experiments.definitions.lifecycle import ARCHIVED, DRAFT, RUNNING, STOPPED, Standing
from experiments.definitions.segment import Segment


@dataclass(frozen=True, slots=True)
class Published:
    """`features` by key, holdouts among them under a name of their own; `groups` the lists named.

    `fillers` are the experiments of each feature, in the order of its rules.
    """

    features: Mapping[str, Document]
    groups: Mapping[str, list[Any]]
    fillers: Mapping[str, tuple[Standing, ...]]

    @property
    def payload(self) -> Document:
        return {"features": self.features, "savedGroups": self.groups}


def attributes_for(published: Published, feature: str) -> tuple[str, ...]:
    """The attributes that decide what a feature gives, those of its prerequisites among them."""
    found: set[str] = set()
    waiting, seen = [feature], {feature}
    while waiting:
        for rule in published.features.get(waiting.pop(), {}).get("rules", ()):
            found |= set(attributes_of(rule.get("condition", {}), published.groups))
            found |= {rule[name] for name in _ATTRIBUTES if name in rule}
            found |= {one["attribute"] for one in rule.get("filters", ())}
            parents = {one["id"] for one in rule.get("parentConditions", ())} - seen
            waiting += parents
            seen |= parents
    return tuple(sorted(found))


_ATTRIBUTES = ("hashAttribute", "fallbackAttribute")


def publish(
    standings: Iterable[Standing],
    features: Iterable[Feature] = (),
    segments: Iterable[Segment] = (),
) -> Published:
    groups = SavedGroups(segments)
    live = sorted(
        (one for one in standings if one.status not in {DRAFT, ARCHIVED}),
        key=lambda one: (started_at(one), one.experiment.key),
    )
    holdouts = [one for one in live if one.experiment.holdout is not None]
    holding = [one for one in holdouts if one.status == RUNNING]
    by_feature: dict[str, list[Standing]] = {}
    for one in live:
        if one.experiment.holdout is None:
            by_feature.setdefault(one.experiment.feature, []).append(one)
    fillers: dict[str, tuple[Standing, ...]] = {}
    documents: dict[str, Document] = {}
    defined = {feature.key: feature for feature in features}
    for key in sorted({*by_feature, *defined}):
        found = by_feature.get(key, [])
        feature = defined.get(key)
        if feature is None:
            filler = max(found, key=_rank)
            fillers[key] = (filler,)
            documents[key] = _alone(filler, holding, groups)
        else:
            ordered = _in_order(feature, found)
            fillers[key] = tuple(ordered)
            documents[key] = _document(feature, ordered, holding, groups)
    for one in holdouts:
        key = holdout_feature(one.experiment.key)
        fillers[key] = (one,)
        documents[key] = _holdout(one, groups)
    return Published(documents, groups.named, fillers)


def _rank(standing: Standing) -> tuple[bool, int, str]:
    """Without a document one experiment fills: a stopped one gives way, an earlier to a later."""
    return standing.status != STOPPED, started_at(standing), standing.experiment.key


def _alone(standing: Standing, holding: Sequence[Standing], groups: SavedGroups) -> Document:
    rule = rule_document(standing, holding, groups, everybody_has_control=True)
    document: Document = {"defaultValue": standing.experiment.control.value}
    return floats_together(document if rule is None else {**document, "rules": [rule]})


def _holdout(standing: Standing, groups: SavedGroups) -> Document:
    """Its value is the arm's key; who is in neither arm has the default, which is not held out."""
    rule = rule_document(standing, (), groups, everybody_has_control=True)
    document: Document = {"defaultValue": OPEN}
    if rule is None:
        return document
    keys = [variant.key for variant in standing.experiment.variants]
    return {**document, "rules": [{**rule, "variations": keys}]}


def _in_order(feature: Feature, found: list[Standing]) -> list[Standing]:
    places = {rule.experiment: index for index, rule in enumerate(feature.rules)}
    last = len(feature.rules)
    return sorted(found, key=lambda one: places.get(one.experiment.key, last))


def _document(
    feature: Feature,
    fillers: Sequence[Standing],
    holding: Sequence[Standing],
    groups: SavedGroups,
) -> Document:
    waiting = {one.experiment.key: one for one in fillers}
    rules: list[Document] = guard_rules(feature.prerequisites, feature.default, groups)
    ordered = [
        _forced(feature, rule, groups)
        if rule.experiment is None
        else _experiment(waiting.pop(rule.experiment, None), holding, groups)
        for rule in feature.rules
    ]
    ordered += [_experiment(one, holding, groups) for one in waiting.values()]
    rules += [rule for rule in ordered if rule is not None]
    document: Document = {"defaultValue": feature.default}
    return floats_together({**document, "rules": rules} if rules else document)


def _experiment(
    standing: Standing | None, holding: Sequence[Standing], groups: SavedGroups
) -> Document | None:
    return None if standing is None else rule_document(standing, holding, groups)


def _forced(feature: Feature, rule: FeatureRule, groups: SavedGroups) -> Document:
    document: Document = {"id": rule.id, "force": rule.value}
    if rule.condition:
        document["condition"] = groups.inlined(rule.condition)
    if rule.prerequisites:
        document["parentConditions"] = parents_of(rule.prerequisites, groups)
    if rule.coverage is not None:
        # Not as `coverage`: the SDKs do not agree on who falls on its very edge.
        document |= {
            "range": [0.0, rule.coverage],
            "seed": feature.salt_of(rule),
            "hashAttribute": rule.unit_type,
            "hashVersion": HASH_VERSION,
        }
    return document
