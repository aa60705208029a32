"""Notices as they are asked for and answered."""

from __future__ import annotations

from marshmallow import fields, validate

from api.schemas.strict import Key, Moment, StrictSchema
from experiments.schedule.notices import CODES


class NoticeQuery(StrictSchema):
    experiment = Key(metadata={"description": "Only those of this experiment"})
    limit = fields.Integer(
        load_default=100, validate=validate.Range(1, 1000), metadata={"description": "At most"}
    )


class NoticeSchema(StrictSchema):
    id = fields.String(required=True, metadata={"description": "Ordered by time"})
    experiment = fields.String(required=True)
    code = fields.String(required=True, validate=validate.OneOf(CODES))
    detail = fields.String(required=True, metadata={"description": "One sentence for people"})
    at = Moment(required=True)


class NoticeList(StrictSchema):
    notices = fields.List(fields.Nested(NoticeSchema), required=True)
