"""Experiments and metrics as they are sent and answered."""

from __future__ import annotations

from marshmallow import fields, validate

from api.paging import PageFields, PageQuery
from api.schemas.delivery import DeliveryFields
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
    says,
)
from experiments.definitions.experiment import ASSIGNMENTS
from experiments.definitions.holdout import KINDS as KINDS_OF_EXPERIMENT
from experiments.definitions.lifecycle import STATUSES
from experiments.definitions.metric import DIRECTIONS, KINDS
from experiments.definitions.plan import BASES, CORRECTIONS, ROLES


class VariantSchema(StrictSchema):
    key = Key(required=True, metadata=says("What events and answers call the arm"))
    name = Text(longest=200, metadata=says("For people; default: the key"))
    weight = Number(
        required=True,
        validate=validate.Range(0, 1),
        metadata=says("Share of the traffic; the weights sum to 1"),
    )
    value = Json(allow_none=True, metadata=says("Any JSON that the app reads; default: the key"))
    control = Flag(metadata=says("Default: the first variant is the control"))


class MetricUseSchema(StrictSchema):
    metric = Key(required=True, metadata=says("The key of a metric"))
    role = fields.String(
        required=True,
        validate=validate.OneOf(ROLES),
        metadata=says("Goals decide, the first one first; guardrails must not get worse"),
    )
    margin = Number(
        allow_none=True,
        metadata=says("The loss that a guardrail may show, as a positive lift (fraction)"),
    )


class PlanSchema(StrictSchema):
    basis = fields.String(
        validate=validate.OneOf(BASES),
        metadata=says(
            "Default sequential: may be read at any time; a metric without a window is fixed"
        ),
    )
    alpha = Number(metadata=says("Significance level, a fraction; default 0.05"))
    correction = fields.String(
        validate=validate.OneOf(CORRECTIONS),
        metadata=says("Over goal metrics × treatments; default holm"),
    )
    planned_units = Whole(allow_none=True, metadata=says("Units of all arms together"))
    power = Number(metadata=says("What was planned with, a fraction; default 0.8"))
    minimum_effect = Number(allow_none=True, metadata=says("A positive lift (fraction)"))


class ExperimentFields(DeliveryFields):
    name = Text(longest=200, metadata=says("For people; default: the key"))
    hypothesis = Text(longest=5000, metadata=says("What is expected, and why"))
    owner = Text(longest=200, metadata=says("Whom to ask"))
    tags = fields.List(
        Text(longest=100, shortest=1),
        validate=validate.Length(max=50),
        metadata=says("To find it again"),
    )
    unit_type = Key(metadata=says("The name of the id that is randomised; default `id`"))
    feature = Key(metadata=says("The name that the app asks for; default: the key"))
    traffic = Number(
        validate=validate.Range(0, 1), metadata=says("Share of the eligible units that enter")
    )
    audience = JsonObject(metadata=says("A condition over attributes; empty: everybody"))
    metrics = fields.List(
        fields.Nested(MetricUseSchema),
        validate=validate.Length(max=100),
        metadata=says("What is measured"),
    )
    assignment = fields.String(
        validate=validate.OneOf(ASSIGNMENTS),
        metadata=says("Whether our hash decides, or somebody else did; default internal"),
    )
    time_zone = Text(longest=64, metadata=says("IANA name; default UTC"))
    plan = fields.Nested(PlanSchema, metadata=says("How it is analysed"))
    schedule = fields.Nested(ScheduleSchema, metadata=says("What happens by the clock"))


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
    step = fields.Integer(required=True, metadata=says("Of the ramp, from 0"))
    step_at = Moment(required=True, allow_none=True, metadata=says("When it was reached"))
    seed = fields.String(required=True, metadata=says("The seed of the hash"))
    weights = fields.Function(
        lambda phase: dict(phase.weights),
        metadata={**says("The shares of the variants"), "type": "object"},
    )
    slices = fields.List(
        fields.List(fields.Integer()),
        metadata=says("What it holds of its layer, in ten-thousandths"),
    )
    started_at = Moment(required=True)
    ended_at = Moment(required=True, allow_none=True)
    runs = fields.List(
        fields.Nested(RunSchema), required=True, metadata=says("Between two runs it was paused")
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
        fields.Nested(CheckSchema), metadata=says("The pre-flight checks of a start")
    )


class ExperimentList(PageFields):
    experiments = fields.List(fields.Nested(ExperimentAnswer), required=True)


class ExperimentQuery(PageQuery):
    status = fields.String(
        validate=validate.OneOf(STATUSES), metadata=says("Only those in this state")
    )
    kind = fields.String(
        validate=validate.OneOf(KINDS_OF_EXPERIMENT), metadata=says("Only those of this kind")
    )
    tag = Text(longest=100, metadata=says("Only those with this tag"))
    search = Text(longest=200, metadata=says("Part of the key, name or owner"))


class CloneOptions(StrictSchema):
    key = Key(required=True, metadata=says("Of the new experiment"))
    name = Text(longest=200, metadata=says("For people; default: that of the source"))


class StartOptions(StrictSchema):
    started_at = Moment(metadata=says("In the past, for data gathered elsewhere; default: now"))
    dry_run = Flag(
        load_default=False,
        metadata=says("Assign and log while everybody gets the control; start again in earnest"),
    )


class ShipOptions(StrictSchema):
    variant = Key(required=True, metadata=says("The winner, for everybody in the audience"))
    holdback = Number(
        validate=validate.Range(0, 1, min_inclusive=False, max_inclusive=False),
        metadata=says("The share of all units that stays with the control and is measured on"),
    )


class RerandomiseOptions(StrictSchema):
    weights = fields.Dict(
        keys=Key(),
        values=Number(validate=validate.Range(0, 1)),
        metadata=says("By variant, 0 for those left out; default: as they are"),
    )
    traffic = Number(validate=validate.Range(0, 1), metadata=says("Default: as it is"))
    block_earlier = Flag(
        load_default=False,
        metadata=says("Sticky experiments: who was assigned before may not enter again"),
    )


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
    name = Text(longest=200, metadata=says("For people; default: the key"))
    denominator_event = Text(
        longest=200, allow_none=True, metadata=says("Ratios: whose values divide")
    )
    window_hours = Number(
        allow_none=True, metadata=says("Length of the window; left out: open-ended")
    )
    delay_hours = Number(metadata=says("From the first exposure to the window's start"))
    direction = fields.String(
        validate=validate.OneOf(DIRECTIONS), metadata=says("Which way is better")
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


class MetricList(PageFields):
    metrics = fields.List(fields.Nested(MetricAnswer), required=True)
