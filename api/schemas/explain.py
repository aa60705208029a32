"""Why a unit got what it got, and who of many would get what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import INCLUDE, ValidationError, fields, validate

from api.schemas.assignments import AssignmentSchema
from api.schemas.strict import JsonObject, Key, StrictSchema, Text, says
from experiments.assignment.explanation import OUTCOMES, STEPS
from experiments.definitions.experiment import Document

MOST_UNITS = 10_000


class ExplainRequest(StrictSchema):
    """As a request for assignments."""

    experiment = Key(required=True)
    unit_id = Text(required=True, longest=256, shortest=1)
    unit_type = Key(load_default="id")
    attributes = JsonObject(load_default=dict, metadata=says("What audiences look at"))


class ExplainedStepSchema(StrictSchema):
    """Beside these fields stand the figures of the step, such as `position` and `ranges`."""

    class Meta:  # noqa: D106 — marshmallow's own way
        unknown = INCLUDE

    step = fields.String(required=True, validate=validate.OneOf(STEPS))
    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))
    detail = fields.String(required=True, metadata=says("One sentence for people"))


class ExplainAnswer(StrictSchema):
    experiment = fields.String(required=True)
    unit_id = fields.String(required=True)
    steps = fields.List(
        fields.Nested(ExplainedStepSchema),
        required=True,
        metadata=says("In the order in which they are decided; the last one decided"),
    )
    assignment = fields.Nested(
        AssignmentSchema, required=True, metadata=says("As POST /api/v1/assignments gives it")
    )


class Unit(StrictSchema):
    unit_id = Text(required=True, longest=256, shortest=1)
    attributes = JsonObject(load_default=dict)


class UnitOrId(fields.Field[Document]):
    """A unit with its attributes, or its id alone."""

    def __init__(self) -> None:
        super().__init__(
            metadata={
                "oneOf": [
                    {"type": "string", "minLength": 1, "maxLength": 256},
                    {
                        "type": "object",
                        "required": ["unit_id"],
                        "properties": {
                            "unit_id": {"type": "string", "minLength": 1, "maxLength": 256},
                            "attributes": {"type": "object"},
                        },
                        "additionalProperties": False,
                    },
                ]
            }
        )

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002 — as marshmallow calls it
        data: Mapping[str, Any] | None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> Document:
        if not isinstance(value, str | dict):
            raise ValidationError('send a unit id, or {"unit_id", "attributes"?}')
        unit: Document = _UNIT.load({"unit_id": value} if isinstance(value, str) else value)
        return unit


_UNIT = Unit()


class SimulateRequest(StrictSchema):
    units = fields.List(
        UnitOrId(),
        required=True,
        validate=validate.Length(1, MOST_UNITS),
        metadata=says("Each an object, or the unit id alone; each one counts, repeated or not"),
    )
    attributes = JsonObject(
        load_default=dict, metadata=says("Of all units that do not have their own of that name")
    )
    unit_type = Key(metadata=says("Default: that of the experiment, the only one it assigns"))


class SimulateAnswer(StrictSchema):
    experiment = fields.String(required=True)
    units = fields.Integer(required=True)
    variants = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata=says("Units by variant; those that get none are in `reasons` only"),
    )
    reasons = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    assumed = fields.String(
        validate=validate.OneOf(("started",)),
        metadata=says("The experiment is a draft: counted as if it had started now"),
    )
    sticky = fields.String(
        validate=validate.OneOf(("unavailable",)),
        metadata=says("The store was away: the hash decided"),
    )
