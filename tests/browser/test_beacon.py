"""What a page of another origin sends without asking first, in a real browser."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.browser.chromium import Chromium, Page
from tests.conftest import Service


class _Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = b"<!doctype html><title>A shop</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def page(chromium: Chromium) -> Iterator[Page]:
    """A page of another origin, with its scripts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Shop) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        opened = chromium.open()
        opened.call("Emulation.setScriptExecutionDisabled", value=False)
        opened.go(f"http://127.0.0.1:{server.server_port}/")
        yield opened
        server.shutdown()
        thread.join()


def outcome(event_id: str) -> dict[str, str]:
    return {"type": "outcome", "event": "buy", "event_id": event_id, "unit_id": "u1"}


def run(page: Page, script: str) -> object:
    answer = page.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
    assert "exceptionDetails" not in answer, answer
    value: object = answer["result"].get("value")
    return value


def methods(page: Page) -> list[str]:
    """The methods of what this tab has asked of another origin, preflights included."""
    sent = [event["params"] for event in page._of("Network.requestWillBeSent")]
    return [one["request"]["method"] for one in sent if "/api/v1/events" in one["request"]["url"]]


def test_a_beacon_is_stored_without_a_preflight(
    page: Page, service: Service, admin: httpx.Client, environment: str
) -> None:
    url = f"{service.url}/api/v1/events?client_key={service.key('client', environment)}"
    body = json.dumps({"events": [outcome("beacon")]})
    with admin.stream("GET", "/api/v1/events/tail") as tail:
        lines = tail.iter_lines()
        assert next(lines) == ": watching"
        assert run(page, f"navigator.sendBeacon({json.dumps(url)}, {json.dumps(body)})") is True
        seen = next(json.loads(line[6:]) for line in lines if line.startswith("data: "))
    assert (seen["event_id"], seen["verdict"]) == ("beacon", "stored")
    assert methods(page) == ["POST"]


@pytest.mark.parametrize(
    ("kind", "expected"), [("text/plain", ["POST"]), ("application/json", ["OPTIONS", "POST"])]
)
def test_a_fetch_that_outlives_the_page_asks_first_only_for_json(
    page: Page, service: Service, environment: str, kind: str, expected: list[str]
) -> None:
    url = f"{service.url}/api/v1/events?client_key={service.key('client', environment)}"
    options = {
        "method": "POST",
        "keepalive": True,
        "headers": {"Content-Type": kind},
        "body": json.dumps({"events": [outcome("fetched")]}),
    }
    answer = run(
        page,
        f"fetch({json.dumps(url)}, {json.dumps(options)}).then(answer => answer.json())",
    )
    assert answer == {"results": [{"index": 0, "event_id": "fetched", "status": "stored"}]}
    assert sorted(methods(page)) == expected


def test_a_compressed_body_passes_the_preflight(
    page: Page, service: Service, environment: str
) -> None:
    url = f"{service.url}/api/v1/events?client_key={service.key('client', environment)}"
    body = json.dumps({"events": [outcome("packed")]})
    answer = run(
        page,
        f"new Response(new Blob([{json.dumps(body)}]).stream()"
        ".pipeThrough(new CompressionStream('gzip'))).blob()"
        f".then(body => fetch({json.dumps(url)}, {{method: 'POST', body,"
        " headers: {'Content-Encoding': 'gzip'}}))"
        ".then(answer => answer.json())",
    )
    assert answer == {"results": [{"index": 0, "event_id": "packed", "status": "stored"}]}
