"""Features as they are sent and answered."""

from __future__ import annotations

from marshmallow import fields, validate

from api.paging import PageFields
from api.schemas.delivery import prerequisites
from api.schemas.stored import StoredFields
from api.schemas.strict import Json, JsonObject, Key, Number, StrictSchema, Text, says
from experiments.definitions.feature import TYPES


class RuleSchema(StrictSchema):
    id = Key(metadata=says("Default: rule-1, rule-2 …"))
    experiment = Key(metadata=says("An experiment that fills the feature"))
    value = Json(allow_none=True, metadata=says("Or a value for those whom the rule reaches"))
    condition = JsonObject(metadata=says("Whom the value reaches; left out: everybody"))
    coverage = Number(
        allow_none=True,
        validate=validate.Range(0, 1),
        metadata=says("The share of them, a fraction; left out: all"),
    )
    salt = Text(
        longest=200,
        shortest=1,
        allow_none=True,
        metadata=says("The seed of that share's hash; default: of this rule alone"),
    )
    unit_type = Key(metadata=says("The name of the id that is hashed; default `id`"))
    prerequisites = prerequisites(metadata=says("What other features must give first"))


class FeatureFields(StrictSchema):
    name = Text(longest=200, metadata=says("For people; default: the key"))
    prerequisites = prerequisites(metadata=says("Unless all are met everybody gets the default"))
    rules = fields.List(
        fields.Nested(RuleSchema),
        validate=validate.Length(max=100),
        metadata=says("In this order; the first that reaches a unit fills the feature"),
    )


class FeatureCreation(FeatureFields):
    key = Key(required=True)
    type = fields.String(
        required=True, validate=validate.OneOf(TYPES), metadata=says("Of each of its values")
    )
    default = Json(required=True, allow_none=True, metadata=says("For those whom no rule reaches"))


class FeatureChange(FeatureFields):
    """The fields to change, each replaced whole."""

    key = Key()
    type = fields.String(validate=validate.OneOf(TYPES), metadata=says("Of each of its values"))
    default = Json(allow_none=True, metadata=says("For those whom no rule reaches"))


class FeatureAnswer(StoredFields, FeatureCreation):
    pass


class FeatureList(PageFields):
    features = fields.List(fields.Nested(FeatureAnswer), required=True)
