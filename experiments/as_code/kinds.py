"""The kinds of definition that a file may hold: where each stands, and its fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from experiments.as_code.shapes import (
    Check,
    Field,
    ListOf,
    Shape,
    any_json,
    flag,
    json_object,
    key,
    moment,
    number,
    one_of,
    text,
    whole,
)
from experiments.definitions.errors import Problem
from experiments.definitions.experiment import (
    ASSIGNMENTS,
    Document,
    experiment_from_document,
    experiment_to_document,
)
from experiments.definitions.feature import TYPES, feature_from_document, feature_to_document
from experiments.definitions.layer import layer_from_document, layer_to_document
from experiments.definitions.metric import (
    DIRECTIONS,
    metric_from_document,
    metric_to_document,
)
from experiments.definitions.metric import KINDS as METRIC_KINDS
from experiments.definitions.plan import BASES, CORRECTIONS, ROLES
from experiments.definitions.segment import segment_from_document, segment_to_document

MOST_OVERRIDES = 1_000


@dataclass(frozen=True, slots=True)
class Kind:
    """`section` is the field of the file that lists them."""

    subject: str
    section: str
    shape: Shape
    from_document: Callable[[Document], Any]
    to_document: Callable[[Any], Document]

    def normal(self, document: Document) -> Document:
        """With all defaults filled in; `Invalid` where a rule is broken. The shape is checked."""
        return self.to_document(self.from_document(document))


def _overrides(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem(path, "INVALID", "write an object: lists of unit ids by variant")
        return
    for variant, units in value.items():
        yield from key(variant, path)
        yield from ListOf(text(256, 1), MOST_OVERRIDES)(units, f"{path}.{variant}")
    if sum(len(units) for units in value.values() if isinstance(units, list)) > MOST_OVERRIDES:
        yield Problem(
            path, "INVALID", f"at most {MOST_OVERRIDES:,} units are overridden; use a segment"
        )


def _optional(check: Check) -> Field:
    return Field(check)


def _required(check: Check) -> Field:
    return Field(check, required=True)


def _nullable(check: Check) -> Field:
    return Field(check, nullable=True)


_SHARE = number(0, 1)
_NAME = _optional(text(200))
_PREREQUISITES = _optional(
    ListOf(Shape({"feature": _required(key), "condition": _required(json_object)}), most=20)
)

_SEGMENT = Shape(
    {
        "key": _required(key),
        "name": _NAME,
        "condition": _nullable(json_object),
        "attribute": _nullable(text(200, 1)),
        "values": _optional(ListOf(any_json, most=20_000)),
    }
)
_LAYER = Shape({"key": _required(key), "name": _NAME, "unit_type": _optional(key)})
_METRIC = Shape(
    {
        "key": _required(key),
        "name": _NAME,
        "kind": _required(one_of(*METRIC_KINDS)),
        "event": _required(text(200, 1)),
        "denominator_event": _nullable(text(200)),
        "window_hours": _nullable(number()),
        "delay_hours": _optional(number()),
        "direction": _optional(one_of(*DIRECTIONS)),
    }
)
_RULE = Shape(
    {
        "id": Field(key, placed=True),
        "experiment": _optional(key),
        "value": _nullable(any_json),
        "condition": _optional(json_object),
        "coverage": _nullable(_SHARE),
        "salt": _nullable(text(200, 1)),
        "unit_type": _optional(key),
        "prerequisites": _PREREQUISITES,
    }
)
_FEATURE = Shape(
    {
        "key": _required(key),
        "name": _NAME,
        "type": _required(one_of(*TYPES)),
        "default": Field(any_json, required=True, nullable=True),
        "prerequisites": _PREREQUISITES,
        "rules": _optional(ListOf(_RULE, most=100)),
    }
)
_VARIANT = Shape(
    {
        "key": _required(key),
        "name": _NAME,
        "weight": _required(_SHARE),
        "value": _nullable(any_json),
        "control": _optional(flag),
    }
)
_METRIC_USE = Shape(
    {
        "metric": _required(key),
        "role": _required(one_of(*ROLES)),
        "margin": _nullable(number()),
    }
)
_PLAN = Shape(
    {
        "basis": _optional(one_of(*BASES)),
        "alpha": _optional(number()),
        "correction": _optional(one_of(*CORRECTIONS)),
        "planned_units": _nullable(whole()),
        "power": _optional(number()),
        "minimum_effect": _nullable(number()),
    }
)
_LAYER_USE = Shape({"key": _required(key), "size": _required(number(0.0001, 1))})
_HOLDOUT = Shape({"layer": Field(key, required=True, nullable=True)})
_STICKY = Shape(
    {
        "bucket_version": _optional(whole(0)),
        "min_bucket_version": _optional(whole(0)),
        "fallback": _nullable(key),
    }
)
_RAMP_STEP = Shape({"traffic": _required(_SHARE), "hours": _required(number(0, 24 * 366))})
_SCHEDULE = Shape(
    {
        "start_at": _nullable(moment),
        "stop_at": _nullable(moment),
        "ramp": _optional(ListOf(_RAMP_STEP, most=50)),
        "roll_back": _optional(flag),
    }
)
_EXPERIMENT = Shape(
    {
        "key": _required(key),
        "name": _NAME,
        "hypothesis": _optional(text(5_000)),
        "owner": _optional(text(200)),
        "tags": _optional(ListOf(text(100, 1), most=50)),
        "unit_type": _optional(key),
        "feature": _optional(key),
        "traffic": _optional(_SHARE),
        "audience": _optional(json_object),
        "variants": _required(ListOf(_VARIANT, most=50, least=2)),
        "metrics": _optional(ListOf(_METRIC_USE, most=100)),
        "assignment": _optional(one_of(*ASSIGNMENTS)),
        "time_zone": _optional(text(64)),
        "plan": _optional(_PLAN),
        "layer": _nullable(_LAYER_USE),
        "holdout": _nullable(_HOLDOUT),
        "sticky": _nullable(_STICKY),
        "prerequisites": _PREREQUISITES,
        "overrides": _optional(_overrides),
        "schedule": _optional(_SCHEDULE),
    }
)

# What others name comes before those that name it.
ALL = (
    Kind("segment", "segments", _SEGMENT, segment_from_document, segment_to_document),
    Kind("layer", "layers", _LAYER, layer_from_document, layer_to_document),
    Kind("metric", "metrics", _METRIC, metric_from_document, metric_to_document),
    Kind("feature", "features", _FEATURE, feature_from_document, feature_to_document),
    Kind(
        "experiment",
        "experiments",
        _EXPERIMENT,
        experiment_from_document,
        experiment_to_document,
    ),
)
BY_SUBJECT = {kind.subject: kind for kind in ALL}
BY_SECTION = {kind.section: kind for kind in ALL}
