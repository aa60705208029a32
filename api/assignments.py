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
from experiments.assignment import answers
from experiments.assignment.answers import Met
from experiments.assignment.evaluate import Assignment
from experiments.assignment.picture import EnvironmentPicture
from experiments.definitions.errors import EvenhandError
from experiments.definitions.experiment import Document
from experiments.definitions.time import now

blueprint = Blueprint("assignments", __name__, description="Ask which variant a unit gets")
blueprint.after_request(cross_origin)


@blueprint.route("/assignments", methods=["POST"])
@allow("client", "server", "admin")
@blueprint.arguments(AssignmentRequest)
@blueprint.response(200, AssignmentAnswer)
def assign(body: Document) -> Response:
    """Assign a unit in one, several or all experiments, and say why."""
    snapshot = services().snapshots.current()
    environment = current_actor().environment
    picture = snapshot.environment(environment)
    unit_id, unit_type, attributes = body["unit_id"], body["unit_type"], body["attributes"]
    kept = services().sticky.of(environment, picture, {**attributes, unit_type: unit_id})
    found = answers.assign(
        picture, unit_id, unit_type, attributes, body["experiments"], kept.documents
    )
    sticks = services().sticky.keep(environment, found.to_stick) and kept.available
    documents = [assignment_document(one) for one in found.assignments]
    if not sticks:
        _mark_loose(documents, picture)
    answer: Document = {"unit_id": unit_id, "assignments": documents}
    if body["log_exposure"]:
        further = _log_exposures(attributes, found.met, documents)
        if further:
            answer["further_exposures"] = further
    response = jsonify(answer)
    if snapshot.stale:
        response.headers["Evenhand-Stale"] = "true"
    return response


def _mark_loose(documents: list[Document], picture: EnvironmentPicture) -> None:
    """Say of experiments that stick that the store could not be asked, or told."""
    for document in documents:
        live = picture.experiments.get(document["experiment"])
        if live is not None and live.standing.experiment.sticky is not None:
            document["sticky"] = "unavailable"


def assignment_document(assignment: Assignment) -> Document:
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


def _log_exposures(
    attributes: Document, met: list[Met], documents: list[Document]
) -> list[Document]:
    """Record what the unit met; an assignment stays an answer when the store is away.

    Returns what was met beside the experiments that were asked for, such as a holdout.
    """
    if not met:
        return []
    items = [
        {
            "type": "exposure",
            "experiment": one.experiment,
            "variant": one.variant,
            "unit_id": one.unit_id,
            "unit_type": one.unit_type,
            "attributes": attributes,
        }
        for one in met
    ]
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
    asked = {document["experiment"]: document for document in documents}
    further: list[Document] = []
    for one, status in zip(met, statuses, strict=True):
        document = asked.get(one.experiment)
        if document is not None and document["in_experiment"]:
            document["exposure"] = status
        else:
            further.append(
                {"experiment": one.experiment, "variant": one.variant, "exposure": status}
            )
    return further
