"""Experiments and metrics as they are sent and answered."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from api.schemas.schedule import ScheduleSchema
from api.schemas.strict import (
    Flag,
    Json,
    JsonObject,
    Key,
    Moment,
    Number,
    StrictSchema,
    Text,
    Whole,
)
from experiments.definitions.experiment import ASSIGNMENTS, BASES, CORRECTIONS, ROLES
from experiments.definitions.lifecycle import STATUSES
from experiments.definitions.metric import DIRECTIONS, KINDS


def _says(description: str) -> dict[str, Any]:
    return {"description": description}


class VariantSchema(StrictSchema):
    key = Key(required=True, metadata=_says("What events and answers call the arm"))
    name = Text(longest=200, metadata=_says("For people; default: the key"))
    weight = Number(
        required=True,
        validate=validate.Range(0, 1),
        metadata=_says("Share of the traffic; the weights sum to 1"),
    )
    value = Json(allow_none=True, metadata=_says("Any JSON that the app reads; default: the key"))
    control = Flag(metadata=_says("Default: the first variant is the control"))


class MetricUseSchema(StrictSchema):
    metric = Key(required=True, metadata=_says("The key of a metric"))
    role = fields.String(
        required=True,
        validate=validate.OneOf(ROLES),
        metadata=_says("Goals decide, the first one first; guardrails must not get worse"),
    )
    margin = Number(
        allow_none=True,
        metadata=_says("The loss that a guardrail may show, as a positive lift (fraction)"),
    )


class PlanSchema(StrictSchema):
    basis = fields.String(
        validate=validate.OneOf(BASES),
        metadata=_says(
            "Default sequential: may be read at any time; a metric without a window is fixed"
        ),
    )
    alpha = Number(metadata=_says("Significance level, a fraction; default 0.05"))
    correction = fields.String(
        validate=validate.OneOf(CORRECTIONS),
        metadata=_says("Over goal metrics × treatments; default holm"),
    )
    planned_units = Whole(allow_none=True, metadata=_says("Units of all arms together"))
    power = Number(metadata=_says("What was planned with, a fraction; default 0.8"))
    minimum_effect = Number(allow_none=True, metadata=_says("A positive lift (fraction)"))


class ExperimentFields(StrictSchema):
    name = Text(longest=200, metadata=_says("For people; default: the key"))
    hypothesis = Text(longest=5000, metadata=_says("What is expected, and why"))
    owner = Text(longest=200, metadata=_says("Whom to ask"))
    tags = fields.List(
        Text(longest=100, shortest=1),
        validate=validate.Length(max=50),
        metadata=_says("To find it again"),
    )
    unit_type = Key(metadata=_says("The name of the id that is randomised; default `id`"))
    feature = Key(metadata=_says("The name that the app asks for; default: the key"))
    traffic = Number(
        validate=validate.Range(0, 1), metadata=_says("Share of the eligible units that enter")
    )
    audience = JsonObject(metadata=_says("A condition over attributes; empty: everybody"))
    metrics = fields.List(
        fields.Nested(MetricUseSchema),
        validate=validate.Length(max=100),
        metadata=_says("What is measured"),
    )
    assignment = fields.String(
        validate=validate.OneOf(ASSIGNMENTS),
        metadata=_says("Whether our hash decides, or somebody else did; default internal"),
    )
    time_zone = Text(longest=64, metadata=_says("IANA name; default UTC"))
    plan = fields.Nested(PlanSchema, metadata=_says("How it is analysed"))
    schedule = fields.Nested(ScheduleSchema, metadata=_says("What happens by the clock"))


class ExperimentCreation(ExperimentFields):
    key = Key(required=True)
    variants = fields.List(
        fields.Nested(VariantSchema), required=True, validate=validate.Length(min=2, max=50)
    )


class ExperimentChange(ExperimentFields):
    """The fields to change; `plan` is merged, every other field replaced whole."""

    key = Key()
    variants = fields.List(fields.Nested(VariantSchema), validate=validate.Length(min=2, max=50))


class RunSchema(StrictSchema):
    started_at = Moment(required=True)
    ended_at = Moment(required=True, allow_none=True)


class PhaseSchema(StrictSchema):
    phase = fields.Integer(required=True, attribute="number")
    kind = fields.String(required=True)
    step = fields.Integer(required=True, metadata=_says("Of the ramp, from 0"))
    step_at = Moment(required=True, allow_none=True, metadata=_says("When it was reached"))
    seed = fields.String(required=True, metadata=_says("The seed of the hash"))
    weights = fields.Function(
        lambda phase: dict(phase.weights),
        metadata={**_says("The shares of the variants"), "type": "object"},
    )
    slices = fields.List(
        fields.List(fields.Integer()),
        metadata=_says("What it holds of its layer, in ten-thousandths"),
    )
    started_at = Moment(required=True)
    ended_at = Moment(required=True, allow_none=True)
    runs = fields.List(
        fields.Nested(RunSchema), required=True, metadata=_says("Between two runs it was paused")
    )


class CheckSchema(StrictSchema):
    code = fields.String(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(("ok", "warn", "fail")))
    message = fields.String(required=True)


class ExperimentAnswer(ExperimentCreation):
    environment = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    revision = fields.Integer(required=True)
    winner = fields.String(required=True, allow_none=True)
    phases = fields.List(fields.Nested(PhaseSchema), required=True)
    created_at = Moment(required=True)
    updated_at = Moment(required=True)
    checks = fields.List(
        fields.Nested(CheckSchema), metadata=_says("The pre-flight checks of a start")
    )


class ExperimentList(StrictSchema):
    experiments = fields.List(fields.Nested(ExperimentAnswer), required=True)
    total = fields.Integer(required=True, metadata=_says("Of all pages"))
    page = fields.Integer(required=True)
    page_size = fields.Integer(required=True)


class ExperimentQuery(StrictSchema):
    status = fields.String(
        validate=validate.OneOf(STATUSES), metadata=_says("Only those in this state")
    )
    tag = Text(longest=100, metadata=_says("Only those with this tag"))
    search = Text(longest=200, metadata=_says("Part of the key, name or owner"))
    page = fields.Integer(
        load_default=1, validate=validate.Range(1, 1_000_000), metadata=_says("From 1")
    )
    page_size = fields.Integer(
        load_default=100, validate=validate.Range(1, 1000), metadata=_says("Experiments a page")
    )


class StartOptions(StrictSchema):
    started_at = Moment(metadata=_says("In the past, for data gathered elsewhere; default: now"))
    dry_run = fields.Boolean(
        load_default=False,
        metadata=_says("Assign and log while everybody gets the control; start again in earnest"),
    )


class ShipOptions(StrictSchema):
    variant = Key(required=True, metadata=_says("The winner, for everybody in the audience"))
    holdback = fields.Float(
        validate=validate.Range(0, 1, min_inclusive=False, max_inclusive=False),
        metadata=_says("The share of all units that stays with the control and is measured on"),
    )


class RerandomiseOptions(StrictSchema):
    weights = fields.Dict(
        keys=Key(),
        values=fields.Float(validate=validate.Range(0, 1)),
        metadata=_says("By variant, 0 for those left out; default: as they are"),
    )
    traffic = fields.Float(validate=validate.Range(0, 1), metadata=_says("Default: as it is"))


class NoOptions(StrictSchema):
    """An empty object, or no body at all."""


class RevisionSchema(StrictSchema):
    revision = fields.Integer(required=True)
    verb = fields.String(required=True)
    actor = fields.String(required=True)
    at = Moment(required=True)
    before = fields.Raw(required=True, allow_none=True)
    after = fields.Raw(required=True, allow_none=True)


class HistorySchema(StrictSchema):
    revisions = fields.List(fields.Nested(RevisionSchema), required=True)


class MetricFields(StrictSchema):
    name = Text(longest=200, metadata=_says("For people; default: the key"))
    denominator_event = Text(
        longest=200, allow_none=True, metadata=_says("Ratios: whose values divide")
    )
    window_hours = Number(
        allow_none=True, metadata=_says("Length of the window; left out: open-ended")
    )
    delay_hours = Number(metadata=_says("From the first exposure to the window's start"))
    direction = fields.String(
        validate=validate.OneOf(DIRECTIONS), metadata=_says("Which way is better")
    )


class MetricCreation(MetricFields):
    key = Key(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    event = Text(longest=200, shortest=1, required=True)


class MetricChange(MetricFields):
    key = Key()
    kind = fields.String(validate=validate.OneOf(KINDS))
    event = Text(longest=200, shortest=1)


class MetricAnswer(MetricCreation):
    environment = fields.String(required=True)
    revision = fields.Integer(required=True)
    created_at = Moment(required=True)
    updated_at = Moment(required=True)


class MetricList(StrictSchema):
    metrics = fields.List(fields.Nested(MetricAnswer), required=True)
