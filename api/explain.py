"""POST /api/v1/explain and …/simulate: why a unit gets what it gets, and who would get what.

Both show rules and audiences, so that no client key may ask. Nothing is logged and nothing kept.
"""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from api.assignments import assignment_document
from api.auth import allow, current_actor
from api.blueprint import Blueprint
from api.schemas.explain import ExplainAnswer, ExplainRequest, SimulateAnswer, SimulateRequest
from api.services import services
from experiments.assignment.explain import explain
from experiments.assignment.explanation import ExplainedStep, Explanation
from experiments.assignment.simulate import Subject, simulate
from experiments.definitions.errors import Conflict, Invalid, Problem
from experiments.definitions.experiment import Document

blueprint = Blueprint("explain", __name__, description="Ask why a unit gets what it gets")


@blueprint.route("/explain", methods=["POST"])
@allow("server", "admin")
@blueprint.arguments(ExplainRequest)
@blueprint.response(200, ExplainAnswer)
def explain_assignment(body: Document) -> Response:
    """Say step by step why a unit gets what it gets in an experiment."""
    key, unit_id = body["experiment"], body["unit_id"]
    explanation, document, is_stale = explained(key, unit_id, body["unit_type"], body["attributes"])
    response = jsonify(
        {
            "experiment": key,
            "unit_id": unit_id,
            "steps": [_step_document(one) for one in explanation.steps],
            "assignment": document,
        }
    )
    if is_stale:
        response.headers["Evenhand-Stale"] = "true"
    return response


@blueprint.route("/experiments/<key>/simulate", methods=["POST"])
@allow("server", "admin")
@blueprint.arguments(SimulateRequest)
@blueprint.response(200, SimulateAnswer)
def simulate_experiment(body: Document, key: str) -> Document:
    """Count how many of a list of units get which variant, and why; a draft as if it started."""
    environment = current_actor().environment
    picture, is_draft = services().experiments.as_started(environment, key)
    if key not in picture.experiments:
        raise Conflict("ARCHIVED", f"{key!r} is archived and assigns nobody; clone it instead")
    unit_type = picture.experiments[key].compiled.experiment.unit_type
    if body.get("unit_type", unit_type) != unit_type:
        raise Invalid.of(
            [
                Problem(
                    "unit_type",
                    "UNIT_TYPE_MISMATCH",
                    f"{key!r} assigns units of type {unit_type!r}; leave it out",
                )
            ]
        )
    units = [(one["unit_id"], body["attributes"] | one["attributes"]) for one in body["units"]]
    kept = services().sticky.of_each(
        environment, picture, [{**attributes, unit_type: unit} for unit, attributes in units]
    )
    found = simulate(
        picture,
        key,
        (
            Subject(unit, attributes, one.documents)
            for (unit, attributes), one in zip(units, kept, strict=True)
        ),
    )
    answer: dict[str, Any] = {
        "experiment": key,
        "units": found.units,
        "variants": found.variants,
        "reasons": found.reasons,
    }
    if is_draft:
        answer["assumed"] = "started"
    if not all(one.available for one in kept):
        answer["sticky"] = "unavailable"
    return answer


def explained(
    key: str, unit_id: str, unit_type: str | None, attributes: Document
) -> tuple[Explanation, Document, bool]:
    """The explanation, the assignment as it is answered, and whether what is live may be older.

    Without a type the unit is of the experiment's.
    """
    snapshot = services().snapshots.current()
    environment = current_actor().environment
    picture = snapshot.environment(environment)
    live = picture.experiments.get(key)
    if unit_type is None:
        unit_type = "id" if live is None else live.compiled.experiment.unit_type
    kept = services().sticky.of(environment, picture, {**attributes, unit_type: unit_id})
    explanation = explain(picture, key, unit_id, unit_type, attributes, kept.documents)
    document = assignment_document(explanation.assignment)
    if not kept.available and live is not None and live.standing.experiment.sticky is not None:
        document["sticky"] = "unavailable"
    return explanation, document, snapshot.stale


def _step_document(one: ExplainedStep) -> Document:
    return {"step": one.step, "outcome": one.outcome, "detail": one.detail, **one.figures}
