"""Dead letters as they are looked up and replayed."""

from __future__ import annotations

from marshmallow import fields, validate

from api.schemas.events import VerdictSchema
from api.schemas.strict import Json, Moment, StrictSchema, Text, says


class DeadLetterQuery(StrictSchema):
    code = Text(longest=100, metadata=says("Only those that were refused for this reason"))
    key = Text(longest=100, metadata=says("Only those that the key with this selector sent"))
    since = Moment(metadata=says("Only those received then or later"))
    limit = fields.Integer(
        load_default=100, validate=validate.Range(1, 1000), metadata=says("Letters a page")
    )
    cursor = Text(longest=300, metadata=says("`next_cursor` of the page before"))


class DeadLetterSchema(StrictSchema):
    id = fields.String(required=True, metadata=says("One letter for each body and reason"))
    code = fields.String(required=True, metadata=says("Why it was refused"))
    detail = fields.String(required=True, metadata=says("What to do"))
    key = fields.String(required=True, metadata=says("The selector of the key that sent it"))
    received_at = Moment(required=True, metadata=says("When it came first"))


class DeadLetterDetails(DeadLetterSchema):
    body = fields.String(
        required=True,
        metadata=says("The item as JSON text; empty where it was nested beyond writing"),
    )


class DeadLetterList(StrictSchema):
    dead_letters = fields.List(fields.Nested(DeadLetterSchema), required=True)
    total = fields.Integer(required=True, metadata=says("Of all pages"))
    next_cursor = fields.String(
        required=True, allow_none=True, metadata=says("Asks for the next page; null at the end")
    )


class Replay(StrictSchema):
    item = Json(metadata=says("The mended event; left out: as it is"))
    sent_at = Moment(
        metadata=says("The client's clock when it sent the batch, to correct its skew")
    )


class ReplayAnswer(StrictSchema):
    result = fields.Nested(VerdictSchema, required=True)
