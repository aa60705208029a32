"""GET /api/v1/notices: what was done by the clock, and what could not be."""

from __future__ import annotations

from api.auth import allow, current_actor
from api.blueprint import Blueprint
from api.schemas.notices import NoticeList, NoticeQuery
from api.services import services
from experiments.definitions.experiment import Document

blueprint = Blueprint("notices", __name__, description="Read what the scheduler did")


@blueprint.route("/notices", methods=["GET"])
@allow("admin")
@blueprint.arguments(NoticeQuery, location="query")
@blueprint.response(200, NoticeList)
def list_notices(query: Document) -> Document:
    """List what happened by the clock, the newest first."""
    found = services().notices.search(
        current_actor().environment, query.get("experiment"), limit=query["limit"]
    )
    return {"notices": found}
