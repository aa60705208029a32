"""Who may call which view. A view that declares nothing is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, redirect, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from api.services import Services, services
from experiments.access import DEFAULT_ENVIRONMENT, Actor
from experiments.definitions.errors import Forbidden, Unknown

View = TypeVar("View", bound=Callable[..., Any])
_ATTRIBUTE = "evenhand_access"
_KEY = "evenhand_key"
_PUBLIC: frozenset[str] = frozenset()
_READERS = frozenset({"reader"})
SESSION_SELECTOR = "selector"


def allow(*kinds: str, key: Callable[[], str | None] | None = None) -> Callable[[View], View]:
    """Callable with a key of one of these kinds; `key` reads it from elsewhere than the headers."""

    def mark(view: View) -> View:
        setattr(view, _KEY, key or sent_key)
        return _declare(frozenset(kinds))(view)

    return mark


def public(view: View) -> View:
    """Callable by anybody."""
    return _declare(_PUBLIC)(view)


def page(view: View) -> View:
    """A page for people: an admin key in the header, or somebody who logged in."""
    return _declare(_READERS)(view)


def current_actor() -> Actor:
    actor: Actor = g.actor
    return actor


def declared_access(view: Callable[..., Any]) -> frozenset[str] | None:
    """The kinds that may call a view, empty for everybody, None where it declares nothing."""
    access: frozenset[str] | None = getattr(view, _ATTRIBUTE, None)
    return access


def register_auth(app: Flask) -> None:
    app.before_request(_check)


def _declare(kinds: frozenset[str]) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, kinds)
        return view

    return mark


def admit(known: Services, view: Callable[..., Any], key: str | None) -> Actor:
    """Who calls a view that declares kinds of key; `Unknown`, or `Forbidden` to that kind."""
    actor = known.access.authenticate(key)
    kinds = declared_access(view) or _PUBLIC
    if actor.kind not in kinds:
        raise Forbidden(
            "KIND_FORBIDDEN",
            f"a key of kind {actor.kind} may not do this; use one of kind"
            f" {' or '.join(sorted(kinds))}",
        )
    return actor


def _check() -> AnyResponse | None:
    if request.endpoint is None or request.method == "OPTIONS":
        return None  # no such route, or a preflight, which answers only what is allowed
    view = current_app.view_functions[request.endpoint]
    kinds = declared_access(view)
    if kinds is None:
        raise Forbidden("ROUTE_CLOSED", "this route declares nobody who may call it")
    if kinds == _PUBLIC:
        return None
    if kinds == _READERS:
        return _check_reader()
    g.actor = admit(services(), view, getattr(view, _KEY)())
    return None


def _check_reader() -> AnyResponse | None:
    key = sent_key()
    if key is not None:
        g.actor = services().access.authenticate(key)
        if g.actor.kind != "admin":
            raise Forbidden("KIND_FORBIDDEN", "pages are read with an admin key")
        return None
    selector = session.get(SESSION_SELECTOR)
    if selector is not None:
        try:
            g.actor = services().access.recognise(selector)
        except Unknown:
            session.clear()
        else:
            return None
    if services().settings.demo:
        g.actor = Actor("demo", DEFAULT_ENVIRONMENT, "demo")
        return None
    return redirect(url_for("console.login", next=request.full_path.rstrip("?")))


def sent_key() -> str | None:
    """The key in the request's headers."""
    return key_in(request.headers.get("Authorization", ""), request.headers.get("X-API-Key"))


def key_in_query() -> str | None:
    """The key that the address names, else that of the headers: a beacon can send no header."""
    return request.args.get("client_key") or sent_key()


def key_in(authorization: str, api_key: str | None) -> str | None:
    """The key that these two headers hold, either of which may do."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else api_key


def cross_origin(response: Response) -> Response:
    """Let browsers of any site call a client route; no credentials are involved."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = "ETag, Retry-After"
    if request.method == "OPTIONS":  # a browser reads the rest from its preflight only
        response.headers["Access-Control-Allow-Methods"] = "POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = (
            "authorization, x-api-key, content-type, content-encoding, if-none-match"
        )
        response.headers["Access-Control-Max-Age"] = "7200"
    return response
