"""Planning: what is asked and what is answered."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from api.schemas.strict import Number, StrictSchema, Whole
from experiments.analysis.power import BASES, KINDS
from experiments.definitions.metric import DIRECTIONS
from experiments.definitions.plan import CORRECTIONS


def _says(description: str) -> dict[str, Any]:
    return {"description": description}


class PowerRequest(StrictSchema):
    """Give `lift` for the units, `units` for the smallest lift, or both for the power."""

    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    baseline = Number(required=True, metadata=_says("The control's rate or mean"))
    standard_deviation = Number(
        metadata=_says("Of a unit's value; of a ratio by the delta method; not for conversions")
    )
    lift = Number(metadata=_says("Change as a fraction of |baseline|"))
    units = Whole(metadata=_says("Of all variants together"))
    power = Number(metadata=_says("Default 0.8 where units or lift is sought"))
    alpha = Number(metadata=_says("Default 0.05; one-sided with a margin"))
    variants = Whole(validate=validate.Range(2, 50), metadata=_says("With equal shares; default 2"))
    shares = fields.List(
        Number(),
        validate=validate.Length(2, 50),
        metadata=_says("Of all units, the control's first, instead of `variants`"),
    )
    correction = fields.String(validate=validate.OneOf(CORRECTIONS))
    comparisons = Whole(
        metadata=_says("Goals × treatments; default: one goal, with a margin one comparison")
    )
    basis = fields.String(validate=validate.OneOf(BASES), metadata=_says("Default sequential"))
    direction = fields.String(
        validate=validate.OneOf(DIRECTIONS), metadata=_says("Which way is better; for a margin")
    )
    margin = Number(metadata=_says("The loss to be excluded, a positive lift"))
    covariate_correlation = Number(
        metadata=_says("Of the value with its covariate before the exposure (CUPED)")
    )
    units_per_day = Number(metadata=_says("How many units enter the experiment on a day"))


class PowerInputs(StrictSchema):
    """What was used, defaults included; null where it was not given."""

    kind = fields.String(required=True)
    baseline = fields.Float(required=True)
    standard_deviation = fields.Float(required=True, allow_none=True)
    lift = fields.Float(required=True, allow_none=True)
    units = fields.Integer(required=True, allow_none=True)
    power = fields.Float(required=True, allow_none=True)
    alpha = fields.Float(required=True)
    shares = fields.List(fields.Float(), required=True)
    correction = fields.String(required=True)
    comparisons = fields.Integer(required=True)
    basis = fields.String(required=True)
    direction = fields.String(required=True)
    margin = fields.Float(required=True, allow_none=True)
    covariate_correlation = fields.Float(required=True)
    units_per_day = fields.Float(required=True, allow_none=True)


class PowerAnswer(StrictSchema):
    solved = fields.String(required=True, validate=validate.OneOf(("units", "lift", "power")))
    units = fields.Integer(required=True, metadata=_says("Of all variants together"))
    units_per_variant = fields.List(
        fields.Integer(), required=True, metadata=_says("The control's first")
    )
    lift = fields.Float(required=True)
    effect = fields.Float(required=True, metadata=_says("The lift in the metric's own unit"))
    power = fields.Float(required=True)
    days = fields.Integer(
        required=True,
        allow_none=True,
        metadata=_says("Until the units have entered; a metric's window comes on top"),
    )
    formula = fields.String(required=True)
    test = fields.String(required=True)
    alpha_per_comparison = fields.Float(required=True)
    inputs = fields.Nested(PowerInputs, required=True)
