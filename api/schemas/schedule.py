"""What happens by the clock, as it is sent and answered."""

from __future__ import annotations

from marshmallow import fields, validate

from api.schemas.strict import Flag, Moment, Number, StrictSchema


class RampStepSchema(StrictSchema):
    traffic = Number(
        required=True,
        validate=validate.Range(0, 1),
        metadata={"description": "Share of the eligible units that enter"},
    )
    hours = Number(
        required=True,
        validate=validate.Range(0, 24 * 366),
        metadata={"description": "How long it holds at least, pauses not counted"},
    )


class ScheduleSchema(StrictSchema):
    start_at = Moment(allow_none=True, metadata={"description": "When a draft starts by itself"})
    stop_at = Moment(allow_none=True, metadata={"description": "When it stops by itself"})
    ramp = fields.List(
        fields.Nested(RampStepSchema),
        validate=validate.Length(max=50),
        metadata={"description": "Steps by which the traffic grows while the health is good"},
    )
    roll_back = Flag(
        metadata={"description": "Stop by itself when a goal or a guardrail is shown to be harmed"}
    )
