"""/docs: the API reference, drawn on the server from the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask, request
from werkzeug.wrappers import Response

from api.auth import declared_access, public
from api.console import pages
from api.console.commands import curl
from api.docs_examples import BODIES, KEYS

METHODS = ("get", "post", "put", "patch", "delete")

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Type:
    """The words of a type; `links` are the schemas that it names."""

    text: str
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: Type
    required: bool
    says: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    says: str
    type: Type | None


@dataclass(frozen=True, slots=True)
class Operation:
    """`who` names the kinds of key that may call it, empty where anybody may."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    who: tuple[str, ...]
    parameters: tuple[Field, ...]
    body: str | None
    fields: tuple[Field, ...]
    answers: tuple[Answer, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Group:
    tag: str
    says: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    says: str
    fields: tuple[Field, ...]


def register(app: Flask, document: Document) -> None:
    """Serve the reference of `document`; every route must be registered already."""
    who = _callers(app)

    @app.get("/docs")
    @public
    def docs() -> Response:
        return pages.render(
            "docs.html",
            title=document["info"]["title"],
            says=document["info"].get("description", ""),
            number=document["info"]["version"],
            groups=groups(document, who, request.url_root.rstrip("/")),
            models=models(document),
        )


def groups(
    document: Document, who: Callable[[str, str], tuple[str, ...]], base: str
) -> list[Group]:
    """The operations by tag, in the order of the document."""
    found: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = _operation(document, path, method, who(path, method), base)
                tag = item[method].get("tags", ["other"])[0]
                found.setdefault(tag, []).append(operation)
    says = {tag["name"]: tag.get("description", "") for tag in document.get("tags", [])}
    return [Group(tag, says.get(tag, ""), tuple(found[tag])) for tag in found]


def models(document: Document) -> list[Model]:
    """The schemas that operations or other schemas name, by name."""
    schemas: dict[str, Document] = document["components"]["schemas"]
    used = set(_named(document))
    return [
        Model(name, schema.get("description", ""), fields_of(schema))
        for name, schema in sorted(schemas.items())
        if name in used
    ]


def fields_of(schema: Document) -> tuple[Field, ...]:
    required = set(schema.get("required", ()))
    return tuple(
        Field(name, type_of(part), name in required, part.get("description", ""))
        for name, part in schema.get("properties", {}).items()
    )


def type_of(schema: Document) -> Type:
    """A type in words: `array of Variant`, `number or null, 0 to 1, default 0.5`."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return Type(name, (name,))
    for joint in ("anyOf", "oneOf", "allOf"):
        if joint in schema:
            parts = [type_of(part) for part in schema[joint]]
            named = tuple(link for part in parts for link in part.links)
            return Type(" or ".join(part.text for part in parts), named)
    if "enum" in schema:
        return Type(" | ".join(_value(value) for value in schema["enum"]) + _limits(schema))
    kinds = schema.get("type", "any JSON")
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    links: tuple[str, ...] = ()
    for place, name in enumerate(names):
        part = schema.get("items") if name == "array" else schema.get("additionalProperties")
        if name in {"array", "object"} and isinstance(part, dict) and part:
            inner = type_of(part)
            of = f"({inner.text})" if "," in inner.text else inner.text
            names[place] = f"{name} of {of}"
            links = inner.links
    return Type(" or ".join(names) + _limits(schema), links)


def _operation(
    document: Document, path: str, method: str, who: tuple[str, ...], base: str
) -> Operation:
    item = document["paths"][path]
    operation = item[method]
    parameters = [*item.get("parameters", ()), *operation.get("parameters", ())]
    body = _body(operation)
    schema = {} if body is None else _resolve(document, body)
    anchor = re.sub(r"[^a-z0-9]+", "-", f"{method} {path}".lower()).strip("-")
    return Operation(
        anchor=anchor,
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        who=who,
        parameters=tuple(_parameter(_resolve(document, one)) for one in parameters),
        body=None if body is None else type_of(body).text,
        fields=fields_of(schema),
        answers=tuple(
            _answer(document, status, answer)
            for status, answer in sorted(operation["responses"].items())
        ),
        example=_example(method.upper(), path, base, parameters, who),
    )


def _body(operation: Document) -> Document | None:
    content = operation.get("requestBody", {}).get("content", {})
    schema: Document | None = content.get("application/json", {}).get("schema")
    return schema


def _parameter(parameter: Document) -> Field:
    schema = parameter.get("schema", {})
    says = parameter.get("description") or schema.get("description", "")
    place = parameter["in"]
    return Field(
        parameter["name"],
        type_of(schema),
        parameter.get("required", False),
        f"In the {place}. {says}".strip(),
    )


def _answer(document: Document, status: str, answer: Document) -> Answer:
    whole = _resolve(document, answer)
    content = next(iter(whole.get("content", {}).values()), None)
    return Answer(
        status="other" if status == "default" else status,
        says=whole.get("description", ""),
        type=type_of(content["schema"]) if content else None,
    )


def _named(part: Any) -> Iterator[str]:
    """Every schema that a document refers to."""
    if isinstance(part, dict):
        if "$ref" in part and "/schemas/" in part["$ref"]:
            yield part["$ref"].rsplit("/", 1)[-1]
        for inner in part.values():
            yield from _named(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _named(inner)


def _resolve(document: Document, part: Document) -> Document:
    while "$ref" in part:
        target: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        part = target
    return part


def _limits(schema: Document) -> str:
    parts = []
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        parts.append(f"{least:,.15g} to {most:,.15g}")
    elif least is not None:
        parts.append(f"at least {least:,.15g}")
    elif most is not None:
        parts.append(f"at most {most:,.15g}")
    if "maxLength" in schema:
        parts.append(f"at most {schema['maxLength']:,} characters")
    if "maxItems" in schema:
        parts.append(f"at most {schema['maxItems']:,} items")
    if schema.get("default") is not None:
        parts.append(f"default {_value(schema['default'])}")
    return "".join(f", {part}" for part in parts)


def _value(value: Any) -> str:
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )


def _example(
    method: str, path: str, base: str, parameters: list[Document], who: tuple[str, ...]
) -> str:
    named = next((key for kind, key in KEYS.items() if path.startswith(f"{kind}/")), "new-checkout")
    url = base + path.replace("{key}", named)
    url = url.replace("{selector}", "$SELECTOR").replace("{letter_id}", "$DEAD_LETTER")
    in_address = [one["in"] for one in parameters if one.get("name") == "client_key"]
    if "admin" in who:  # with a header too, which is for every kind of key
        in_address = []
    url = url.replace("{client_key}", "$EVENHAND_CLIENT_KEY")
    if "query" in in_address:
        url += "?client_key=$EVENHAND_CLIENT_KEY"
    return curl(method, url, BODIES.get((method, path)), key=bool(who) and not in_address)


def _callers(app: Flask) -> Callable[[str, str], tuple[str, ...]]:
    """Who may call an operation, as its view declares it."""
    views = {
        (re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), method): rule.endpoint
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }

    def who(path: str, method: str) -> tuple[str, ...]:
        access = declared_access(app.view_functions[views[path, method.upper()]])
        return tuple(sorted(access or ()))

    return who
