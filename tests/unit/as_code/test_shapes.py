"""A file takes what the HTTP API takes: the same fields, and the same values in them."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import Schema, ValidationError, fields

from api.schemas.definitions import ExperimentCreation, MetricCreation
from api.schemas.features import FeatureCreation
from api.schemas.layers import LayerCreation
from api.schemas.segments import SegmentCreation
from api.schemas.strict import Key, StrictSchema
from experiments.as_code.kinds import BY_SUBJECT
from experiments.as_code.shapes import ListOf, Shape


class HoldoutUse(StrictSchema):
    layer = Key(required=True, allow_none=True)


class WithHoldout(ExperimentCreation):
    """Over HTTP holdouts have an address of their own; in a file they are experiments."""

    holdout = fields.Nested(HoldoutUse, allow_none=True)


SCHEMAS: dict[str, type[Schema]] = {
    "segment": SegmentCreation,
    "layer": LayerCreation,
    "metric": MetricCreation,
    "feature": FeatureCreation,
    "experiment": WithHoldout,
}
DEEP: Any = 1
for _ in range(25):
    DEEP = [DEEP]
SAMPLES = [
    None, True, False, 0, 1, -1, 0.5, 1.5, 2**60, 1e300, 10**400, "", "a", "a b", "id", "x" * 101,
    "x" * 201, "x" * 6_000, "é", "a\x00", "\ud800", "2026-01-01T00:00:00Z", "2026-01-01", "count",
    "goal", "holm", "fixed", "boolean", "decrease", "external", "UTC", [], [None], ["a"], [1, "b"],
    ["a"] * 51, ["x" * 101], {}, {"a": 1}, {"a": ["u"]}, {"a": ["u"] * 1001}, {"a": "u"},
    {"a b": ["u"]}, {"a": "\x00"}, {"key": "a"}, DEEP, {"a": DEEP},
]  # fmt: skip


def pairs(
    schema: Schema, shape: Shape, path: str
) -> list[tuple[str, fields.Field, Any]]:  # the last is a shape's field
    """Every field of a schema with that of the shape; fails where one has no counterpart."""
    assert schema.fields.keys() == shape.fields.keys(), path
    found = []
    for name, field in schema.fields.items():
        ours = shape.fields[name]
        place = f"{path}.{name}"
        found.append((place, field, ours))
        inner, check = field, ours.check
        if isinstance(field, fields.List) and isinstance(check, ListOf):
            inner, check = field.inner, check.check
        if isinstance(inner, fields.Nested):
            assert isinstance(check, Shape), place
            found += pairs(inner.schema, check, place)
    return found


PAIRS = [
    pair
    for subject, schema in SCHEMAS.items()
    for pair in pairs(schema(), BY_SUBJECT[subject].shape, subject)
]


@pytest.mark.parametrize(("place", "field", "ours"), PAIRS, ids=[one[0] for one in PAIRS])
def test_both_take_and_refuse_the_same(place: str, field: fields.Field, ours: Any):
    assert (field.required, field.allow_none) == (ours.required, ours.nullable)
    for sample in SAMPLES:
        try:
            field.deserialize(sample)
        except ValidationError:
            over_http = False
        else:
            over_http = True
        problems = [] if sample is None else list(ours.check(sample, place))
        in_a_file = ours.nullable if sample is None else not problems
        assert in_a_file == over_http, repr(sample)[:60]
        assert all(one.path.startswith(place) and one.code == "INVALID" for one in problems)


def test_every_kind_is_compared():
    assert SCHEMAS.keys() == BY_SUBJECT.keys()
    assert len(PAIRS) > 70
