"""The service as the GrowthBook SDKs see it: their key in the address, their shapes, any origin.

Errors are our problem details with GrowthBook's `error` beside `status`: the SDKs look at the
HTTP status only, people at the message.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Response, jsonify, request
from marshmallow import EXCLUDE

from api.auth import allow, cross_origin, current_actor, key_in_query
from api.blueprint import Blueprint
from api.problems import MEDIA_TYPE
from api.protocols import growthbook_stream, growthbook_track
from api.schemas.growthbook import EvaluatedFeatures, EvaluationRequest, FeaturePayload, TrackAnswer
from api.services import services
from experiments.definitions.experiment import Document
from experiments.sdk_evaluation import evaluate_features

CACHE = "public, max-age=30, stale-while-revalidate=3600, stale-if-error=36000"

blueprint = Blueprint(
    "growthbook", __name__, description="Clients of the GrowthBook SDKs, in any language"
)


def key_in_path() -> str | None:
    return (request.view_args or {}).get("client_key")


@blueprint.after_request
def _as_growthbook(response: Response) -> Response:
    cross_origin(response)
    response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
    response.headers["Access-Control-Expose-Headers"] = "ETag, Retry-After, x-sse-support"
    if response.mimetype == MEDIA_TYPE:
        problem = json.loads(response.get_data())
        response.set_data(json.dumps({**problem, "error": problem["detail"]}))
    return response


@blueprint.route("/api/features/<client_key>", methods=["GET"])
@allow("client", "server", key=key_in_path)
@blueprint.response(200, FeaturePayload)
@blueprint.alt_response(304, description="Nothing has changed since the ETag in If-None-Match")
def features(client_key: str) -> Response:  # noqa: ARG001 — the access check reads it
    """The live experiments of the key's environment, for SDKs that assign by themselves.

    In the mode of the key: plain, encrypted, or refused where it may only ask for evaluations.
    """
    snapshot = services().snapshots.current()
    actor = current_actor()
    payload = services().payloads.of(
        snapshot.keys[actor.selector], snapshot.environment(actor.environment)
    )
    response = Response(payload.body, content_type="application/json")
    response.set_etag(payload.etag)
    response.headers["Cache-Control"] = CACHE
    if services().streams.has_room():
        response.headers["x-sse-support"] = "enabled"
    if snapshot.stale:
        response.headers["Evenhand-Stale"] = "true"
    response.make_conditional(request)
    return response


@blueprint.route("/api/eval/<client_key>", methods=["POST"])
@allow("client", "server", key=key_in_path)
@blueprint.arguments(EvaluationRequest(unknown=EXCLUDE))
@blueprint.response(200, EvaluatedFeatures)
def evaluate(body: Document, client_key: str) -> Response:  # noqa: ARG001 — as above
    """Evaluate every feature here, for SDKs that are not to see how units are assigned."""
    snapshot = services().snapshots.current()
    environment = current_actor().environment
    picture = snapshot.environment(environment)
    evaluated, to_stick = evaluate_features(
        picture,
        body["attributes"],
        forced_variations=body["forcedVariations"],
        forced_features=dict(body["forcedFeatures"]),
        sticky=services().sticky.of(environment, picture, body["attributes"]).documents,
    )
    services().sticky.keep(environment, to_stick)
    response = jsonify({"status": 200, "features": evaluated})
    response.headers["Cache-Control"] = "no-store"
    if snapshot.stale:
        response.headers["Evenhand-Stale"] = "true"
    return response


@blueprint.route("/sub/<client_key>", methods=["GET"])
@allow("client", "server", key=key_in_path)
@blueprint.response(
    200, {"type": "string"}, content_type="text/event-stream", description="Events `features`"
)
def subscribe(client_key: str) -> Response:
    """Stream the payload now and within a second of each change, as server-sent events."""
    return growthbook_stream.stream(client_key, current_actor())


@blueprint.route("/track", methods=["POST"])
@allow("client", "server", key=key_in_query)
@blueprint.response(200, TrackAnswer)
@blueprint.doc(
    parameters=[
        {
            "in": "query",
            "name": "client_key",
            "schema": {"type": "string"},
            "description": "Or the key in a header",
        }
    ],
    requestBody=growthbook_track.REQUEST_BODY,
)
def track() -> Response:
    """Log what the SDKs' tracking plugins send; each event is judged by itself."""
    results: list[dict[str, Any]] = growthbook_track.take(current_actor())
    return jsonify({"status": 200, "results": results})
