"""Composition, once: settings in, application out. Nothing is opened here."""

from __future__ import annotations

from flask import Flask, Response, jsonify

from api import (
    assignments,
    docs_page,
    events,
    explain,
    features,
    health,
    holdouts,
    keys,
    layers,
    metrics,
    notices,
    power,
    results,
    segments,
)
from api import experiments as experiments_resource
from api.auth import public, register_auth
from api.blueprint import Api
from api.console.views import blueprint as console
from api.fast_assignments import FastAssignments
from api.json_body import MAX_BODY
from api.problems import register_problems
from api.protocols import growthbook, ofrep
from api.protocols.streams import Streams
from api.services import EXTENSION, Services
from experiments.access import Access, Keys
from experiments.analysis.service import Reports
from experiments.events import Intake
from experiments.registry import Experiments, Features, Holdouts, Layers, Metrics, Segments
from experiments.schedule import Notices, Scheduler
from experiments.sdk_payload import Payloads
from experiments.sdk_payload_modes import KeyPayloads
from experiments.settings import VERSION, Settings
from experiments.snapshot import Snapshots
from experiments.sticky import StickyAssignments
from experiments.store.database import Database

RESOURCES = (
    experiments_resource,
    features,
    metrics,
    segments,
    layers,
    holdouts,
    assignments,
    explain,
    events,
    results,
    power,
    notices,
    keys,
)


def create_app(settings: Settings) -> Flask:
    """Build the application; `Invalid` where a setting is missing.

    Database, writer and analysis open at first use in each process, so that a preloaded
    application may be forked.
    """
    app = Flask("api")
    app.config.update(
        SECRET_KEY=settings.required_secret(),
        MAX_CONTENT_LENGTH=MAX_BODY,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_NAME="evenhand",
        API_TITLE="Evenhand",
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=None,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions[EXTENSION] = _compose(settings)
    register_auth(app)
    register_problems(app)
    api = Api(
        app,
        spec_kwargs={
            "info": {
                "description": "Assign units to variants, log exposures and outcomes, read reports."
            },
            "components": {
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                }
            },
            "security": [{"bearer": []}, {"header": []}],
        },
    )
    for resource in RESOURCES:
        api.register_blueprint(resource.blueprint, url_prefix="/api/v1")
    api.register_blueprint(ofrep.blueprint, url_prefix="/ofrep/v1")
    api.register_blueprint(growthbook.blueprint)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(console)
    document = api.document()

    @app.get("/openapi.json")
    @public
    def openapi() -> Response:
        return jsonify(document)

    docs_page.register(app, document)
    app.after_request(_secure)
    app.wsgi_app = FastAssignments(app)  # type: ignore[method-assign]
    return app


def _compose(settings: Settings) -> Services:
    database = Database(settings.database_url)
    snapshots = Snapshots(database, settings.data_dir / "snapshot.json")
    experiments = Experiments(database, snapshots.refresh)
    reports = Reports(database, settings)
    return Services(
        settings=settings,
        database=database,
        snapshots=snapshots,
        access=Access(snapshots, Keys(database).note_use),
        experiments=experiments,
        holdouts=Holdouts(experiments),
        features=Features(database, snapshots.refresh),
        segments=Segments(database, snapshots.refresh),
        layers=Layers(database, snapshots.refresh),
        metrics=Metrics(database, snapshots.refresh),
        intake=Intake(database, snapshots, queue_items=settings.queue_items),
        reports=reports,
        scheduler=Scheduler(database, experiments, reports, settings),
        notices=Notices(database),
        keys=Keys(database, snapshots.refresh),
        payloads=KeyPayloads(Payloads(), settings.required_secret()),
        streams=Streams(),
        sticky=StickyAssignments(database),
    )


def _secure(response: Response) -> Response:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault(
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self';"
        " frame-ancestors 'none'; base-uri 'none'",
    )
    return response
