"""The routes of the console: list, report, explanation, log in and out, and its style sheet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, request, send_from_directory, session, url_for
from werkzeug.wrappers import Response

from api.auth import current_actor, page, public
from api.console import commands, pages, security
from api.console.experiment_list import listed
from api.console.explain_page import Asked, explain_page
from api.console.notice_list import notice_list
from api.console.report_page import Setting, report_page
from api.explain import explained
from api.problems import MEDIA_TYPE
from api.services import services
from experiments.analysis.service import Pending, Report
from experiments.definitions.errors import NotFound, Unknown

WAIT = 3.0  # seconds that a reader waits for a fresh report before the stored one is shown
NOTICES = 5  # the newest ones, on a report's page
_STATIC = Path(__file__).with_name("static")

blueprint = Blueprint("console", __name__, template_folder="templates")


@blueprint.get("/")
@public
def index() -> Response:
    return redirect(url_for("console.experiments"))


@blueprint.get("/experiments")
@page
def experiments() -> Response:
    environment, words = current_actor().environment, pages.words()
    base = request.url_root.rstrip("/")
    return pages.render(
        "experiments.html",
        rows=[
            listed(standing, _stored(environment, standing.experiment.key), words, _now())
            for standing in services().experiments.search(environment)
        ],
        create=(commands.create_metric(base), commands.create_experiment(base)),
    )


@blueprint.get("/experiments/<key>")
@page
def report(key: str) -> Response:
    environment, words = current_actor().environment, pages.words()
    standing = services().experiments.get(environment, key)
    phase, segment = _phase(), request.args.get("segment") or None
    reports = services().reports
    found = reports.results(environment, key, phase=phase, segment=segment, wait=WAIT)
    is_late = isinstance(found, Pending)
    shown = _stored(environment, key, phase, segment) if isinstance(found, Pending) else found
    if shown is None:
        return pages.render("pending.html", 202, name=standing.experiment.name, key=key)
    setting = Setting(
        time_zone=standing.experiment.time_zone,
        traffic=standing.experiment.traffic,
        base_url=request.url_root.rstrip("/"),
        now=_now(),
        is_late=is_late,
        phases=standing.phases,
        segments=tuple(one.record for one in services().segments.all(environment)),
    )
    notices = services().notices.search(environment, key, limit=NOTICES)
    return pages.render(
        "report.html",
        report=report_page(shown.document, setting, words),
        notices=notice_list(notices, ZoneInfo(setting.time_zone), words),
    )


@blueprint.get("/experiments/<key>/explain")
@page
def explain(key: str) -> Response:
    experiment = services().experiments.get(current_actor().environment, key).experiment
    asked = Asked(request.args.get("unit"), request.args.get("attributes", ""))
    shown = explain_page(experiment, asked, explained, pages.words())
    return pages.render("explain.html", 422 if shown.problem else 200, page=shown)


@blueprint.route("/login", methods=["GET", "POST"])
@public
def login() -> Response:
    back = security.safe_path(request.values.get("next")) or url_for("console.experiments")
    problem = None
    if request.method == "POST":
        security.check_token()
        try:
            actor = services().access.authenticate(request.form.get("key", "").strip())
        except Unknown:
            problem = "login.unknown"
        else:
            if actor.kind == "admin":
                session.clear()
                session[security.SELECTOR] = actor.selector
                return redirect(back, 303)
            problem = "login.kind"
    return pages.render(
        "login.html", 401 if problem else 200, token=security.token(), back=back, problem=problem
    )


@blueprint.post("/logout")
@public
def logout() -> Response:
    security.check_token()
    session.clear()
    return redirect(url_for("console.login"), 303)


@blueprint.get("/console/<path:name>")
@public
def asset(name: str) -> Response:
    return send_from_directory(_STATIC, name, max_age=3600)


@blueprint.after_request
def draw_problem(response: Response) -> Response:
    """A person reads the problem that a program would have got."""
    if response.mimetype != MEDIA_TYPE:
        return response
    problem = response.get_json()
    drawn = pages.render(
        "error.html",
        response.status_code,
        status=response.status_code,
        code=problem["code"],
        detail=problem["detail"],
    )
    for name in ("Retry-After", "Allow"):
        if name in response.headers:
            drawn.headers[name] = response.headers[name]
    return drawn


def _phase() -> int | None:
    """The phase that the address names, None where it names none."""
    text = request.args.get("phase", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound("PHASE_NOT_FOUND", f"a phase is a whole number, not {text!r}")
    return int(text)


def _stored(
    environment: str, key: str, phase: int | None = None, segment: str | None = None
) -> Report | None:
    try:
        return services().reports.stored(environment, key, phase=phase, segment=segment)
    except NotFound:
        return None


def _now() -> datetime:
    return datetime.now(UTC)
