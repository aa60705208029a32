"""/api/v1/features: typed values that apps ask for, and what fills them."""

from __future__ import annotations

from api.definition_resource import Shapes, definition_blueprint
from api.schemas.features import FeatureAnswer, FeatureChange, FeatureCreation, FeatureList
from api.services import services

blueprint = definition_blueprint(
    "feature",
    Shapes(FeatureCreation, FeatureChange, FeatureAnswer, FeatureList),
    lambda: services().features,
    description="Define what apps ask for",
    revising="Change a feature; once an experiment that fills it has started, not its type.",
    deleting="Delete a feature that nothing needs and no experiment that has started fills.",
)
