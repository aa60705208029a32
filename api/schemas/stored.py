"""What every answer says of a definition beside what was sent."""

from __future__ import annotations

from marshmallow import fields

from api.schemas.strict import Moment, StrictSchema


class StoredFields(StrictSchema):
    environment = fields.String(required=True)
    revision = fields.Integer(required=True)
    created_at = Moment(required=True)
    updated_at = Moment(required=True)
