"""/api/v1/experiments: definitions and their life."""

from __future__ import annotations

from typing import Any

from api.auth import allow, current_actor
from api.blueprint import Blueprint, expected_revision
from api.paging import page_of
from api.schemas.definitions import (
    CloneOptions,
    ExperimentAnswer,
    ExperimentChange,
    ExperimentCreation,
    ExperimentList,
    ExperimentQuery,
    HistorySchema,
    NoOptions,
    RerandomiseOptions,
    ShipOptions,
    StartOptions,
)
from api.services import services
from experiments.definitions.experiment import Document, experiment_to_document
from experiments.definitions.lifecycle import Standing
from experiments.registry import Check

Answer = tuple[Document, dict[str, str]]

blueprint = Blueprint(
    "experiments", __name__, description="Create experiments and move them through their life"
)


@blueprint.route("/experiments", methods=["POST"])
@allow("admin")
@blueprint.arguments(ExperimentCreation)
@blueprint.response(201, ExperimentAnswer)
def create_experiment(document: Document) -> Answer:
    """Create an experiment as a draft."""
    actor = current_actor()
    standing = services().experiments.create(actor.environment, document, actor.label)
    answer, headers = _answer(standing)
    return answer, {**headers, "Location": f"/api/v1/experiments/{standing.experiment.key}"}


@blueprint.route("/experiments", methods=["GET"])
@allow("admin")
@blueprint.arguments(ExperimentQuery, location="query")
@blueprint.response(200, ExperimentList)
def list_experiments(query: Document) -> Document:
    """List experiments, the newest first."""
    found = services().experiments.search(
        current_actor().environment,
        status=query.get("status"),
        kind=query.get("kind"),
        tag=query.get("tag"),
        text=query.get("search"),
    )
    return page_of("experiments", found, query, _document)


@blueprint.route("/experiments/<key>", methods=["GET"])
@allow("admin")
@blueprint.response(200, ExperimentAnswer)
def show_experiment(key: str) -> Answer:
    """Show an experiment; its ETag goes into If-Match of a change."""
    return _answer(services().experiments.get(current_actor().environment, key))


@blueprint.route("/experiments/<key>", methods=["PATCH"])
@allow("admin")
@blueprint.arguments(ExperimentChange)
@blueprint.response(200, ExperimentAnswer)
def revise_experiment(changes: Document, key: str) -> Answer:
    """Change the fields that are sent. With If-Match, only if nobody else changed it first."""
    actor = current_actor()
    return _answer(
        services().experiments.revise(
            actor.environment, key, changes, actor.label, expected_revision()
        )
    )


@blueprint.route("/experiments/<key>", methods=["DELETE"])
@allow("admin")
@blueprint.response(204)
def delete_experiment(key: str) -> None:
    """Delete a draft."""
    actor = current_actor()
    services().experiments.delete(actor.environment, key, actor.label, expected_revision())


@blueprint.route("/experiments/<key>/clone", methods=["POST"])
@allow("admin")
@blueprint.arguments(CloneOptions)
@blueprint.response(201, ExperimentAnswer)
def clone_experiment(options: Document, key: str) -> Answer:
    """Create a draft with the definition of an experiment and a key, so a seed, of its own."""
    actor = current_actor()
    standing = services().experiments.clone(
        actor.environment, key, options["key"], actor.label, options.get("name")
    )
    answer, headers = _answer(standing)
    return answer, {**headers, "Location": f"/api/v1/experiments/{standing.experiment.key}"}


@blueprint.route("/experiments/<key>/start", methods=["POST"])
@allow("admin")
@blueprint.arguments(StartOptions, required=False)
@blueprint.response(200, ExperimentAnswer)
def start_experiment(options: Document, key: str) -> Answer:
    """Start a draft, after the pre-flight checks, which are returned as `checks`.

    After a dry run, start again: the units are randomised anew and get their variants.
    """
    return _move(
        key, "start", started_at=options.get("started_at"), dry_run=options.get("dry_run", False)
    )


@blueprint.route("/experiments/<key>/rerandomise", methods=["POST"])
@allow("admin")
@blueprint.arguments(RerandomiseOptions, required=False)
@blueprint.response(200, ExperimentAnswer)
def rerandomise_experiment(options: Document, key: str) -> Answer:
    """Begin another phase: a new seed, and new weights and traffic where they are sent."""
    return _move(
        key,
        "rerandomise",
        weights=options.get("weights"),
        traffic=options.get("traffic"),
        block_earlier=options.get("block_earlier", False),
    )


@blueprint.route("/experiments/<key>/pause", methods=["POST"])
@allow("admin")
@blueprint.arguments(NoOptions, required=False)
@blueprint.response(200, ExperimentAnswer)
def pause_experiment(_options: Document, key: str) -> Answer:
    """Give everybody the control and count nothing for a while."""
    return _move(key, "pause")


@blueprint.route("/experiments/<key>/resume", methods=["POST"])
@allow("admin")
@blueprint.arguments(NoOptions, required=False)
@blueprint.response(200, ExperimentAnswer)
def resume_experiment(_options: Document, key: str) -> Answer:
    """Go on after a pause; everyone gets the variant they had."""
    return _move(key, "resume")


@blueprint.route("/experiments/<key>/stop", methods=["POST"])
@allow("admin")
@blueprint.arguments(NoOptions, required=False)
@blueprint.response(200, ExperimentAnswer)
def stop_experiment(_options: Document, key: str) -> Answer:
    """Give everybody the control; the windows of those who are in still finish."""
    return _move(key, "stop")


@blueprint.route("/experiments/<key>/ship", methods=["POST"])
@allow("admin")
@blueprint.arguments(ShipOptions)
@blueprint.response(200, ExperimentAnswer)
def ship_experiment(options: Document, key: str) -> Answer:
    """Give one variant to everybody in the audience, but for a share that is held back."""
    return _move(key, "ship", winner=options["variant"], holdback=options.get("holdback"))


@blueprint.route("/experiments/<key>/archive", methods=["POST"])
@allow("admin")
@blueprint.arguments(NoOptions, required=False)
@blueprint.response(200, ExperimentAnswer)
def archive_experiment(_options: Document, key: str) -> Answer:
    """Put away an experiment that has ended; it is not assigned any more."""
    return _move(key, "archive")


@blueprint.route("/experiments/<key>/history", methods=["GET"])
@allow("admin")
@blueprint.response(200, HistorySchema)
def show_history(key: str) -> Document:
    """List every revision, who made it and what changed, the newest first."""
    return {"revisions": services().experiments.history(current_actor().environment, key)}


def _move(key: str, verb: str, **options: Any) -> Answer:
    actor = current_actor()
    standing, checks = services().experiments.move(
        actor.environment,
        key,
        verb,
        actor.label,
        expected_revision=expected_revision(),
        **options,
    )
    return _answer(standing, checks)


def _answer(standing: Standing, checks: tuple[Check, ...] = ()) -> Answer:
    document = _document(standing)
    if checks:
        document["checks"] = checks
    return document, {"ETag": f'"{standing.revision}"'}


def _document(standing: Standing) -> Document:
    return {
        **experiment_to_document(standing.experiment),
        "schedule": standing.experiment.schedule,
        "environment": standing.environment,
        "status": standing.status,
        "revision": standing.revision,
        "winner": standing.winner,
        "phases": standing.phases,
        "created_at": standing.created_at,
        "updated_at": standing.updated_at,
    }
