"""OpenFeature's remote evaluation protocol, OFREP 0.3: a flag is a feature.

Refusals of the protocol, 400 and 404, have its own shape, in which its clients look for an error
code. Of all others they read only the status and `Retry-After`; those are problem details, as
everywhere. Evaluating is not seeing: no exposure is logged here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from flask import Response, request
from marshmallow import ValidationError

from api.auth import allow, cross_origin, current_actor
from api.blueprint import Blueprint
from api.json_body import NotJson, request_json
from api.schemas.ofrep import OfrepBulkAnswer, OfrepEvaluation, OfrepFailure, OfrepRequest
from api.schemas.strict import check_json
from api.services import services
from experiments.assignment.answers import all_values, feature_value
from experiments.assignment.evaluate import DISABLED, OVERRIDE, SPLIT, STICKY, WINNER
from experiments.assignment.visit import RULE, FeatureValue
from experiments.definitions.errors import NotFound
from experiments.definitions.experiment import Document
from experiments.events import MAX_UNIT_ID

blueprint = Blueprint("ofrep", __name__, description="Evaluate features for OpenFeature's clients")
blueprint.after_request(cross_origin)

_BODY = {"required": True, "content": {"application/json": {"schema": OfrepRequest}}}
# Any other reason gives what is given by default.
_REASONS = {
    SPLIT: "SPLIT",
    STICKY: "SPLIT",
    WINNER: "TARGETING_MATCH",
    OVERRIDE: "TARGETING_MATCH",
    RULE: "TARGETING_MATCH",
    DISABLED: "DISABLED",
}


class _BadRequest(Exception):
    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


@dataclass(frozen=True, slots=True)
class _Context:
    """Attributes hold the targeting key as the id of the default unit type."""

    targeting_key: str
    attributes: Document


@blueprint.route("/evaluate/flags", methods=["POST"])
@allow("client", "server", "admin")
@blueprint.response(200, OfrepBulkAnswer)
@blueprint.alt_response(304, description="The evaluation named by If-None-Match still holds")
@blueprint.alt_response(400, schema=OfrepFailure)
@blueprint.doc(requestBody=_BODY)
def evaluate_all() -> Response:
    """Evaluate every feature for a unit; the ETag names this very evaluation."""
    context = _read_context()
    snapshot = services().snapshots.current()
    environment = current_actor().environment
    picture = snapshot.environment(environment)
    kept = services().sticky.of(environment, picture, context.attributes)
    found, visit = all_values(picture, context.attributes, kept.documents)
    services().sticky.keep(environment, visit.sticky_documents)
    response = _answer(
        {
            "flags": [_evaluation(one, context, environment) for one in found],
            "metadata": {"flagSetId": environment, "contextId": context.targeting_key},
        },
        stale=snapshot.stale,
    )
    # Of the evaluated body, not of the definitions: the web client keeps the ETag when an
    # attribute changes under the same targeting key.
    etag = hashlib.blake2b(response.get_data(), digest_size=16).hexdigest()
    if request.if_none_match.contains_weak(etag):  # proxies that compress weaken an ETag
        response.status_code = 304
        response.set_data(b"")
    response.set_etag(etag)
    return response


@blueprint.route("/evaluate/flags/<path:key>", methods=["POST"], merge_slashes=False)
@allow("client", "server", "admin")
@blueprint.response(200, OfrepEvaluation)
@blueprint.alt_response(400, schema=OfrepFailure)
@blueprint.alt_response(404, schema=OfrepFailure)
@blueprint.doc(requestBody=_BODY)
def evaluate_one(key: str) -> Response:
    """Evaluate one feature for a unit."""
    context = _read_context()
    snapshot = services().snapshots.current()
    environment = current_actor().environment
    picture = snapshot.environment(environment)
    kept = services().sticky.of(environment, picture, context.attributes)
    found, visit = feature_value(picture, _asked(key), context.attributes, kept.documents)
    services().sticky.keep(environment, visit.sticky_documents)
    return _answer(_evaluation(found, context, environment), stale=snapshot.stale)


@blueprint.errorhandler(_BadRequest)
def _bad_request(error: _BadRequest) -> Response:
    return _failure(400, error.code, error.details)


@blueprint.errorhandler(NotJson)
def _not_json(error: NotJson) -> Response:
    return _failure(400, "PARSE_ERROR", error.detail)


@blueprint.errorhandler(NotFound)
def _not_found(error: NotFound) -> Response:
    return _failure(404, "FLAG_NOT_FOUND", error.detail)


def _read_context() -> _Context:
    """The context of the request, or the protocol's word for what is wrong with it."""
    body = request_json()
    if not isinstance(body, dict) or not isinstance(body.get("context"), dict):
        raise _BadRequest("INVALID_CONTEXT", 'send {"context": {"targetingKey": "user-42"}}')
    if len(body) > 1:
        names = ", ".join(sorted(body.keys() - {"context"}))
        raise _BadRequest("INVALID_CONTEXT", f"a request holds only `context`, not {names[:200]}")
    context: Document = body["context"]
    key = context.get("targetingKey")
    if key is None or key == "":
        raise _BadRequest(
            "TARGETING_KEY_MISSING", "set the context's `targetingKey` to the id of the unit"
        )
    if not isinstance(key, str) or len(key) > MAX_UNIT_ID:
        raise _BadRequest(
            "INVALID_CONTEXT", f"`targetingKey` is a text of at most {MAX_UNIT_ID} characters"
        )
    try:
        check_json(context)
    except ValidationError as error:
        raise _BadRequest("INVALID_CONTEXT", f"context: {error.messages[0]}") from error
    attributes = {name: value for name, value in context.items() if name != "targetingKey"}
    return _Context(key, {**attributes, "id": key})


def _asked(key: str) -> str:
    """The key as it was meant: clients do not encode the question mark that one may hold."""
    query = request.query_string.decode("latin-1")
    return f"{key}?{query}" if query else key


def _evaluation(found: FeatureValue, context: _Context, environment: str) -> Document:
    document: dict[str, Any] = {"key": found.feature, "variant": found.variant}
    if found.value is not None:  # no client takes null; without a value they use the code's
        document["value"] = found.value
    document["reason"] = _REASONS.get(found.reason, "DEFAULT")
    document["metadata"] = {
        "flagSetId": environment,
        "contextId": context.targeting_key,
        "version": str(found.revision),
        **({} if found.experiment is None else {"experimentKey": found.experiment}),
        "inExperiment": found.in_experiment,
        "assignmentReason": found.reason,
    }
    return document


def _answer(document: Document, *, stale: bool) -> Response:
    response = Response(json.dumps(document), content_type="application/json")
    if stale:
        response.headers["Evenhand-Stale"] = "true"
    return response


def _failure(status: int, code: str, details: str) -> Response:
    asked = {"key": _asked(request.view_args["key"])} if request.view_args else {}
    document = {**asked, "errorCode": code, "errorDetails": details}
    return Response(json.dumps(document), status, content_type="application/json")
