"""A request for assignments and its answer."""

from __future__ import annotations

from marshmallow import fields, validate

from api.problems import FieldProblemSchema
from api.schemas.strict import Flag, JsonObject, Key, StrictSchema, Text


class AssignmentRequest(StrictSchema):
    unit_id = Text(required=True, longest=256, shortest=1)
    unit_type = Key(load_default="id")
    attributes = JsonObject(
        load_default=dict, metadata={"description": "What audiences look at; at most 32 KB"}
    )
    experiments = fields.List(
        Key(),
        load_default=None,
        validate=validate.Length(min=1, max=1000),
        metadata={"description": "Which ones; left out: all that are not drafts or archived"},
    )
    log_exposure = Flag(
        load_default=False,
        metadata={"description": "Also record that the unit met the variants it gets"},
    )


class AssignmentSchema(StrictSchema):
    experiment = fields.String(required=True)
    feature = fields.String(required=True)
    variant = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "null where the unit is not in"},
    )
    value = fields.Raw(
        required=True,
        allow_none=True,
        metadata={"description": "What the feature gives the unit, in or not"},
    )
    reason = fields.String(required=True)
    in_experiment = fields.Boolean(required=True)
    exposure = fields.String(
        validate=validate.OneOf(("stored", "duplicate", "failed")),
        metadata={"description": "With log_exposure, for units that are in"},
    )
    sticky = fields.String(
        validate=validate.OneOf(("unavailable",)),
        metadata={"description": "The store was away: the hash decided, and nothing was kept"},
    )
    error = fields.Nested(FieldProblemSchema)


class FurtherExposure(StrictSchema):
    experiment = fields.String(required=True)
    variant = fields.String(required=True)
    exposure = fields.String(
        required=True, validate=validate.OneOf(("stored", "duplicate", "failed"))
    )


class AssignmentAnswer(StrictSchema):
    unit_id = fields.String(required=True)
    assignments = fields.List(fields.Nested(AssignmentSchema), required=True)
    further_exposures = fields.List(
        fields.Nested(FurtherExposure),
        metadata={"description": "With log_exposure: what else was met on the way, as a holdout"},
    )
