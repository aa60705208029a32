"""The demo's traffic: experiments made and units sent through the HTTP API of a running service."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Self

import httpx

from experiments.cli.demo.samples import DAYS, SAMPLES, attributes_of, events_of, unit_ids
from experiments.definitions.errors import Unavailable
from experiments.definitions.time import DAY, Instant, format_instant

CONNECTIONS = 6
UNITS_AT_ONCE = 50
BATCH = 500
PATIENCE = 30.0  # seconds that a request is tried again

Document = dict[str, Any]

_MADE_BEFORE = {"KEY_TAKEN", "ILLEGAL_MOVE"}


class Api:
    """The HTTP API with one key; each thread has a connection of its own."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key
        self._local = threading.local()
        self._clients: list[httpx.Client] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for client in self._clients:
            client.close()

    def get(self, path: str) -> httpx.Response:
        return self._send("GET", path, None)

    def post(self, path: str, body: Document) -> httpx.Response:
        return self._send("POST", path, body)

    def _send(self, method: str, path: str, body: Document | None) -> httpx.Response:
        """Send, and send again where the service is busy or away; every request may be repeated."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                response = self._client().request(method, path, json=body)
            except httpx.TransportError as error:
                trouble: str = repr(error)
                pause = 0.5
            else:
                if response.status_code not in {429, 503}:
                    return response
                trouble = response.text
                pause = float(response.headers.get("Retry-After", "1"))
            if time.monotonic() + pause > end:
                raise Unavailable("DEMO_FAILED", f"{method} {path} does not succeed: {trouble}")
            time.sleep(pause)

    def _client(self) -> httpx.Client:
        client: httpx.Client | None = getattr(self._local, "client", None)
        if client is None:
            client = httpx.Client(
                base_url=self._url,
                headers={"Authorization": f"Bearer {self._key}"},
                timeout=60,
                trust_env=False,  # a proxy has no business on the way to this machine
            )
            self._local.client = client
            self._clients.append(client)
        return client


def make_experiments(api: Api, until: Instant) -> None:
    """Create what is missing and start it, 14 days before `until`."""
    for sample in SAMPLES:
        for metric in sample.metrics:
            _make(api, "/api/v1/metrics", metric)
        _make(api, "/api/v1/experiments", sample.experiment)
        options = {"started_at": format_instant(until - DAYS * DAY)}
        _make(api, f"/api/v1/experiments/{sample.key}/start", options)


def _make(api: Api, path: str, body: Document) -> None:
    response = api.post(path, body)
    if response.status_code == 409 and response.json()["code"] in _MADE_BEFORE:
        return
    _expect(response, 200, 201)


def send_traffic(api: Api, until: Instant, advance: Callable[[int], object]) -> None:
    """Assign every unit and log what it meets and does; `advance` is told of units done."""
    units = unit_ids()
    parts = [units[n : n + UNITS_AT_ONCE] for n in range(0, len(units), UNITS_AT_ONCE)]
    pool = ThreadPoolExecutor(CONNECTIONS)
    try:
        sending = {pool.submit(_send_part, api, part, until): len(part) for part in parts}
        for done in as_completed(sending):
            done.result()
            advance(sending[done])
    finally:
        pool.shutdown(cancel_futures=True)


def _send_part(api: Api, units: list[str], until: Instant) -> None:
    events = [event for unit_id in units for event in _events(api, unit_id, until)]
    for first in range(0, len(events), BATCH):
        batch = {"events": events[first : first + BATCH]}
        answer = _expect(api.post("/api/v1/events", batch), 200).json()
        for result in answer["results"]:
            if result["status"] not in {"stored", "duplicate"}:
                raise Unavailable("DEMO_FAILED", f"an event of the demo is refused: {result}")


def _events(api: Api, unit_id: str, until: Instant) -> Iterator[Document]:
    attributes = attributes_of(unit_id)
    variants = _assign(api, unit_id, attributes)
    for sample in SAMPLES:
        for at, event in events_of(sample, unit_id, variants[sample.key], until=until):
            more = {"attributes": attributes} if event["type"] == "exposure" else {}
            yield {**event, **more, "unit_id": unit_id, "timestamp": format_instant(at)}


def _assign(api: Api, unit_id: str, attributes: Document) -> dict[str, str]:
    """The variants of a unit. A worker learns of a new experiment within a second: wait for it."""
    body = {
        "unit_id": unit_id,
        "attributes": attributes,
        "experiments": [sample.key for sample in SAMPLES],
    }
    end = time.monotonic() + PATIENCE
    while True:
        response = api.post("/api/v1/assignments", body)
        if response.status_code == 200:
            given = response.json()["assignments"]
            if all(one["in_experiment"] for one in given):
                return {one["experiment"]: one["variant"] for one in given}
        elif response.status_code != 404:
            _expect(response, 200)
        if time.monotonic() > end:
            raise Unavailable("DEMO_FAILED", f"the experiments do not run: {response.text}")
        time.sleep(0.1)


def _expect(response: httpx.Response, *statuses: int) -> httpx.Response:
    if response.status_code not in statuses:
        raise Unavailable(
            "DEMO_FAILED", f"{response.request.url.path} answered {response.text.strip()}"
        )
    return response
