"""GET /api/v1/experiments/{key}/results: the report as JSON."""

from __future__ import annotations

from flask import Response, jsonify, request, url_for
from marshmallow import fields, validate

from api.auth import allow, current_actor
from api.blueprint import Blueprint
from api.schemas.results import ResultsSchema
from api.schemas.strict import StrictSchema
from api.services import services
from experiments.analysis.service import Pending, Report
from experiments.definitions.experiment import Document

MAX_WAIT = 30.0  # seconds

blueprint = Blueprint("results", __name__, description="Read what it meant")


class ResultsQuery(StrictSchema):
    wait = fields.Float(
        load_default=MAX_WAIT,
        validate=validate.Range(0, MAX_WAIT),
        metadata={"description": "Seconds to wait for a fresh report before 202"},
    )
    stored = fields.Boolean(
        load_default=False,
        metadata={"description": "Answer at once with the last finished report"},
    )
    phase = fields.Integer(
        load_default=None,
        validate=validate.Range(1, 2**31 - 1),
        metadata={"description": "One phase of the experiment; the latest one if left out"},
    )
    segment = fields.String(
        load_default=None,
        metadata={"description": "Only the units of this segment, to read and not to decide by"},
    )
    as_of = fields.Integer(
        load_default=None,
        validate=validate.Range(0, 2**62),
        metadata={"description": "The finished report of this watermark"},
    )


class PendingSchema(StrictSchema):
    status = fields.String(required=True, validate=validate.Equal("pending"))
    watermark = fields.Integer(required=True, metadata={"description": "Ask again with as_of"})
    progress = fields.Float(required=True, metadata={"description": "0 to 1"})


@blueprint.route("/experiments/<key>/results", methods=["GET"])
@allow("admin", "server")
@blueprint.arguments(ResultsQuery, location="query")
@blueprint.response(200, ResultsSchema)
@blueprint.alt_response(304, description="Nothing has changed since the ETag in If-None-Match")
@blueprint.alt_response(202, schema=PendingSchema, description="Still computing")
def show_results(query: Document, key: str) -> Response:
    """Show a report that holds every event acknowledged before this request."""
    environment = current_actor().environment
    reports = services().reports
    part = {"phase": query["phase"], "segment": query["segment"]}
    if query["stored"] or query["as_of"] is not None:
        return _answer(reports.stored(environment, key, query["as_of"], **part))
    outcome = reports.results(environment, key, wait=query["wait"], **part)
    if isinstance(outcome, Pending):
        response = jsonify(
            {
                "status": "pending",
                "watermark": outcome.watermark,
                "progress": outcome.progress,
            }
        )
        response.status_code = 202
        response.headers["Retry-After"] = "2"
        response.headers["Location"] = url_for(
            "results.show_results",
            key=key,
            as_of=outcome.watermark,
            phase=outcome.phase,
            segment=query["segment"],
        )
        return response
    return _answer(outcome)


def _answer(report: Report) -> Response:
    """The report; 304 to whoever polls and has it already."""
    response = jsonify(report.document)
    response.set_etag(report.etag)
    response.make_conditional(request)
    return response
