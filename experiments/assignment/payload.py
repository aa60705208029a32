"""GrowthBook payloads, read into specs the way the SDKs read them.

    {"features": {...}, "savedGroups": {...}, "contextualBandits": {...}}

Nothing here raises: a rule or a field that makes no sense is left out, so that one bad rule never
takes a whole payload away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from experiments.assignment import javascript
from experiments.assignment.buckets import Range, equal_weights, tolerant_ranges
from experiments.assignment.conditions import Groups, Predicate, read_condition
from experiments.assignment.hashing import position_by
from experiments.assignment.specs import (
    Bandit,
    Document,
    ExperimentSpec,
    Feature,
    Features,
    Filter,
    Force,
    Meta,
    Namespace,
    Parent,
    Rollout,
    Rule,
    Trial,
)
from experiments.assignment.urls import UrlTarget

_FALLBACK_LEAF = -1  # what the SDKs report where no leaf's condition holds
# What an experiment made from a rule is reported with: from the rule as it stands there, all but
# the coverage only where it is not empty.
_REPORTED = (
    "weights",
    "hashAttribute",
    "fallbackAttribute",
    "disableStickyBucketing",
    "namespace",
    "meta",
    "ranges",
    "name",
    "phase",
    "seed",
    "hashVersion",
    "filters",
    "condition",
)
_REPORTED_IF_THERE = ("coverage", "bucketVersion", "minBucketVersion")


def read_payload(payload: Document) -> Features:
    """The features of a payload, ready for `evaluate_feature`."""
    reader = _Reader(
        _mapping(payload.get("savedGroups")), _mapping(payload.get("contextualBandits"))
    )
    return {
        key: reader.feature(key, _mapping(document))
        for key, document in _mapping(payload.get("features")).items()
    }


def read_experiment(document: Document, groups: Groups | None = None) -> ExperimentSpec:
    """An experiment that stands alone, ready for `run`."""
    return _Reader(groups or {}).experiment(document)


@dataclass(frozen=True, slots=True)
class _Reader:
    groups: Groups
    bandits: Document = field(default_factory=dict)

    def feature(self, key: str, document: Document) -> Feature:
        rules = [self.rule(key, one) for one in _documents(document.get("rules"))]
        return Feature(document.get("defaultValue"), tuple(rules))

    def rule(self, key: str, document: Document) -> Rule:
        then: Force | Trial | None = None
        if "force" in document:
            then = self.force(key, document)
        else:
            variations = document.get("contextualVariations", document.get("variations"))
            if isinstance(variations, list):
                then = self.trial(_reported(key, variations, document), document)
        return Rule(
            then=then,
            id=_text(document.get("id"), ""),
            parents=self.parents(document),
            filters=_filters(document) or (),
        )

    def force(self, key: str, document: Document) -> Force:
        coverage, among = document.get("coverage"), _range(document.get("range"))
        rollout = None
        if among is not None or coverage is not None:
            sticky = not javascript.truthy(document.get("disableStickyBucketing"))
            rollout = Rollout(
                attribute=_text(document.get("hashAttribute"), "id"),
                fallback=_name(document.get("fallbackAttribute")) if sticky else None,
                position=position_by(_text(document.get("seed"), key), _hash_version(document, 1)),
                range=among,
                coverage=_number(coverage, 0.0),
            )
        return Force(document["force"], self.condition(document), rollout)

    def trial(self, experiment: Document, rule: Document) -> Trial:
        """A bandit's leaves are the experiment with their weights, the last for everybody else."""
        spec = self.experiment(experiment)
        bandit = self.bandits.get(_text(rule.get("contextualBanditRef"), ""))
        if not isinstance(bandit, dict):
            return Trial(spec)
        version = bandit.get("banditVersion")
        leaves: list[tuple[Predicate, ExperimentSpec]] = []
        for one in _documents(bandit.get("contexts")):
            weights = _numbers(one.get("weights")) or ()
            leaf = replace(
                self.experiment({**experiment, "weights": list(weights)}),
                bandit=Bandit(one.get("leafId"), weights, version),
            )
            leaves.append((read_condition(_mapping(one.get("condition")), self.groups), leaf))
        marginal = _numbers(rule.get("weights")) or tuple(equal_weights(len(spec.variations)))
        return Trial(replace(spec, bandit=Bandit(_FALLBACK_LEAF, marginal, version)), tuple(leaves))

    def experiment(self, document: Document) -> ExperimentSpec:
        variations = document.get("variations")
        variations = tuple(variations) if isinstance(variations, list) else ()
        key = _text(document.get("key"), "")
        coverage = _number(document.get("coverage"), 1.0)
        ranges = _ranges(document.get("ranges"))
        if ranges is None:
            ranges = tolerant_ranges(len(variations), coverage, _numbers(document.get("weights")))
        targets = document.get("urlPatterns")
        return ExperimentSpec(
            key=key,
            variations=variations,
            position=position_by(_text(document.get("seed"), key), _hash_version(document, 1)),
            ranges=ranges,
            hash_attribute=_text(document.get("hashAttribute"), "id"),
            fallback_attribute=_name(document.get("fallbackAttribute")),
            condition=self.condition(document),
            filters=_filters(document),
            namespace=_namespace(document.get("namespace")),
            parents=self.parents(document),
            meta=tuple(_meta(one) for one in _documents(document.get("meta"))),
            url_targets=_url_targets(targets) if isinstance(targets, list) else None,
            active=document.get("active") is not False and document.get("status") != "draft",
            stopped=document.get("status") == "stopped",
            force=int(_number(document["force"], -1)) if "force" in document else None,
            sticky=not javascript.truthy(document.get("disableStickyBucketing")),
            bucket_version=int(_number(document.get("bucketVersion"), 0)),
            min_bucket_version=int(_number(document.get("minBucketVersion"), 0)),
            document=document,
        )

    def parents(self, document: Document) -> tuple[Parent, ...]:
        return tuple(
            Parent(
                feature=_text(one.get("id"), ""),
                condition=read_condition(_mapping(one.get("condition")), self.groups),
                gate=javascript.truthy(one.get("gate")),
            )
            for one in _documents(document.get("parentConditions"))
        )

    def condition(self, document: Document) -> Predicate | None:
        condition = document.get("condition")
        return read_condition(condition, self.groups) if javascript.truthy(condition) else None


def _reported(key: str, variations: list[Any], rule: Document) -> Document:
    """The experiment that a rule stands for, as the SDKs report it."""
    document = {"variations": variations, "key": _text(rule.get("key"), key)}
    kept = {name: rule[name] for name in _REPORTED if javascript.truthy(rule.get(name))}
    there = {name: rule[name] for name in _REPORTED_IF_THERE if name in rule}
    return {**document, **there, **kept}


def _filters(document: Document) -> tuple[Filter, ...] | None:
    filters = document.get("filters")
    if not isinstance(filters, list):
        return None
    return tuple(
        Filter(
            attribute=_text(one.get("attribute"), "id"),
            position=position_by(_text(one.get("seed"), ""), _hash_version(one, 2)),
            ranges=_ranges(one.get("ranges")) or (),
        )
        for one in _documents(filters)
    )


def _namespace(value: Any) -> Namespace | None:
    if not isinstance(value, list) or len(value) != 3:
        return None
    among = _range(value[1:])
    if among is None:
        return None
    return Namespace(position_by(f"__{javascript.text(value[0])}", 1), among)


def _meta(document: Document) -> Meta:
    return Meta(
        key=_name(document.get("key")),
        name=_name(document.get("name")),
        passthrough=javascript.truthy(document.get("passthrough")),
    )


def _url_targets(targets: list[Any]) -> tuple[UrlTarget, ...]:
    return tuple(
        UrlTarget(
            kind=_text(one.get("type"), ""),
            pattern=_text(one.get("pattern"), ""),
            include=one.get("include") is not False,
        )
        for one in _documents(targets)
    )


def _hash_version(document: Document, default: int) -> int:
    version = document.get("hashVersion")
    return int(_number(version, 0)) if javascript.truthy(version) else default


def _range(value: Any) -> Range | None:
    numbers = _numbers(value)
    return (numbers[0], numbers[1]) if numbers is not None and len(numbers) == 2 else None


def _ranges(value: Any) -> tuple[Range, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(_range(one) or (0.0, 0.0) for one in value)


def _numbers(value: Any) -> tuple[float, ...] | None:
    if not isinstance(value, list) or not all(_is_number(one) for one in value):
        return None
    return tuple(value)


def _number(value: Any, default: float) -> float:
    return value if _is_number(value) else default


def _is_number(value: Any) -> bool:
    """Finite: JSON has no other, and `int` takes no other."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _text(value: Any, default: str) -> str:
    """A text; whatever is empty gives the default, as `||` does in JavaScript."""
    return javascript.text(value) if javascript.truthy(value) else default


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _documents(value: Any) -> list[Document]:
    return (
        [one if isinstance(one, dict) else {} for one in value] if isinstance(value, list) else []
    )
