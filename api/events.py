"""POST /api/v1/events: what was seen and done. Answered after the commit that holds it."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from api.auth import allow, cross_origin, current_actor, key_in_query
from api.blueprint import Blueprint
from api.json_body import sent_json
from api.schemas.events import BatchAnswer, EventBatch
from api.services import services
from experiments.definitions.errors import Forbidden, Invalid, Problem
from experiments.definitions.experiment import Document
from experiments.definitions.time import Instant, now, parse_instant
from experiments.events import MAX_ITEMS, Verdict

blueprint = Blueprint("events", __name__, description="Log exposures and outcomes")
blueprint.after_request(cross_origin)


@blueprint.route("/events", methods=["POST"])
@allow("client", "server", "admin", key=key_in_query)
@blueprint.response(200, BatchAnswer)
@blueprint.doc(
    parameters=[
        {
            "in": "query",
            "name": "client_key",
            "schema": {"type": "string"},
            "description": "A client key, for `navigator.sendBeacon`, which sends no headers",
        }
    ],
    requestBody={
        "required": True,
        "description": "JSON whatever the content type, also with `Content-Encoding: gzip`",
        "content": {"application/json": {"schema": EventBatch}},
    },
)
def log_events() -> Response:
    """Log a batch; each item is judged by itself, in the order sent."""
    received_at = now()
    actor = current_actor()
    if "client_key" in request.args and actor.kind != "client":
        raise Forbidden(
            "KIND_FORBIDDEN",
            "addresses end up in logs: only a client key may stand in one, send others in a header",
        )
    items, sent_at = _read_batch(sent_json())
    verdicts = services().intake.take(
        actor.environment, actor.selector, items, sent_at=sent_at, received_at=received_at
    )
    return jsonify({"results": [verdict_document(verdict) for verdict in verdicts]})


def _read_batch(body: Any) -> tuple[list[Any], Instant | None]:
    problems: list[Problem] = []
    if not isinstance(body, dict):
        raise Invalid("VALIDATION_FAILED", 'send a JSON object such as {"events": [...]}')
    problems += [
        Problem(name, "INVALID", "there is no such field; a batch has `events` and `sent_at`")
        for name in body
        if name not in {"events", "sent_at"}
    ]
    items = body.get("events")
    if not isinstance(items, list):
        problems.append(Problem("events", "INVALID", "send a list of events"))
    sent_at = None
    if "sent_at" in body:
        try:
            sent_at = parse_instant(body["sent_at"])
        except (TypeError, ValueError, OverflowError):
            problems.append(
                Problem("sent_at", "INVALID", "send a time such as 2026-01-31T09:30:00Z")
            )
    if problems:
        raise Invalid(
            "VALIDATION_FAILED", f"{problems[0].path}: {problems[0].message}", tuple(problems)
        )
    if len(items or ()) > MAX_ITEMS:
        raise Invalid(
            "BATCH_TOO_LARGE", f"a batch holds at most {MAX_ITEMS:,} events; send several"
        )
    return items or [], sent_at


def verdict_document(verdict: Verdict) -> Document:
    document: dict[str, Any] = {
        "index": verdict.index,
        "event_id": verdict.event_id,
        "status": verdict.status,
    }
    if verdict.code is not None:
        document["error"] = {"path": "", "code": verdict.code, "message": verdict.detail or ""}
    return document
