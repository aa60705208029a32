"""GET /sub/{client_key}: the payload as server-sent events, out of this process's snapshot."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

from flask import Response, request

from api.protocols.streams import has_left, stream_response
from api.services import Services, services
from experiments.access import Actor
from experiments.definitions.errors import Unknown
from experiments.sdk_payload_modes import KeyPayload
from experiments.snapshot import Snapshot

LOOK_SECONDS = 0.25  # with the snapshot's own poll this is well within the promised second
PING_SECONDS = 30.0
PING = b"data: \n\n"


def stream(client_key: str, actor: Actor) -> Response:
    """An open answer; `Unavailable` STREAMS_FULL where no thread is left for one.

    `Forbidden` PAYLOAD_REMOTE where the key gets no payload.
    """
    ours = services()
    _payload(ours, ours.snapshots.current(), actor)
    connection = request.environ.get("gunicorn.socket")
    return stream_response(
        ours.streams,
        _events(ours, client_key, actor, connection),
        instead="poll /api/features instead",
    )


def _events(
    ours: Services, client_key: str, actor: Actor, connection: socket.socket | None
) -> Iterator[bytes]:
    """Payloads and pings, until the server stops, the client leaves or its key dies."""
    seen: Snapshot | None = None
    sent_etag = ""
    ping_at = 0.0
    while not (ours.streams.stopping or has_left(connection)):
        snapshot = ours.snapshots.current()
        due = time.monotonic() >= ping_at
        if snapshot is not seen or due:
            try:
                ours.access.authenticate(client_key)
            except Unknown:
                return
            payload = _payload(ours, snapshot, actor)
            if payload.etag != sent_etag:
                yield b"event: features\ndata: " + payload.body + b"\n\n"
            elif due:
                yield PING
            if payload.etag != sent_etag or due:
                ping_at = time.monotonic() + PING_SECONDS
            seen, sent_etag = snapshot, payload.etag
        time.sleep(LOOK_SECONDS)


def _payload(ours: Services, snapshot: Snapshot, actor: Actor) -> KeyPayload:
    return ours.payloads.of(snapshot.keys[actor.selector], snapshot.environment(actor.environment))
