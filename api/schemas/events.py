"""Batches of events, described for the reference; items are judged one by one by the domain."""

from __future__ import annotations

from marshmallow import fields, validate

from api.problems import FieldProblemSchema
from api.schemas.strict import StrictSchema


class EventSchema(StrictSchema):
    """An exposure (experiment, variant) or an outcome (event, value, properties)."""

    type = fields.String(required=True, validate=validate.OneOf(("exposure", "outcome")))
    event_id = fields.String(metadata={"description": "Makes a retry harmless; echoed"})
    unit_id = fields.String(metadata={"description": "Or `ids`"})
    unit_type = fields.String(metadata={"description": "Default `id`"})
    ids = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Several ids of one unit by type; they are linked"},
    )
    timestamp = fields.String(
        metadata={"description": "RFC 3339 with an offset; left out: the time of receipt"}
    )
    experiment = fields.String(metadata={"description": "Exposures: the experiment's key"})
    variant = fields.String(metadata={"description": "Exposures: the variant's key"})
    attributes = fields.Dict(metadata={"description": "Exposures: what was known of the unit"})
    in_experiment = fields.Boolean(metadata={"description": "Exposures: false is not counted"})
    hash_used = fields.Boolean(metadata={"description": "Exposures: false is not counted"})
    overridden = fields.Boolean(metadata={"description": "Exposures: true is not counted"})
    event = fields.String(metadata={"description": "Outcomes: what happened"})
    value = fields.Float(metadata={"description": "Outcomes: a finite number, default 1"})
    properties = fields.Dict(metadata={"description": "Outcomes: any JSON"})


class EventBatch(StrictSchema):
    sent_at = fields.String(
        metadata={"description": "The client's clock when it sent, to correct its skew"}
    )
    events = fields.List(
        fields.Nested(EventSchema), required=True, validate=validate.Length(max=1000)
    )


class VerdictSchema(StrictSchema):
    index = fields.Integer(required=True)
    event_id = fields.String(required=True, allow_none=True)
    status = fields.String(
        required=True,
        validate=validate.OneOf(("stored", "duplicate", "conflict", "rejected")),
    )
    error = fields.Nested(FieldProblemSchema)


class BatchAnswer(StrictSchema):
    results = fields.List(fields.Nested(VerdictSchema), required=True)
