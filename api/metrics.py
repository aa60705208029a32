"""/api/v1/metrics: what turns outcomes into one number per unit."""

from __future__ import annotations

from api.auth import allow, current_actor
from api.blueprint import Blueprint, expected_revision
from api.schemas.definitions import MetricAnswer, MetricChange, MetricCreation, MetricList
from api.services import services
from experiments.definitions.experiment import Document
from experiments.definitions.metric import Metric, metric_to_document
from experiments.store.definitions import Stored

Answer = tuple[Document, dict[str, str]]

blueprint = Blueprint("metrics", __name__, description="Define what is measured")


@blueprint.route("/metrics", methods=["POST"])
@allow("admin")
@blueprint.arguments(MetricCreation)
@blueprint.response(201, MetricAnswer)
def create_metric(document: Document) -> Answer:
    """Create a metric."""
    actor = current_actor()
    stored = services().metrics.create(actor.environment, document, actor.label)
    answer, headers = _answer(stored)
    return answer, {**headers, "Location": f"/api/v1/metrics/{stored.record.key}"}


@blueprint.route("/metrics", methods=["GET"])
@allow("admin")
@blueprint.response(200, MetricList)
def list_metrics() -> Document:
    """List all metrics by key."""
    found = services().metrics.all(current_actor().environment)
    return {"metrics": [_document(one) for one in found]}


@blueprint.route("/metrics/<key>", methods=["GET"])
@allow("admin")
@blueprint.response(200, MetricAnswer)
def show_metric(key: str) -> Answer:
    """Show a metric; its ETag goes into If-Match of a change."""
    return _answer(services().metrics.get(current_actor().environment, key))


@blueprint.route("/metrics/<key>", methods=["PATCH"])
@allow("admin")
@blueprint.arguments(MetricChange)
@blueprint.response(200, MetricAnswer)
def revise_metric(changes: Document, key: str) -> Answer:
    """Change a metric; once an experiment that uses it has started, only its name."""
    actor = current_actor()
    return _answer(
        services().metrics.revise(actor.environment, key, changes, actor.label, expected_revision())
    )


@blueprint.route("/metrics/<key>", methods=["DELETE"])
@allow("admin")
@blueprint.response(204)
def delete_metric(key: str) -> None:
    """Delete a metric that no experiment names."""
    actor = current_actor()
    services().metrics.delete(actor.environment, key, actor.label)


def _answer(stored: Stored[Metric]) -> Answer:
    return _document(stored), {"ETag": f'"{stored.revision}"'}


def _document(stored: Stored[Metric]) -> Document:
    return {
        **metric_to_document(stored.record),
        "environment": stored.environment,
        "revision": stored.revision,
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
    }
