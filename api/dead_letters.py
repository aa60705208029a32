"""/api/v1/dead-letters: what was refused, to be looked at, mended, replayed or thrown away."""

from __future__ import annotations

from api.auth import allow, current_actor
from api.blueprint import Blueprint
from api.events import verdict_document
from api.schemas.dead_letters import (
    DeadLetterDetails,
    DeadLetterList,
    DeadLetterQuery,
    Replay,
    ReplayAnswer,
)
from api.services import services
from experiments.definitions.errors import Invalid, Problem
from experiments.definitions.experiment import Document
from experiments.events import Correction, Cursor, DeadLetter, Wanted

blueprint = Blueprint("dead-letters", __name__, description="Events that were refused")


@blueprint.route("/dead-letters", methods=["GET"])
@allow("admin")
@blueprint.arguments(DeadLetterQuery, location="query")
@blueprint.response(200, DeadLetterList)
def list_dead_letters(query: Document) -> Document:
    """List the events that were refused, the newest first, without their bodies."""
    environment = current_actor().environment
    wanted = Wanted(query.get("code"), query.get("key"), query.get("since"))
    after = _cursor(query["cursor"]) if "cursor" in query else None
    letters = services().dead_letters
    page = letters.page(environment, wanted, limit=query["limit"], after=after)
    return {
        "dead_letters": [_document(letter) for letter in page.letters],
        "total": letters.count(environment, wanted),
        "next_cursor": page.next_cursor and _cursor_text(page.next_cursor),
    }


@blueprint.route("/dead-letters/<letter_id>", methods=["GET"])
@allow("admin")
@blueprint.response(200, DeadLetterDetails)
def show_dead_letter(letter_id: str) -> Document:
    """Show one with its body."""
    letter = services().dead_letters.get(current_actor().environment, letter_id)
    return {**_document(letter), "body": letter.body}


@blueprint.route("/dead-letters/<letter_id>/replay", methods=["POST"])
@allow("admin")
@blueprint.arguments(Replay)
@blueprint.response(200, ReplayAnswer)
def replay_dead_letter(body: Document, letter_id: str) -> Document:
    """Take one in again, mended or as it is, as of the time when it came.

    What is stored, or was already, is a dead letter no more. What is refused again stays, with
    its new reason; a mended item that is refused leaves the letter as it was.
    """
    actor = current_actor()
    verdict = services().dead_letters.replay(
        actor.environment,
        letter_id,
        actor.label,
        correction=Correction(body["item"]) if "item" in body else None,
        sent_at=body.get("sent_at"),
    )
    return {"result": verdict_document(verdict)}


@blueprint.route("/dead-letters/<letter_id>", methods=["DELETE"])
@allow("admin")
@blueprint.response(204)
def discard_dead_letter(letter_id: str) -> None:
    """Delete one for good."""
    actor = current_actor()
    services().dead_letters.discard(actor.environment, letter_id, actor.label)


def _document(letter: DeadLetter) -> Document:
    return {
        "id": letter.id,
        "code": letter.code,
        "detail": letter.detail,
        "key": letter.key_selector,
        "received_at": letter.received_at,
    }


def _cursor_text(cursor: Cursor) -> str:
    received_at, digest, code = cursor
    return f"{received_at}-{digest}-{code}"


def _cursor(text: str) -> Cursor:
    received_at, digest, code = (*text.split("-", 2), "", "")[:3]
    if not (received_at.isascii() and received_at.isdigit() and len(received_at) < 19):
        problem = Problem("cursor", "INVALID", "send the `next_cursor` of the page before")
        raise Invalid("VALIDATION_FAILED", f"cursor: {problem.message}", (problem,))
    return int(received_at), digest, code
