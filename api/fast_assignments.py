"""POST /api/v1/assignments without Flask, for the plain case: a good key, a good body, an answer.

A layer of WSGI in front of the application. It answers only what it can answer exactly as the
view does, and hands every other request on untouched, so that errors, limits and rules exist
once, in Flask. Key and body are read by the same functions, the assignment is the same call, and
the headers are made by the application's own hooks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

from flask import Flask

from api.assignments import assign, assignment_document, blueprint
from api.auth import admit, key_in
from api.json_body import MAX_BODY, parse_json
from api.schemas.strict import check_json, is_storable
from api.services import EXTENSION, Services
from experiments.assignment.evaluate import Assignment
from experiments.definitions.keys import KEY_PATTERN
from experiments.snapshot import EnvironmentPicture

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ENDPOINT = f"{blueprint.name}.{assign.__name__}"
_FIELDS = frozenset({"unit_id", "unit_type", "attributes", "experiments", "log_exposure"})
_SCALARS = frozenset({bool, int, float, type(None)})
_KEPT_TEXTS = 10_000  # of one environment; those of a picture are far fewer, unless it makes new
_key = re.compile(KEY_PATTERN + r"\Z")


class FastAssignments:
    """Wraps `app.wsgi_app`; make it after the last hook of the application is registered."""

    def __init__(self, app: Flask) -> None:
        self.flask: WSGIApplication = app.wsgi_app
        self._services: Services = app.extensions[EXTENSION]
        self._view = app.view_functions[_ENDPOINT]
        self._path = next(app.url_map.iter_rules(_ENDPOINT)).rule
        self._headers = _headers(app)
        self._dumps: Callable[..., str] = app.json.dumps
        self._texts: dict[str, _Texts] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == self._path and environ["REQUEST_METHOD"] == "POST":
            answer = self._answer(environ)
            if answer is not None:
                kind, *others = self._headers
                length = "Content-Length", str(len(answer))
                start_response("200 OK", [kind, length, *others])
                return [answer]
        return self.flask(environ, start_response)

    def _answer(self, environ: WSGIEnvironment) -> bytes | None:
        """The body of the answer, None where the request is for Flask."""
        length = environ.get("CONTENT_LENGTH", "")
        if not (length.isascii() and length.isdigit() and len(length) < 8):
            return None
        if int(length) > MAX_BODY:
            return None
        try:
            key = key_in(environ.get("HTTP_AUTHORIZATION", ""), environ.get("HTTP_X_API_KEY"))
            actor = admit(self._services, self._view, key)
            body = environ["wsgi.input"].read(int(length))
            environ["wsgi.input"] = BytesIO(body)
            return self._assigned(actor.environment, parse_json(body))
        except Exception:  # noqa: BLE001 — Flask meets it too, and has the answer for it
            return None

    def _assigned(self, environment: str, body: Any) -> bytes | None:
        if not _is_plain(body):
            return None
        snapshot = self._services.snapshots.current()
        if snapshot.stale:
            return None
        picture = snapshot.environment(environment)
        texts = self._texts.get(environment)
        if texts is None or texts.picture is not picture:
            texts = self._texts[environment] = _Texts(picture, self._dumps)
        keys = body.get("experiments")
        if not texts.answers(keys):
            return None
        unit_id: str = body["unit_id"]
        assignments = picture.assign(
            unit_id, body.get("unit_type", "id"), body.get("attributes", {}), keys
        )
        return b'{"unit_id":%b,"assignments":[%b]}\n' % (
            json.dumps(unit_id).encode("ascii"),
            texts.joined(assignments),
        )


class _Texts:
    """The JSON of a picture's assignments, which are the same few objects again and again."""

    def __init__(self, picture: EnvironmentPicture, dumps: Callable[..., str]) -> None:
        self.picture = picture
        self._dumps = dumps
        # By identity; the assignment is kept beside its text, so that no other takes its place.
        self._known: dict[int, tuple[bytes, Assignment]] = {}
        self._sticky = {
            key
            for key, live in picture.experiments.items()
            if live.standing.experiment.sticky is not None
        }

    def answers(self, keys: list[str] | None) -> bool:
        """Whether every name is known and none needs what is stored of the unit."""
        if keys is None:
            return not self._sticky
        known = self.picture.experiments
        return all(key in known and key not in self._sticky for key in keys)

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


def _is_plain(body: Any) -> bool:
    """Whether `AssignmentRequest` surely takes the body and nothing is to be written."""
    if type(body) is not dict or not body.keys() <= _FIELDS:
        return False
    unit_type, experiments = body.get("unit_type", "id"), body.get("experiments")
    return (
        body.get("log_exposure", False) is False
        and _is_text(body.get("unit_id"), 256)
        and type(unit_type) is str
        and (unit_type == "id" or _key.match(unit_type) is not None)
        and (experiments is None or _are_texts(experiments))
        and _are_attributes(body.get("attributes", _NOTHING))
    )


_NOTHING: Mapping[str, Any] = {}


def _is_text(value: Any, longest: int) -> bool:
    return (
        type(value) is str
        and 1 <= len(value) <= longest
        and ((value.isascii() and "\x00" not in value) or is_storable(value))
    )


def _are_texts(keys: Any) -> bool:
    """Whether it is a list of names; that each is known is asked of the picture."""
    return type(keys) is list and 1 <= len(keys) <= 1000 and all(type(key) is str for key in keys)


def _are_attributes(attributes: Any) -> bool:
    if type(attributes) is not dict:
        return False
    for key, value in attributes.items():
        kind = type(value)
        plain = kind in _SCALARS or (kind is str and value.isascii() and "\x00" not in value)
        if not (plain and key.isascii() and "\x00" not in key):
            check_json(attributes)  # raises what Flask shall say
            return True
    return True


def _headers(app: Flask) -> list[tuple[str, str]]:
    """What every good answer carries, made by the hooks that Flask would call."""
    response = app.response_class(mimetype=app.json.mimetype)  # type: ignore[attr-defined]
    for name in (blueprint.name, None):
        for hook in reversed(app.after_request_funcs.get(name, [])):
            response = app.ensure_sync(hook)(response)
    return [pair for pair in response.headers.items() if pair[0] != "Content-Length"]
