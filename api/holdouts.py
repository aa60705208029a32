"""/api/v1/holdouts: units kept out of every experiment of a layer, or of all."""

from __future__ import annotations

from api.auth import allow, current_actor
from api.blueprint import Blueprint, expected_revision
from api.paging import PageQuery, page_of
from api.schemas.definitions import HistorySchema
from api.schemas.holdouts import HoldoutAnswer, HoldoutChange, HoldoutCreation, HoldoutList
from api.services import services
from experiments.definitions.experiment import Document
from experiments.definitions.holdout import holdout_to_document
from experiments.definitions.lifecycle import Standing

Answer = tuple[Document, dict[str, str]]

blueprint = Blueprint("holdouts", __name__, description="Keep units out of experiments")


@blueprint.route("/holdouts", methods=["POST"])
@allow("admin")
@blueprint.arguments(HoldoutCreation)
@blueprint.response(201, HoldoutAnswer)
def create_holdout(document: Document) -> Answer:
    """Create a holdout as a draft; it starts, stops and is reported as an experiment."""
    actor = current_actor()
    standing = services().holdouts.create(actor.environment, document, actor.label)
    answer, headers = _answer(standing)
    return answer, {**headers, "Location": f"/api/v1/holdouts/{standing.experiment.key}"}


@blueprint.route("/holdouts", methods=["GET"])
@allow("admin")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, HoldoutList)
def list_holdouts(query: Document) -> Document:
    """List holdouts, the newest first."""
    found = services().holdouts.all(current_actor().environment)
    return page_of("holdouts", found, query, _document)


@blueprint.route("/holdouts/<key>", methods=["GET"])
@allow("admin")
@blueprint.response(200, HoldoutAnswer)
def show_holdout(key: str) -> Answer:
    """Show a holdout; its ETag goes into If-Match of a change."""
    return _answer(services().holdouts.get(current_actor().environment, key))


@blueprint.route("/holdouts/<key>", methods=["PATCH"])
@allow("admin")
@blueprint.arguments(HoldoutChange)
@blueprint.response(200, HoldoutAnswer)
def revise_holdout(changes: Document, key: str) -> Answer:
    """Change the fields that are sent; whom it holds out is fixed once it has started."""
    actor = current_actor()
    return _answer(
        services().holdouts.revise(
            actor.environment, key, changes, actor.label, expected_revision()
        )
    )


@blueprint.route("/holdouts/<key>", methods=["DELETE"])
@allow("admin")
@blueprint.response(204)
def delete_holdout(key: str) -> None:
    """Delete a draft."""
    actor = current_actor()
    services().holdouts.delete(actor.environment, key, actor.label, expected_revision())


@blueprint.route("/holdouts/<key>/history", methods=["GET"])
@allow("admin")
@blueprint.response(200, HistorySchema)
def show_holdout_history(key: str) -> Document:
    """List every revision, who made it and what changed, the newest first."""
    return {"revisions": services().holdouts.history(current_actor().environment, key)}


def _answer(standing: Standing) -> Answer:
    return _document(standing), {"ETag": f'"{standing.revision}"'}


def _document(standing: Standing) -> Document:
    return {
        **holdout_to_document(standing.experiment),
        "environment": standing.environment,
        "status": standing.status,
        "revision": standing.revision,
        "phases": standing.phases,
        "created_at": standing.created_at,
        "updated_at": standing.updated_at,
    }
