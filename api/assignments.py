"""POST /api/v1/assignments: which variant a unit gets. No database on this path.

Plain requests do not come here: `api.fast_assignments` answers them as this view would.
"""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from api.auth import allow, cross_origin, current_actor
from api.blueprint import Blueprint
from api.schemas.assignments import AssignmentAnswer, AssignmentRequest
from api.services import services
from experiments.assignment.evaluate import Assignment
from experiments.definitions.errors import EvenhandError
from experiments.definitions.experiment import Document
from experiments.definitions.time import now
from experiments.snapshot import Snapshot

blueprint = Blueprint("assignments", __name__, description="Ask which variant a unit gets")
blueprint.after_request(cross_origin)


@blueprint.route("/assignments", methods=["POST"])
@allow("client", "server", "admin")
@blueprint.arguments(AssignmentRequest)
@blueprint.response(200, AssignmentAnswer)
def assign(body: Document) -> Response:
    """Assign a unit in one, several or all experiments, and say why."""
    snapshot = services().snapshots.current()
    assignments = assigned(snapshot, current_actor().environment, body)
    documents = [assignment_document(one) for one in assignments]
    if body["log_exposure"]:
        _log_exposures(body, documents)
    response = jsonify({"unit_id": body["unit_id"], "assignments": documents})
    if snapshot.stale:
        response.headers["Evenhand-Stale"] = "true"
    return response


def assigned(snapshot: Snapshot, environment: str, body: Document) -> list[Assignment]:
    """What the unit of a checked request gets."""
    return snapshot.environment(environment).assign(
        body["unit_id"], body["unit_type"], body["attributes"], body["experiments"]
    )


def assignment_document(assignment: Assignment) -> Document:
    """An assignment as the answer has it."""
    document: dict[str, Any] = {
        "experiment": assignment.experiment,
        "feature": assignment.feature,
        "variant": assignment.variant,
        "value": assignment.value,
        "reason": assignment.reason,
        "in_experiment": assignment.in_experiment,
    }
    if assignment.error is not None:
        document["error"] = {
            "path": assignment.error.path,
            "code": assignment.error.code,
            "message": assignment.error.message,
        }
    return document


def _log_exposures(body: Document, documents: list[Document]) -> None:
    """Record the exposures; an assignment stays an answer when the store is away."""
    inside = [document for document in documents if document["in_experiment"]]
    items = [
        {
            "type": "exposure",
            "experiment": document["experiment"],
            "variant": document["variant"],
            "unit_id": body["unit_id"],
            "unit_type": body["unit_type"],
            "attributes": body["attributes"],
        }
        for document in inside
    ]
    if not items:
        return
    actor = current_actor()
    try:
        verdicts = services().intake.take(
            actor.environment, actor.selector, items, sent_at=None, received_at=now()
        )
    except EvenhandError:
        statuses = ["failed"] * len(items)
    else:
        taken = {"stored", "duplicate"}
        statuses = [one.status if one.status in taken else "failed" for one in verdicts]
    for document, status in zip(inside, statuses, strict=True):
        document["exposure"] = status
