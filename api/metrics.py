"""/api/v1/metrics: what turns outcomes into one number per unit."""

from __future__ import annotations

from api.definition_resource import Shapes, definition_blueprint
from api.schemas.definitions import MetricAnswer, MetricChange, MetricCreation, MetricList
from api.services import services

blueprint = definition_blueprint(
    "metric",
    Shapes(MetricCreation, MetricChange, MetricAnswer, MetricList),
    lambda: services().metrics,
    description="Define what is measured",
    revising="Change a metric; once an experiment that uses it has started, only its name.",
    deleting="Delete a metric that no experiment names.",
)
