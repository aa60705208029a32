"""API keys as they are made and shown."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from api.schemas.strict import Moment, StrictSchema, Text
from experiments.access import KINDS, MAX_SECURE_ATTRIBUTES, PAYLOADS


def _says(description: str) -> dict[str, Any]:
    return {"description": description}


class KeyCreation(StrictSchema):
    kind = fields.String(
        required=True,
        validate=validate.OneOf(KINDS),
        metadata=_says("client: public; server: stays on servers; admin: may do everything"),
    )
    name = Text(longest=200, metadata=_says("What it is for"))
    expires_at = Moment(allow_none=True, metadata=_says("Left out: it does not expire"))
    payload = fields.String(
        validate=validate.OneOf(PAYLOADS),
        metadata=_says("What GrowthBook's SDKs get with a client key; default plain"),
    )
    secure_attributes = fields.List(
        Text(longest=100, shortest=1),
        validate=validate.Length(max=MAX_SECURE_ATTRIBUTES),
        metadata=_says("Attributes whose values the payload of a client key holds only hashed"),
    )


class KeySchema(StrictSchema):
    selector = fields.String(required=True, metadata=_says("Names the key and is no secret"))
    environment = fields.String(required=True)
    kind = fields.String(required=True)
    name = fields.String(required=True)
    payload = fields.String(required=True)
    secure_attributes = fields.List(fields.String(), required=True)
    created_at = Moment(required=True)
    expires_at = Moment(required=True, allow_none=True)
    revoked_at = Moment(required=True, allow_none=True)
    last_used_at = Moment(required=True, allow_none=True)


class WithheldSchema(StrictSchema):
    feature = fields.String(required=True)
    rule = fields.Integer(required=True, metadata=_says("From this rule on; 1 is the first"))
    reason = fields.String(required=True)


class KeyDetails(KeySchema):
    decryption_key = fields.String(
        required=True, allow_none=True, metadata=_says("Of an encrypted key, for the SDK")
    )
    salt = fields.String(
        required=True,
        allow_none=True,
        metadata=_says("Where attributes are secure: apps hash SHA-256(salt + value), in hex"),
    )
    withheld = fields.List(
        fields.Nested(WithheldSchema),
        required=True,
        metadata=_says("What cannot be published with hashed attributes"),
    )


class KeyMade(KeyDetails):
    key = fields.String(required=True, metadata=_says("The whole key; it is not shown again"))


class KeyList(StrictSchema):
    keys = fields.List(fields.Nested(KeySchema), required=True)
