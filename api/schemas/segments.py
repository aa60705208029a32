"""Segments as they are sent and answered."""

from __future__ import annotations

from marshmallow import fields, validate

from api.paging import PageFields
from api.schemas.stored import StoredFields
from api.schemas.strict import Json, JsonObject, Key, StrictSchema, Text, says


class SegmentChange(StrictSchema):
    key = Key()
    name = Text(longest=200, metadata=says("For people; default: the key"))
    condition = JsonObject(allow_none=True, metadata=says("A condition over attributes"))
    attribute = Text(
        longest=200, shortest=1, allow_none=True, metadata=says("Whose values are listed")
    )
    values = fields.List(
        Json(), validate=validate.Length(max=20_000), metadata=says("Who has one of them is in")
    )


class SegmentCreation(SegmentChange):
    key = Key(required=True)


class SegmentAnswer(StoredFields, SegmentCreation):
    pass


class SegmentList(PageFields):
    segments = fields.List(fields.Nested(SegmentAnswer), required=True)
