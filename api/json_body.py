"""Strict JSON: UTF-8, finite numbers, bounded depth. What is not JSON is refused whole."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any, NoReturn

from flask import Request, request
from marshmallow import RAISE
from webargs.core import missing
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

MAX_BODY = 1_000_000  # bytes, also of what a compressed body holds
_GZIP = zlib.MAX_WBITS | 16


class NotJson(Exception):
    """`detail` says what is wrong with the body."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def parse_json(body: bytes) -> Any:
    """Read a body; `NotJson` where it is none."""
    try:
        return _decoder.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise NotJson(f"the body is not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise NotJson("the body is nested too deeply") from error
    except ValueError as error:
        raise NotJson(f"the body is not JSON: {error}") from error


def request_json() -> Any:
    """The body of the present request, whatever its content type claims."""
    return parse_json(request.get_data(cache=True))


def sent_json() -> Any:
    """The same of a body that may come compressed: `Content-Encoding: gzip`."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    body = request.get_data(cache=True)
    if encoding in {"gzip", "x-gzip"}:
        body = _inflated(body)
    elif encoding != "identity":
        raise UnsupportedMediaType("send the body as it is, or with `Content-Encoding: gzip`")
    return parse_json(body)


def _inflated(body: bytes) -> bytes:
    """What a gzip file holds. No more than `MAX_BODY` is ever inflated, whatever it claims."""
    inflater = zlib.decompressobj(_GZIP)
    try:
        inflated = inflater.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise NotJson(f"the body is not gzip: {error}") from error
    if len(inflated) > MAX_BODY:
        raise RequestEntityTooLarge
    if not inflater.eof or inflater.unused_data:
        raise NotJson("the body is not one whole gzip file")
    return inflated


class StrictParser(FlaskParser):
    """webargs with our JSON, so that schemas and batches read bodies alike.

    Unknown fields are refused in the query too, where webargs would drop them.
    """

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012 — webargs' own way
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": RAISE,
    }

    def _raw_load_json(self, req: Request) -> Any:
        body = req.get_data(cache=True)
        return parse_json(body) if body else missing


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is out of range")
    return number


_decoder = json.JSONDecoder(parse_constant=_constant, parse_float=_float)
