"""POST /api/v1/assignments without Flask, for the plain case: a good key, a good body, an answer.

A layer of WSGI in front of the application. It answers only what it can answer exactly as the
view does, and hands every other request on untouched, so that errors, limits and rules exist
once, in Flask. Address and kinds of key are those of the view; key and body are read by the same
functions, the assignment is the same call, and the headers are made by the application's hooks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from flask import Flask, jsonify

from api.assignments import assign, assignment_document, blueprint
from api.auth import admit, key_in
from api.json_body import MAX_BODY, parse_json
from api.schemas.strict import check_json, is_storable
from api.services import EXTENSION, Services
from experiments.assignment import answers
from experiments.assignment.evaluate import Assignment
from experiments.definitions.errors import EvenhandError
from experiments.definitions.experiment import Document
from experiments.definitions.keys import is_key
from experiments.snapshot import Snapshot

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ENDPOINT = f"{blueprint.name}.{assign.__name__}"
_FIELDS = frozenset({"unit_id", "unit_type", "attributes", "experiments", "log_exposure"})
_UNUSUAL = frozenset({"HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE"})
_SCALARS = frozenset({bool, int, float, type(None)})
_KEPT_TEXTS = 10_000


class FastAssignments:
    """Wraps `app.wsgi_app`; make it after the last hook of the application is registered."""

    def __init__(self, app: Flask) -> None:
        self.flask: WSGIApplication = app.wsgi_app
        self.path = next(app.url_map.iter_rules(_ENDPOINT)).rule
        self._view = app.view_functions[_ENDPOINT]
        self._services: Services = app.extensions[EXTENSION]
        self._dumps: Callable[..., str] = app.json.dumps
        self._kind, *self._headers = _headers(app, self.path)
        self._texts: _Texts | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == self.path and environ["REQUEST_METHOD"] == "POST":
            answer = self.answer(environ)
            if answer is not None:
                length = "Content-Length", str(len(answer))
                start_response("200 OK", [self._kind, length, *self._headers])
                return [answer]
        return self.flask(environ, start_response)

    def answer(self, environ: WSGIEnvironment) -> bytes | None:
        """The body of the answer, None where the request is for Flask."""
        length = _length(environ)
        if length is None or not _UNUSUAL.isdisjoint(environ):
            return None
        key = key_in(environ.get("HTTP_AUTHORIZATION", ""), environ.get("HTTP_X_API_KEY"))
        try:
            actor = admit(self._services, self._view, key)
        except EvenhandError:
            return None
        body = environ["wsgi.input"].read(length)
        environ["wsgi.input"] = BytesIO(body)
        if len(body) != length:
            return None
        try:
            asked = _plain(parse_json(body))
            return None if asked is None else self._assigned(actor.environment, asked)
        except Exception:  # noqa: BLE001 — Flask meets it too, and has the answer for it
            return None

    def _assigned(self, environment: str, asked: Document) -> bytes | None:
        snapshot = self._services.snapshots.current()
        picture = snapshot.environment(environment)
        if snapshot.stale or picture.sticks:
            return None
        texts = self._texts
        if texts is None or texts.snapshot is not snapshot:
            texts = self._texts = _Texts(snapshot, self._dumps)
        found = answers.assign(
            picture,
            asked["unit_id"],
            asked["unit_type"],
            asked["attributes"],
            asked["experiments"],
        )
        return b'{"unit_id":%b,"assignments":[%b]}\n' % (
            json.dumps(asked["unit_id"]).encode("ascii"),
            texts.joined(found.assignments),
        )


class _Texts:
    """The JSON of a snapshot's assignments, mostly the same few objects again and again."""

    def __init__(self, snapshot: Snapshot, dumps: Callable[..., str]) -> None:
        self.snapshot = snapshot
        self._dumps = dumps
        # By identity; the assignment is kept beside its text, so that no other takes its place.
        self._known: dict[int, tuple[bytes, Assignment]] = {}

    def joined(self, assignments: list[Assignment]) -> bytes:
        known = self._known
        parts = []
        for one in assignments:
            found = known.get(id(one))
            parts.append(found[0] if found is not None else self._text(one))
        return b",".join(parts)

    def _text(self, assignment: Assignment) -> bytes:
        text = self._dumps(assignment_document(assignment), separators=(",", ":")).encode("ascii")
        if assignment.error is None:  # errors are made anew for each request
            if len(self._known) >= _KEPT_TEXTS:
                self._known.clear()
            self._known[id(assignment)] = text, assignment
        return text


def _length(environ: WSGIEnvironment) -> int | None:
    """How long the body is, None where Flask has to say something about it."""
    text = environ.get("CONTENT_LENGTH", "")
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        return None
    length = int(text)
    return length if length <= MAX_BODY else None


def _plain(body: Any) -> Document | None:
    """What `AssignmentRequest` makes of a body that it surely takes, None of any other.

    A request to log exposures is not plain: it writes.
    """
    if type(body) is not dict:
        return None
    asked = {
        "unit_type": "id",
        "attributes": {},
        "experiments": None,
        "log_exposure": False,
        **body,
    }
    plain = (
        asked.keys() == _FIELDS
        and asked["log_exposure"] is False
        and _is_unit(asked["unit_id"])
        and (asked["unit_type"] == "id" or _is_key(asked["unit_type"]))
        and (asked["experiments"] is None or _are_keys(asked["experiments"]))
        and _are_attributes(asked["attributes"])
    )
    return asked if plain else None


def _is_unit(value: Any) -> bool:
    return (
        type(value) is str
        and 1 <= len(value) <= 256
        and ((value.isascii() and "\x00" not in value) or is_storable(value))
    )


def _is_key(value: Any) -> bool:
    return type(value) is str and is_key(value)


def _are_keys(keys: Any) -> bool:
    return type(keys) is list and 1 <= len(keys) <= 1000 and all(map(_is_key, keys))


def _are_attributes(attributes: Any) -> bool:
    if type(attributes) is not dict:
        return False
    for key, value in attributes.items():
        kind = type(value)
        flat = kind in _SCALARS or (kind is str and value.isascii() and "\x00" not in value)
        if not (flat and key.isascii() and "\x00" not in key):
            check_json(attributes)  # raises what Flask shall say
            return True
    return True


def _headers(app: Flask, path: str) -> list[tuple[str, str]]:
    """What every good answer carries beside its length, made as Flask makes it."""
    with app.test_request_context(path, method="POST"):
        response = app.process_response(jsonify())
    return [pair for pair in response.headers.items() if pair[0] != "Content-Length"]
