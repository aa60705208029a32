"""GET /api/v1/events/tail: events as they come in, for whoever wires up an SDK."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

from flask import Response, request

from api.auth import allow, current_actor
from api.blueprint import Blueprint
from api.protocols.streams import has_left, stream_response
from api.schemas.tail import TailQuery
from api.services import Services, services
from experiments.access import Actor
from experiments.definitions.errors import Unknown
from experiments.definitions.experiment import Document
from experiments.events import Sought, Tail

LOOK_SECONDS = 0.25
PING_SECONDS = 15.0

blueprint = Blueprint("tail", __name__, description="Watch events come in")


@blueprint.route("/events/tail", methods=["GET"])
@allow("server", "admin")
@blueprint.arguments(TailQuery, location="query")
@blueprint.response(
    200,
    {"type": "string"},
    content_type="text/event-stream",
    description="Events `verdict`, and `missed` with the number that were too many to show",
)
def tail_events(query: Document) -> Response:
    """Stream what every worker of this machine answers from now on, as server-sent events."""
    ours, actor = services(), current_actor()
    seconds = query.pop("seconds", None)
    connection = request.environ.get("gunicorn.socket")
    tail = Tail(ours.settings.tail_dir, actor.environment)
    chunks = _events(ours, actor, tail, Sought(**query), seconds, connection)
    try:
        response = stream_response(
            ours.streams, chunks, instead="ask again, another worker may have room"
        )
    except BaseException:
        tail.close()
        raise
    response.call_on_close(tail.close)
    return response


def _events(
    ours: Services,
    actor: Actor,
    tail: Tail,
    sought: Sought,
    seconds: float | None,
    connection: socket.socket | None,
) -> Iterator[bytes]:
    """Verdicts and pings, until the time is up, the server stops, or client or key are gone."""
    yield b": watching\n\n"
    end = None if seconds is None else time.monotonic() + seconds
    ping_at = time.monotonic() + PING_SECONDS
    while not (ours.streams.stopping or has_left(connection)):
        at = time.monotonic()
        if end is not None and at >= end:
            return
        try:
            ours.access.recognise(actor.selector)
        except Unknown:
            return
        if at >= ping_at:
            yield b": ping\n\n"
            ping_at = at + PING_SECONDS
        for seen in tail.read(LOOK_SECONDS):
            if sought.takes(seen):
                name = b"missed" if "missed" in seen else b"verdict"
                yield b"event: %b\ndata: %b\n\n" % (name, json.dumps(seen).encode())
