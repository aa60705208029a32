"""What every page shares: its language, its headers, how it is rendered, and its errors."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import g, make_response, render_template, request, session
from werkzeug.wrappers import Response

from api.console import forest, security
from api.console.words import LANGUAGES, Words, choose_language, words_in
from experiments.settings import VERSION

COOKIE = "lang"
_YEAR = 365 * 86_400


def words() -> Words:
    """The texts in the language of whoever asks."""
    if "console_words" not in g:
        language = choose_language(
            request.args.get("lang"), request.cookies.get(COOKIE), request.accept_languages
        )
        g.console_words = words_in(language)
    chosen: Words = g.console_words
    return chosen


def render(template: str, code: int = 200, /, **context: Any) -> Response:
    """A page in the reader's language, answered with the status `code`."""
    texts = words()
    body = render_template(
        f"console/{template}",
        t=texts,
        version=VERSION,
        languages=[(code, words_in(code)("language"), words_in(code).tag) for code in LANGUAGES],
        here=_here,
        actor=g.get("actor"),
        legend_mark=forest.legend_mark,
        csrf=security.token if security.SELECTOR in session else None,
        **context,
    )
    response = make_response(body, code)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Language"] = texts.tag
    response.headers["Vary"] = "Accept-Language, Cookie"
    if request.args.get("lang") in LANGUAGES:
        response.set_cookie(
            COOKIE,
            texts.language,
            max_age=_YEAR,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure,
        )
    return response


def _here(language: str) -> str:
    """This page's address in another language."""
    query = [(k, v) for k, v in request.args.items(multi=True) if k != "lang"]
    return f"{request.path}?{urlencode([*query, ('lang', language)])}"
