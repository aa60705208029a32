"""Holdouts as they are sent and answered."""

from __future__ import annotations

from marshmallow import fields, validate

from api.paging import PageFields
from api.schemas.definitions import MetricUseSchema, PhaseSchema, PlanSchema
from api.schemas.stored import StoredFields
from api.schemas.strict import JsonObject, Key, Number, StrictSchema, Text, says
from experiments.definitions.holdout import SIZES
from experiments.definitions.lifecycle import STATUSES

_SHARE = validate.Range(*SIZES)


class HoldoutFields(StrictSchema):
    name = Text(longest=200, metadata=says("For people; default: the key"))
    hypothesis = Text(longest=5000, metadata=says("What is expected, and why"))
    owner = Text(longest=200, metadata=says("Whom to ask"))
    tags = fields.List(
        Text(longest=100, shortest=1),
        validate=validate.Length(max=50),
        metadata=says("To find it again"),
    )
    layer = Key(
        allow_none=True, metadata=says("Kept out of the experiments of this layer; null: of all")
    )
    unit_type = Key(metadata=says("The name of the id that is kept out; default `id`"))
    audience = JsonObject(metadata=says("A condition over attributes; empty: everybody"))
    metrics = fields.List(
        fields.Nested(MetricUseSchema),
        validate=validate.Length(max=100),
        metadata=says("What is measured"),
    )
    time_zone = Text(longest=64, metadata=says("IANA name; default UTC"))
    plan = fields.Nested(PlanSchema, metadata=says("How it is analysed"))


class HoldoutCreation(HoldoutFields):
    key = Key(required=True)
    size = Number(required=True, validate=_SHARE, metadata=says("The share that is kept out"))


class HoldoutChange(HoldoutFields):
    """The fields to change; `plan` is merged, every other field replaced whole."""

    key = Key()
    size = Number(validate=_SHARE, metadata=says("The share that is kept out; fixed at the start"))


class HoldoutAnswer(StoredFields, HoldoutCreation):
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    phases = fields.List(fields.Nested(PhaseSchema), required=True)


class HoldoutList(PageFields):
    holdouts = fields.List(fields.Nested(HoldoutAnswer), required=True)
