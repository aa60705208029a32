"""How an experiment reaches its units: layer, holdout, stickiness, prerequisites, overrides."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate

from api.schemas.strict import JsonObject, Key, Number, StrictSchema, Text, Whole, says

MAX_OVERRIDES = 1_000


class LayerUseSchema(StrictSchema):
    key = Key(required=True, metadata=says("The key of a layer"))
    size = Number(
        required=True,
        validate=validate.Range(0.0001, 1),
        metadata=says("The share of the layer's units that the experiment takes"),
    )


class HoldoutUseSchema(StrictSchema):
    layer = Key(
        allow_none=True, metadata=says("Kept out of the experiments of this layer; null: of all")
    )


class StickySchema(StrictSchema):
    bucket_version = Whole(
        validate=validate.Range(0), metadata=says("Raise it to assign everybody anew; default 0")
    )
    min_bucket_version = Whole(
        validate=validate.Range(0),
        metadata=says("Units with an assignment below it stay out; default 0"),
    )
    fallback = Key(
        allow_none=True, metadata=says("The id that stands in while the unit's own is not known")
    )


class PrerequisiteSchema(StrictSchema):
    feature = Key(required=True, metadata=says("The key of a feature"))
    condition = JsonObject(
        required=True, metadata=says('A condition over {"value": …}, such as {"value": true}')
    )


def prerequisites(**options: Any) -> fields.List[Any]:
    return fields.List(
        fields.Nested(PrerequisiteSchema), validate=validate.Length(max=20), **options
    )


def _few_overrides(overrides: dict[str, list[str]]) -> None:
    if sum(len(units) for units in overrides.values()) > MAX_OVERRIDES:
        raise ValidationError(f"at most {MAX_OVERRIDES} units are overridden; use a segment")


class DeliveryFields(StrictSchema):
    layer = fields.Nested(
        LayerUseSchema,
        allow_none=True,
        metadata=says("Its share of a layer, whose experiments exclude each other"),
    )
    holdout = fields.Nested(
        HoldoutUseSchema,
        allow_none=True,
        metadata=says("Makes it a holdout, whose variants are `held_out`, the control, and `open`"),
    )
    sticky = fields.Nested(
        StickySchema, allow_none=True, metadata=says("Units keep their variant whatever changes")
    )
    prerequisites = prerequisites(
        metadata=says("Features whose values must fulfil a condition before units enter")
    )
    overrides = fields.Dict(
        keys=Key(),
        values=fields.List(Text(longest=256, shortest=1)),
        validate=_few_overrides,
        metadata=says("By variant: the ids of units that get it, for tests; not counted"),
    )
