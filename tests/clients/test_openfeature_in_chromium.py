"""OpenFeature's web SDK in a real browser, on a page of another origin than the service."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.chromium import Chromium, Page, find_chromium

HERE = Path(__file__).parent


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def shop(npm_install: Callable[[Path], Path]) -> Iterator[str]:
    """The address of a page that has the SDK."""
    folder = npm_install(HERE / "openfeature")
    handler = functools.partial(Files, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/page.html"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    program = find_chromium()
    assert program is not None, "there is no Chromium; install it: apt-get install chromium"
    with Chromium(program, tmp_path) as browser:
        opened = browser.open()
        opened.call("Emulation.setScriptExecutionDisabled", value=False)
        yield opened


def call(page: Page, function: str, *arguments: Any) -> Any:
    written = ", ".join(json.dumps(one) for one in arguments)
    answer = page.call(
        "Runtime.evaluate",
        expression=f"shop.{function}({written})",
        awaitPromise=True,
        returnByValue=True,
    )
    assert "exceptionDetails" not in answer, answer
    return answer["result"].get("value")


def test_a_page_evaluates_polls_and_keeps(
    service, admin: httpx.Client, environment: str, shop: str, page: Page
):
    experiment = {
        "key": "french",
        "audience": {"country": "FR"},
        "variants": [
            {"key": "off", "weight": 0.0, "value": "plain"},
            {"key": "on", "weight": 1.0, "value": "tricolore"},
        ],
    }
    assert admin.post("/api/v1/experiments", json=experiment).status_code == 201
    assert admin.post("/api/v1/experiments/french/start").status_code == 200
    time.sleep(1.0)
    key = service.key("client", environment)
    german = {"targetingKey": "user-1", "country": "DE"}

    page.go(shop)
    call(page, "start", service.url, key, german)
    outside = call(page, "details", "french")
    assert (outside["value"], outside["variant"], outside["reason"]) == ("plain", "off", "DEFAULT")
    assert call(page, "answered", 304)

    call(page, "context", {**german, "country": "FR"})
    assert call(page, "becomes", "french", "tricolore")
    inside = call(page, "details", "french")
    assert (inside["variant"], inside["reason"]) == ("on", "SPLIT")
    assert inside["flagMetadata"]["inExperiment"] is True

    page.go(shop)  # begins with what the browser kept, and its ETag
    call(page, "start", service.url, key, german)
    assert call(page, "becomes", "french", "plain")
    assert not page.complaints()
