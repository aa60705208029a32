"""The shapes that GrowthBook's SDKs speak.

Requests may hold fields that later versions of the SDKs add: those are passed over.
"""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from api.schemas.events import VerdictSchema
from api.schemas.strict import JsonObject, StrictSchema, check_json


class FeaturePayload(StrictSchema):
    """What an SDK assigns from."""

    status = fields.Integer(required=True)
    features = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(),
        required=True,
        metadata={"description": "By name: `defaultValue`, and `rules` in GrowthBook's words"},
    )
    dateUpdated = fields.String(  # noqa: N815 — GrowthBook's word
        required=True, metadata={"description": "Changes with every edit"}
    )
    savedGroups = fields.Dict(  # noqa: N815
        keys=fields.String(), metadata={"description": "By key: the segments that rules name"}
    )
    encryptedFeatures = fields.String(  # noqa: N815
        metadata={"description": "Of an encrypted key, whose `features` is empty"}
    )
    encryptedSavedGroups = fields.String()  # noqa: N815


def _pair(value: Any) -> None:
    if not (isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)):
        raise ValidationError("send [feature, value]")
    check_json(value)


class EvaluationRequest(Schema):
    attributes = JsonObject(load_default=dict, metadata={"description": "What is known of it"})
    forcedVariations = JsonObject(  # noqa: N815
        load_default=dict, metadata={"description": "Index of a variation by experiment"}
    )
    forcedFeatures = fields.List(  # noqa: N815
        fields.Raw(validate=_pair),
        load_default=list,
        metadata={"description": "Pairs of a feature and its value"},
    )


class EvaluatedFeatures(StrictSchema):
    status = fields.Integer(required=True)
    features = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(),
        required=True,
        metadata={"description": "By name: the value as `defaultValue`, and what to report"},
    )


class TrackedEvent(Schema):
    """An event of a tracking plugin."""

    event_name = fields.String(required=True)
    properties_json = fields.Dict(metadata={"description": "Or `properties`"})
    context_json = fields.Dict(metadata={"description": "Or `attributes`"})
    user_id = fields.String(allow_none=True)
    device_id = fields.String(allow_none=True)
    timestamp = fields.String(
        metadata={"description": "RFC 3339 with an offset; left out: the time of receipt"}
    )


class TrackBatch(Schema):
    sentAt = fields.String(  # noqa: N815
        metadata={"description": "The client's clock when it sent, to correct its skew"}
    )
    events = fields.List(
        fields.Nested(TrackedEvent), required=True, validate=validate.Length(max=1000)
    )


class TrackVerdict(VerdictSchema):
    status = fields.String(
        required=True,
        validate=validate.OneOf(("stored", "duplicate", "conflict", "rejected", "ignored")),
    )


class TrackAnswer(StrictSchema):
    status = fields.Integer(required=True)
    results = fields.List(fields.Nested(TrackVerdict), required=True)
