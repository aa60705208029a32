"""What the resources of metrics, segments, layers and features have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from api.auth import allow, current_actor
from api.blueprint import Blueprint, expected_revision
from api.paging import PageQuery, page_of
from api.schemas.definitions import HistorySchema
from api.schemas.strict import StrictSchema
from experiments.definitions.experiment import Document
from experiments.registry import Definitions
from experiments.store.definitions import Stored

Answer = tuple[Document, dict[str, str]]
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Shapes:
    """The schemas of one kind of definition."""

    creation: type[StrictSchema]
    change: type[StrictSchema]
    answer: type[StrictSchema]
    list: type[StrictSchema]


def definition_blueprint(
    subject: str,
    shapes: Shapes,
    definitions: Callable[[], Definitions[Any]],
    *,
    description: str,
    revising: str,
    deleting: str,
) -> Blueprint:
    """The routes of `/{subject}s`; `revising` and `deleting` say what may be changed and when."""
    name = f"{subject}s"
    blueprint = Blueprint(name, __name__, description=description)

    def document_of(stored: Stored[Any]) -> Document:
        return {
            **definitions().shelf.to_document(stored.record),
            "environment": stored.environment,
            "revision": stored.revision,
            "created_at": stored.created_at,
            "updated_at": stored.updated_at,
        }

    def answer_of(stored: Stored[Any]) -> Answer:
        return document_of(stored), {"ETag": f'"{stored.revision}"'}

    @blueprint.route(f"/{name}", methods=["POST"])
    @allow("admin")
    @blueprint.arguments(shapes.creation)
    @blueprint.response(201, shapes.answer)
    @_summary(f"Create a {subject}.")
    def create(document: Document) -> Answer:
        actor = current_actor()
        stored = definitions().create(actor.environment, document, actor.label)
        answer, headers = answer_of(stored)
        return answer, {**headers, "Location": f"/api/v1/{name}/{stored.record.key}"}

    @blueprint.route(f"/{name}", methods=["GET"])
    @allow("admin")
    @blueprint.arguments(PageQuery, location="query")
    @blueprint.response(200, shapes.list)
    @_summary(f"List {name} by key.")
    def index(query: Document) -> Document:
        return page_of(name, definitions().all(current_actor().environment), query, document_of)

    @blueprint.route(f"/{name}/<key>", methods=["GET"])
    @allow("admin")
    @blueprint.response(200, shapes.answer)
    @_summary(f"Show a {subject}; its ETag goes into If-Match of a change.")
    def show(key: str) -> Answer:
        return answer_of(definitions().get(current_actor().environment, key))

    @blueprint.route(f"/{name}/<key>", methods=["PATCH"])
    @allow("admin")
    @blueprint.arguments(shapes.change)
    @blueprint.response(200, shapes.answer)
    @_summary(revising)
    def revise(changes: Document, key: str) -> Answer:
        actor = current_actor()
        return answer_of(
            definitions().revise(actor.environment, key, changes, actor.label, expected_revision())
        )

    @blueprint.route(f"/{name}/<key>", methods=["DELETE"])
    @allow("admin")
    @blueprint.response(204)
    @_summary(deleting)
    def delete(key: str) -> None:
        actor = current_actor()
        definitions().delete(actor.environment, key, actor.label, expected_revision())

    @blueprint.route(f"/{name}/<key>/history", methods=["GET"])
    @allow("admin")
    @blueprint.response(200, HistorySchema)
    @_summary("List every revision, who made it and what changed, the newest first.")
    def history(key: str) -> Document:
        return {"revisions": definitions().history(current_actor().environment, key)}

    return blueprint


def _summary(text: str) -> Callable[[View], View]:
    """The reference shows a view's docstring."""

    def describe(view: View) -> View:
        view.__doc__ = text
        return view

    return describe
