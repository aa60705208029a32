"""Bodies of events as beacons and frugal clients send them: as text, with the key, compressed."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Service

EVENTS = "/api/v1/events"
MAX_BODY = 1_000_000


@pytest.fixture
def key(service: Service, environment: str) -> str:
    return service.key("client", environment)


def outcome(event_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "outcome", "event": "buy", "event_id": event_id, "unit_id": "u1", **fields}


def batch(*events: Any) -> bytes:
    return json.dumps({"events": events}).encode()


def padded(size: int) -> bytes:
    """A batch of exactly so many bytes."""
    body = batch(outcome("e1"))
    return body + b" " * (size - len(body))


def test_a_text_with_the_key_in_its_address_is_a_batch(service: Service, key: str) -> None:
    answer = httpx.post(
        f"{service.url}{EVENTS}?client_key={key}",
        content=batch(outcome("e1")),
        headers={"Content-Type": "text/plain;charset=UTF-8", "Origin": "https://shop.example"},
    )
    assert [one["status"] for one in answer.json()["results"]] == ["stored"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("kind", ["server", "admin"])
def test_only_a_client_key_stands_in_an_address(
    service: Service, environment: str, kind: str
) -> None:
    secret = service.key(kind, environment)
    answer = httpx.post(f"{service.url}{EVENTS}?client_key={secret}", content=batch(outcome("e1")))
    assert (answer.status_code, answer.json()["code"]) == (403, "KIND_FORBIDDEN")
    headers = {"X-API-Key": secret}
    answer = httpx.post(f"{service.url}{EVENTS}", content=batch(outcome("e1")), headers=headers)
    assert answer.json()["results"][0]["status"] == "stored"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZip"])
def test_a_compressed_batch_is_a_batch(service: Service, key: str, encoding: str) -> None:
    answer = send(service, EVENTS, key, gzip.compress(batch(outcome("e1")), mtime=0), encoding)
    assert [one["status"] for one in answer.json()["results"]] == ["stored"]


def test_track_takes_compressed_bodies_too(service: Service, key: str) -> None:
    event = {"event_name": "buy", "attributes": {"id": "u1"}}
    answer = send(service, "/track", key, gzip.compress(json.dumps([event]).encode()))
    assert [one["status"] for one in answer.json()["results"]] == ["stored"]


@pytest.mark.parametrize("path", [EVENTS, "/track"])
def test_the_limit_is_that_of_what_is_inflated(service: Service, key: str, path: str) -> None:
    assert send(service, path, key, gzip.compress(padded(MAX_BODY), mtime=0)).status_code == 200
    over = send(service, path, key, gzip.compress(padded(MAX_BODY + 1), mtime=0))
    assert (over.status_code, over.json()["code"]) == (413, "BODY_TOO_LARGE")


def test_a_bomb_is_refused_without_being_inflated(service: Service, key: str) -> None:
    deflater = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    zeros = bytes(1 << 20)
    bomb = b"".join(deflater.compress(zeros) for _ in range(900)) + deflater.flush()
    assert len(bomb) < MAX_BODY
    for _ in range(4):  # every worker has met one
        answer = send(service, EVENTS, key, bomb)
        assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    for worker in service.workers():
        lines = Path(f"/proc/{worker}/status").read_text().splitlines()
        (peak,) = (int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        assert peak < 800_000, "kilobytes"


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (b"no gzip", "gzip", 400, "BODY_NOT_JSON"),
        (b"", "gzip", 400, "BODY_NOT_JSON"),
        (gzip.compress(batch(outcome("e1")), mtime=0)[:-4], "gzip", 400, "BODY_NOT_JSON"),
        (gzip.compress(batch(outcome("e1")), mtime=0) * 2, "gzip", 400, "BODY_NOT_JSON"),
        (zlib.compress(batch(outcome("e1"))), "deflate", 415, "MEDIA_TYPE_UNSUPPORTED"),
        (batch(outcome("e1")), "br", 415, "MEDIA_TYPE_UNSUPPORTED"),
        (
            gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0),
            "gzip, gzip",
            415,
            "MEDIA_TYPE_UNSUPPORTED",
        ),
    ],
)
def test_what_is_no_gzip_is_refused(
    service: Service, key: str, body: bytes, encoding: str, status: int, code: str
) -> None:
    for path in (EVENTS, "/track"):
        answer = send(service, path, key, body, encoding)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path


def send(
    service: Service, path: str, key: str, body: bytes, encoding: str = "gzip"
) -> httpx.Response:
    return httpx.post(
        f"{service.url}{path}?client_key={key}",
        content=body,
        headers={"Content-Encoding": encoding},
        timeout=30,
    )
