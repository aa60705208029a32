"""What of the events that come in is shown."""

from __future__ import annotations

from marshmallow import fields, validate

from api.schemas.strict import StrictSchema, Text, says


class TailQuery(StrictSchema):
    type = fields.String(validate=validate.OneOf(("exposure", "outcome")))
    experiment = Text(longest=200, metadata=says("Exposures of this experiment"))
    event = Text(longest=200, metadata=says("Outcomes of this name"))
    unit = Text(longest=400, metadata=says("An id of the unit, or type:id"))
    verdict = fields.String(
        validate=validate.OneOf(("stored", "duplicate", "conflict", "rejected"))
    )
    seconds = fields.Integer(
        validate=validate.Range(1, 86_400),
        metadata=says("How long to watch; left out: until the client leaves"),
    )
