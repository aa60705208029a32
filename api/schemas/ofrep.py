"""OFREP's requests and answers, as the OpenAPI document describes them."""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields, validate

from api.schemas.strict import StrictSchema

REASONS = ("SPLIT", "TARGETING_MATCH", "DISABLED", "DEFAULT")
ERROR_CODES = ("PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "FLAG_NOT_FOUND")


class OfrepContext(Schema):
    """Who asks: the unit's id, and whatever audiences look at beside it."""

    class Meta:  # noqa: D106 — marshmallow's own way
        unknown = INCLUDE

    targetingKey = fields.String(  # noqa: N815 — the protocol's name
        required=True,
        validate=validate.Length(min=1, max=256),
        metadata={
            "description": "The id of the unit; those of other unit types are attributes"
            " under the name of the type"
        },
    )


class OfrepRequest(StrictSchema):
    context = fields.Nested(OfrepContext, required=True)


class OfrepMetadata(StrictSchema):
    """Scalars for telemetry. Those with Evenhand's words say what lies behind the answer."""

    flagSetId = fields.String(metadata={"description": "The environment"})  # noqa: N815
    contextId = fields.String(metadata={"description": "The targeting key"})  # noqa: N815
    version = fields.String(metadata={"description": "The revision of the experiment"})
    experimentKey = fields.String()  # noqa: N815
    inExperiment = fields.Boolean(  # noqa: N815
        metadata={"description": "Whether an exposure of this unit would count"}
    )
    assignmentReason = fields.String(  # noqa: N815
        metadata={"description": "The reason in the words of /api/v1/assignments"}
    )


class OfrepEvaluation(StrictSchema):
    key = fields.String(required=True)
    value = fields.Raw(
        metadata={"description": "Left out where the variant's value is null: use the default"}
    )
    reason = fields.String(required=True, validate=validate.OneOf(REASONS))
    variant = fields.String(
        required=True,
        metadata={"description": "The control's key where the unit is not in the experiment"},
    )
    metadata = fields.Nested(OfrepMetadata, required=True)


class OfrepBulkAnswer(StrictSchema):
    flags = fields.List(fields.Nested(OfrepEvaluation), required=True)
    metadata = fields.Nested(OfrepMetadata, required=True)


class OfrepFailure(StrictSchema):
    key = fields.String(metadata={"description": "The flag, where one was asked for"})
    errorCode = fields.String(required=True, validate=validate.OneOf(ERROR_CODES))  # noqa: N815
    errorDetails = fields.String(required=True)  # noqa: N815
