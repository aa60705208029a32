"""POST /api/v1/power: sample size, smallest detectable lift, power, days."""

from __future__ import annotations

from api.auth import allow
from api.blueprint import Blueprint
from api.schemas.power import PowerAnswer, PowerRequest
from experiments.analysis.power import question_from_document, solve
from experiments.definitions.experiment import Document

blueprint = Blueprint("power", __name__, description="Plan how long to run")


@blueprint.route("/power", methods=["POST"])
@allow("admin", "server")
@blueprint.arguments(PowerRequest)
@blueprint.response(200, PowerAnswer)
def plan_experiment(document: Document) -> Document:
    """Solve for the one of units, lift and power that is not given."""
    return solve(question_from_document(document))
