"""Long lists are answered page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from marshmallow import fields, validate

from api.schemas.strict import StrictSchema, says

T = TypeVar("T")


class PageQuery(StrictSchema):
    page = fields.Integer(
        load_default=1, validate=validate.Range(1, 1_000_000), metadata=says("From 1")
    )
    page_size = fields.Integer(
        load_default=100, validate=validate.Range(1, 1000), metadata=says("Items a page")
    )


class PageFields(StrictSchema):
    total = fields.Integer(required=True, metadata=says("Of all pages"))
    page = fields.Integer(required=True)
    page_size = fields.Integer(required=True)


def page_of(
    name: str, found: Sequence[T], query: dict[str, Any], document_of: Callable[[T], Any]
) -> dict[str, Any]:
    """The page that was asked for; its items stand under `name`."""
    first = (query["page"] - 1) * query["page_size"]
    return {
        name: [document_of(one) for one in found[first : first + query["page_size"]]],
        "total": len(found),
        "page": query["page"],
        "page_size": query["page_size"],
    }
