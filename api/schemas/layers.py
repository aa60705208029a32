"""Layers as they are sent and answered."""

from __future__ import annotations

from marshmallow import fields

from api.paging import PageFields
from api.schemas.stored import StoredFields
from api.schemas.strict import Key, StrictSchema, Text, says


class LayerChange(StrictSchema):
    key = Key()
    name = Text(longest=200, metadata=says("For people; default: the key"))
    unit_type = Key(metadata=says("The name of the id that is shared out; default `id`"))


class LayerCreation(LayerChange):
    key = Key(required=True)


class LayerAnswer(StoredFields, LayerCreation):
    pass


class LayerList(PageFields):
    layers = fields.List(fields.Nested(LayerAnswer), required=True)
