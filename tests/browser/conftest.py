from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.browser.chromium import Chromium, find_chromium
from tests.conftest import Service
from tests.unit.console.page_tree import Element


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = find_chromium()
    if program is None:
        pytest.fail("there is no Chromium; install it: apt-get install chromium", pytrace=False)
    with Chromium(program, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def send(
    service: Service, admin: httpx.Client, environment: str
) -> Callable[[str], httpx.Response]:
    """Send what a page says to send: a curl command, with the keys for its variables."""
    client_key = service.key("client", environment)

    def send(command: str) -> httpx.Response:
        words = iter(shlex.split(command.replace("\\\n", " ")))
        assert next(words) == "curl"
        method, url, body, headers = "GET", "", None, {}
        for word in words:
            match word:
                case "-X":
                    method = next(words)
                case "-H":
                    name, _, value = next(words).partition(": ")
                    headers[name] = value
                case "-d":
                    body = next(words).encode()
                case _:
                    url = word
        if "$EVENHAND_CLIENT_KEY" in url:
            address = url.replace("$EVENHAND_CLIENT_KEY", client_key)
            with httpx.stream(method, address, content=body, headers=headers) as answer:
                if not answer.headers["Content-Type"].startswith("text/event-stream"):
                    answer.read()  # a stream has no end
                return answer
        assert headers.pop("Authorization") == "Bearer $EVENHAND_KEY"
        url = url.replace("$SELECTOR", client_key.split("_")[3])
        return admin.request(method, url, content=body, headers=headers)

    return send


@pytest.fixture
def trial(admin: httpx.Client) -> str:
    """The key of an experiment that runs with 300 units."""
    _ok(admin.post("/api/v1/metrics", json={"key": "buy", "kind": "conversion", "event": "buy"}))
    _ok(admin.post("/api/v1/metrics", json={"key": "spent", "kind": "sum", "event": "buy"}))
    experiment = {
        "key": "banner",
        "name": "Banner on the home page",
        "assignment": "external",
        "variants": [{"key": "plain", "weight": 0.5}, {"key": "bold", "weight": 0.5}],
        "metrics": [{"metric": "buy", "role": "goal"}, {"metric": "spent", "role": "secondary"}],
    }
    _ok(admin.post("/api/v1/experiments", json=experiment))
    _ok(admin.post("/api/v1/experiments/banner/start", json={}))
    events: list[dict[str, Any]] = []
    for number in range(300):
        unit, bold = f"u{number}", number % 2 == 1
        variant = "bold" if bold else "plain"
        events.append(
            {"type": "exposure", "experiment": "banner", "variant": variant, "unit_id": unit}
        )
        if number % (5 if bold else 7) == 0:
            events.append(
                {"type": "outcome", "event": "buy", "unit_id": unit, "value": 10 + number % 9}
            )
    answer = _ok(admin.post("/api/v1/events", json={"events": events}))
    assert {result["status"] for result in answer.json()["results"]} == {"stored"}
    return "banner"


@pytest.fixture
def reported(admin: httpx.Client, trial: str) -> str:
    """The same experiment once its report is made: a page does not wait for long."""
    _ok(admin.get(f"/api/v1/experiments/{trial}/results"))
    return trial


def commands(tree: Element) -> list[str]:
    """The commands of a page, as they are pasted."""
    return ["".join(_raw(one)) for one in tree.all("pre", class_="command")]


def _raw(element: Element) -> Iterator[str]:
    for child in element.children:
        if isinstance(child, str):
            yield child
        else:
            yield from _raw(child)


def _ok(response: httpx.Response) -> httpx.Response:
    assert response.is_success, response.text
    return response
