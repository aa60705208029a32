"""Sessions of people: the token that proves a form came from our page, and safe returns."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from flask import request, session

from api.auth import SESSION_SELECTOR as SELECTOR
from experiments.definitions.errors import Forbidden

__all__ = ["FIELD", "SELECTOR", "check_token", "safe_path", "token"]

FIELD = "csrf_token"


def token() -> str:
    """The token that this browser's forms carry."""
    if FIELD not in session:
        session[FIELD] = secrets.token_urlsafe(24)
    value: str = session[FIELD]
    return value


def check_token() -> None:
    """Refuse a form that another site may have sent."""
    sent, kept = request.form.get(FIELD, ""), session.get(FIELD, "")
    if not kept or not hmac.compare_digest(sent.encode(), kept.encode()):
        raise Forbidden(
            "FORM_EXPIRED", "this form is too old or did not come from this page; load it again"
        )


def safe_path(path: str | None) -> str | None:
    """`path` if it stays on this host, else None."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")):
        return None
    parts = urlsplit(path)
    return path if not parts.netloc and not parts.scheme and path.isprintable() else None
