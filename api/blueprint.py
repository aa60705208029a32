"""The blueprint that every resource uses: smorest's, with strict JSON and our errors."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_smorest import Api as SmorestApi
from flask_smorest import Blueprint as SmorestBlueprint

from api.json_body import StrictParser
from api.problems import MEDIA_TYPE, ProblemSchema
from experiments.definitions.errors import Stale


class Blueprint(SmorestBlueprint):  # type: ignore[misc]
    ARGUMENTS_PARSER = StrictParser()


class Api(SmorestApi):  # type: ignore[misc]
    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """Leave errors to `api.problems`."""

    def document(self) -> dict[str, Any]:
        """The OpenAPI document, in which every error has the problem media type."""
        document: dict[str, Any] = self.spec.to_dict()
        for response in document["components"]["responses"].values():
            content = response.get("content", {})
            if "application/json" in content:
                content[MEDIA_TYPE] = content.pop("application/json")
        return document


def expected_revision() -> int | None:
    """The revision that If-Match names, None without one."""
    sent = request.headers.get("If-Match", "*").strip()
    if sent == "*":
        return None
    revision = sent.removeprefix("W/").strip('"')
    if not revision.isascii() or not revision.isdigit():
        raise Stale("REVISION_STALE", "If-Match holds no ETag of ours; read it again and repeat")
    return int(revision)
