"""The report, described for the reference; the domain writes it."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from api.schemas.strict import StrictSchema


def _optional(field: type[fields.Field[Any]], says: str = "") -> fields.Field[Any]:
    return field(required=True, allow_none=True, metadata={"description": says} if says else {})


_INTERVAL = "[lower, upper]; null where it cannot be computed"


class DifferenceSchema(StrictSchema):
    """Treatment − control, in the metric's own unit."""

    estimate = _optional(fields.Float)
    standard_error = _optional(fields.Float)
    df = _optional(fields.Float)
    interval = fields.List(
        fields.Float(), required=True, allow_none=True, metadata={"description": _INTERVAL}
    )
    level = fields.Float(required=True)
    p_value = _optional(fields.Float, "Two-sided, at a fixed horizon")
    adjusted_p_value = _optional(fields.Float, "After the plan's correction; goals only")
    family = _optional(fields.Integer, "How many comparisons the correction counts")
    method = fields.String(required=True)


class LiftSchema(StrictSchema):
    """(treatment − control) / |control|, a fraction."""

    estimate = _optional(fields.Float)
    interval = fields.List(
        fields.Float(), required=True, allow_none=True, metadata={"description": _INTERVAL}
    )
    level = fields.Float(required=True)
    method = fields.String(required=True)
    reason = _optional(fields.String)


class SequentialSchema(StrictSchema):
    """Confidence sequences: valid at every look, together."""

    interval = fields.List(
        fields.Float(), required=True, allow_none=True, metadata={"description": _INTERVAL}
    )
    p_value = _optional(fields.Float, "Always valid: the report may be read at any time")
    adjusted_p_value = _optional(fields.Float, "After the plan's correction; goals only")
    lift_interval = fields.List(
        fields.Float(), required=True, allow_none=True, metadata={"description": _INTERVAL}
    )
    level = fields.Float(required=True)
    planned_units = fields.Integer(
        required=True,
        metadata={"description": "Units of both arms at which the sequence is narrowest"},
    )
    method = fields.String(required=True)
    reason = _optional(fields.String, "Why the lift has no interval")


class PriorSchema(StrictSchema):
    mean = fields.Float(required=True)
    sd = fields.Float(required=True)


class BayesianSchema(StrictSchema):
    chance_to_win = _optional(fields.Float)
    expected_loss_ship = _optional(fields.Float, "A lift, a fraction")
    expected_loss_keep = _optional(fields.Float, "A lift, a fraction")
    interval = fields.List(
        fields.Float(), required=True, allow_none=True, metadata={"description": _INTERVAL}
    )
    level = fields.Float(required=True)
    prior = fields.Nested(PriorSchema, required=True)
    method = fields.String(required=True)
    reason = _optional(fields.String)


class ComparisonSchema(StrictSchema):
    variant = fields.String(required=True)
    against = fields.String(required=True)
    reason = _optional(fields.String, "Why there is no test, null where there is one")
    verdict = _optional(fields.String, "better, worse or inconclusive")
    non_inferior = _optional(fields.Boolean, "Guardrails with a margin")
    difference = fields.Nested(DifferenceSchema, required=True)
    lift = fields.Nested(LiftSchema, required=True)
    sequential = fields.Nested(
        SequentialSchema,
        required=True,
        allow_none=True,
        metadata={"description": "Null where the metric is not judged sequentially"},
    )
    bayesian = fields.Nested(BayesianSchema, required=True)


class VariantMomentsSchema(StrictSchema):
    variant = fields.String(required=True)
    n = fields.Integer(required=True, metadata={"description": "Mature units"})
    mean = _optional(fields.Float)
    variance = _optional(fields.Float)


class MetricResultSchema(StrictSchema):
    metric = fields.String(required=True)
    name = fields.String(required=True)
    role = fields.String(required=True)
    kind = fields.String(required=True)
    direction = fields.String(required=True)
    basis = fields.String(
        required=True,
        metadata={"description": "What this metric is judged by: sequential, fixed or bayesian"},
    )
    margin = _optional(fields.Float)
    window_hours = _optional(fields.Float)
    delay_hours = fields.Float(required=True)
    waiting = fields.Integer(required=True, metadata={"description": "Units not yet mature"})
    variants = fields.List(fields.Nested(VariantMomentsSchema), required=True)
    comparisons = fields.List(fields.Nested(ComparisonSchema), required=True)


class DecisionSchema(StrictSchema):
    recommendation = fields.String(required=True)
    variant = _optional(fields.String)
    reason = fields.String(required=True, metadata={"description": "One sentence"})
    rule = fields.String(required=True, metadata={"description": "The rule that held, stable"})
    facts = fields.Dict(required=True, metadata={"description": "What the sentence uses"})


class ShareSchema(StrictSchema):
    key = fields.String(required=True)
    name = fields.String(required=True)
    weight = fields.Float(required=True)


class SegmentNameSchema(StrictSchema):
    key = fields.String(required=True)
    name = fields.String(required=True)


class ResultsSchema(StrictSchema):
    experiment = fields.String(required=True)
    name = fields.String(required=True)
    hypothesis = fields.String(required=True)
    environment = fields.String(required=True)
    revision = fields.Integer(required=True)
    status = fields.String(required=True)
    phase = _optional(fields.Integer)
    phase_kind = _optional(fields.String, "main, dry_run or holdback")
    segment = fields.Nested(
        SegmentNameSchema,
        required=True,
        allow_none=True,
        metadata={"description": "Null for everybody"},
    )
    holdout = fields.Boolean(
        required=True, metadata={"description": "Whether it measures all launches together"}
    )
    assignment = fields.String(required=True)
    basis = fields.String(required=True, metadata={"description": "The plan's"})
    alpha = fields.Float(required=True)
    correction = fields.String(required=True)
    watermark = fields.Integer(required=True, metadata={"description": "Changes up to here"})
    as_of = fields.String(required=True)
    version = fields.String(required=True)
    started_at = _optional(fields.String, "Of the phase")
    ended_at = _optional(fields.String, "Of the phase, null while units may enter it")
    next_maturity_at = _optional(fields.String)
    control = fields.String(required=True)
    winner = _optional(fields.String)
    variants = fields.List(fields.Nested(ShareSchema), required=True)
    units = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "By variant, without crossovers"},
    )
    crossovers = fields.Integer(required=True)
    planned_units = _optional(fields.Integer)
    minimum_effect = _optional(fields.Float)
    health = fields.Dict(required=True)
    decision = fields.Nested(DecisionSchema, required=True)
    metrics = fields.List(fields.Nested(MetricResultSchema), required=True)
