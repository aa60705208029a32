"""Events keep coming while reports are made: none is lost, none acknowledged is missed."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable

import httpx
import pytest

BATCH = 100
REPORTS = 6
LOADERS = 3


class Loader(threading.Thread):
    """Sends an exposure and an outcome of new units until told to stop; counts what was acked."""

    def __init__(self, url: str, headers: dict[str, str], name: str, stop: threading.Event) -> None:
        super().__init__(name=name)
        self.client = httpx.Client(base_url=url, headers=headers, timeout=30)
        self.stop = stop
        self.acknowledged = 0
        self.error: Exception | None = None

    def run(self) -> None:
        with contextlib.closing(self.client):
            try:
                while not self.stop.is_set():
                    self.send(self.acknowledged)
                    self.acknowledged += BATCH
            except Exception as error:  # noqa: BLE001 — shown by the test
                self.error = error

    def send(self, first: int) -> None:
        units = [f"{self.name}-{number}" for number in range(first, first + BATCH)]
        events = [
            {"type": "exposure", "experiment": "load", "variant": "abc"[i % 2], "unit_id": unit}
            for i, unit in enumerate(units)
        ]
        events += [
            {"type": "outcome", "event": "buy", "unit_id": unit, "event_id": f"buy-{unit}"}
            for unit in units
        ]
        answer = self.client.post("/api/v1/events", json={"events": events})
        assert answer.status_code == 200, answer.text
        assert {one["status"] for one in answer.json()["results"]} == {"stored"}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_reports_hold_all_that_was_acknowledged(
    start_service, engine: str, request: pytest.FixtureRequest
):
    make: Callable[[], str] = request.getfixturevalue(f"new_{engine}")
    url = make()
    service = start_service(url, workers=2)
    admin = service.client()
    admin.post("/api/v1/metrics", json={"key": "buy", "kind": "count", "event": "buy"})
    admin.post(
        "/api/v1/experiments",
        json={
            "key": "load",
            "assignment": "external",
            "variants": [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}],
            "metrics": [{"metric": "buy", "role": "goal"}],
        },
    )
    admin.post("/api/v1/experiments/load/start")
    stop = threading.Event()
    headers = {"Authorization": admin.headers["Authorization"]}
    loaders = [Loader(service.url, headers, f"loader{n}", stop) for n in range(LOADERS)]
    for loader in loaders:
        loader.start()
    seen = []
    try:
        for _ in range(REPORTS):
            acknowledged = sum(loader.acknowledged for loader in loaders)
            units, outcomes = counts(admin)
            seen.append(units)
            assert units >= acknowledged
            assert outcomes >= acknowledged
    finally:
        stop.set()
        for loader in loaders:
            loader.join()
    assert [loader.error for loader in loaders] == [None] * LOADERS
    total = sum(loader.acknowledged for loader in loaders)
    assert counts(admin) == (total, total)
    assert len(set(seen)) > 1, "the log has to grow between the reports"
    if engine == "sqlite":
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as store:
            assert store.execute("SELECT count(*) FROM exposures").fetchone() == (total,)
            assert store.execute("SELECT count(*) FROM outcomes").fetchone() == (total,)
            assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def counts(admin: httpx.Client) -> tuple[int, int]:
    """Units and outcomes that a fresh report holds."""
    answer = admin.get("/api/v1/experiments/load/results")
    assert answer.status_code == 200, answer.text
    report = answer.json()
    (metric,) = report["metrics"]
    outcomes = sum(round(arm["n"] * (arm["mean"] or 0)) for arm in metric["variants"])
    return sum(report["units"].values()), outcomes
