"""Every error in one shape: problem details (RFC 9457) with a stable `code`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException

from api.json_body import MAX_BODY, NotJson
from experiments.definitions.errors import (
    Conflict,
    EvenhandError,
    Forbidden,
    Invalid,
    NotFound,
    Overloaded,
    Problem,
    Stale,
    Unavailable,
    Unknown,
)

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)

_STATUS: dict[type[EvenhandError], int] = {
    Unknown: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Stale: 412,
    Invalid: 422,
    Overloaded: 429,
    Unavailable: 503,
}
_HTTP_CODES = {
    400: "BAD_REQUEST",
    404: "ROUTE_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "BODY_TOO_LARGE",
    415: "MEDIA_TYPE_UNSUPPORTED",
}


class FieldProblemSchema(Schema):
    path = fields.String(required=True, metadata={"description": "Dotted place in the body"})
    code = fields.String(required=True)
    message = fields.String(required=True)


class ProblemSchema(Schema):
    """An error, as RFC 9457 has it, with a `code` for programs."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    code = fields.String(required=True, metadata={"description": "Stable, in capitals"})
    detail = fields.String(required=True, metadata={"description": "What to do next"})
    errors = fields.List(fields.Nested(FieldProblemSchema))
    error = fields.String(
        metadata={"description": "On the routes of GrowthBook's SDKs: the detail, in their word"}
    )


def register_problems(app: Flask) -> None:
    app.register_error_handler(EvenhandError, _domain)
    app.register_error_handler(NotJson, _not_json)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def problem(status: int, code: str, detail: str, problems: tuple[Problem, ...] = ()) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:evenhand:problem:{code.lower().replace('_', '-')}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
    }
    if problems:
        body["errors"] = [
            {"path": one.path, "code": one.code, "message": one.message} for one in problems
        ]
    response = Response(json.dumps(body), status, content_type=MEDIA_TYPE)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="evenhand"'
    return response


def status_of(error: EvenhandError) -> int:
    return _STATUS[type(error)]


def _domain(error: EvenhandError) -> Response:
    problems = error.problems if isinstance(error, Invalid | Conflict) else ()
    response = problem(status_of(error), error.code, error.detail, problems)
    if isinstance(error, Overloaded | Unavailable):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _not_json(error: NotJson) -> Response:
    return problem(400, "BODY_NOT_JSON", error.detail)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    messages = getattr(error, "data", {}).get("messages")
    if status == 422 and messages:
        problems = tuple(_flatten(messages))
        first = problems[0]
        where = f"{first.path}: " if first.path else ""
        return problem(422, "VALIDATION_FAILED", f"{where}{first.message}", problems)
    detail = error.description or error.name
    if status == 413:
        detail = f"a body holds at most {MAX_BODY:,} bytes; send it in parts"
    response = problem(status, _HTTP_CODES.get(status, f"HTTP_{status}"), detail)
    if status == 405 and (allowed := getattr(error, "valid_methods", None)):
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _unexpected(error: Exception) -> Response:
    _log.error("an unexpected error", exc_info=error)
    return problem(500, "INTERNAL_ERROR", "this is a defect of the service; its log says more")


def _flatten(messages: Any, path: tuple[str, ...] = ()) -> Iterator[Problem]:
    """Marshmallow's nested messages as a flat list; the first level names the location."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            # "json" and "query" are places of the request, "_schema" the whole of an object.
            skip = key == "_schema" or (not path and key in {"json", "query", "path"})
            yield from _flatten(inner, path if skip else (*path, str(key)))
    elif isinstance(messages, list):
        for inner in messages:
            yield from _flatten(inner, path)
    else:
        yield Problem(".".join(path), "INVALID", str(messages))
