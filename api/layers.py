"""/api/v1/layers: spaces in which experiments exclude each other."""

from __future__ import annotations

from api.definition_resource import Shapes, definition_blueprint
from api.schemas.layers import LayerAnswer, LayerChange, LayerCreation, LayerList
from api.services import services

blueprint = definition_blueprint(
    "layer",
    Shapes(LayerCreation, LayerChange, LayerAnswer, LayerList),
    lambda: services().layers,
    description="Keep experiments apart",
    revising="Change a layer; once an experiment or a holdout names it, only its name.",
    deleting="Delete a layer that nobody names.",
)
