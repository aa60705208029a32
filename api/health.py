"""/healthz: the process lives. /readyz: it can serve, and it can store."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from api.auth import public
from api.services import services
from experiments.definitions.errors import EvenhandError

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@public
def healthz() -> Response:
    return jsonify({"status": "ok"})


@blueprint.get("/readyz")
@public
def readyz() -> Response:
    """Answer 200 where assignments are served, saying apart whether events can be stored."""
    serves, stores = "ok", "ok"
    try:
        stale = services().snapshots.current().stale
        serves = "stale" if stale else "ok"
    except EvenhandError as error:
        serves = error.code
    try:
        services().database.ping()
    except EvenhandError as error:
        stores = error.code
    response = jsonify({"serves": serves, "stores": stores})
    response.status_code = 200 if serves in {"ok", "stale"} else 503
    return response
