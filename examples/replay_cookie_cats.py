"""Replay a public A/B test of a mobile game through a running service, over HTTP.

The file has one row per player: userid, version (gate_30 or gate_40), sum_gamerounds,
retention_1 and retention_7 (came back after a day, after a week). Each player becomes one
exposure and an outcome for everything they did; at the end the service's decision is printed.

    python examples/replay_cookie_cats.py --file cookie_cats.csv --url http://127.0.0.1:8000 \
        --key "$(evenhand key create --kind admin)"

It may be interrupted and run again: every event has a stable id, so nothing counts twice.
"""

from __future__ import annotations

import csv
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import click
import httpx

EXPERIMENT = "cookie-cats"
CONTROL, TREATMENT = "gate_30", "gate_40"
METRICS = (
    {"key": "retention_1", "kind": "conversion", "event": "retention_1"},
    {"key": "retention_7", "kind": "conversion", "event": "retention_7"},
    {"key": "sum_gamerounds", "kind": "sum", "event": "sum_gamerounds"},
)
BATCH = 500
CONNECTIONS = 4
PATIENCE = 120.0  # seconds that a request is tried again
LONGEST_PAUSE = 5.0

Document = dict[str, Any]


class Service:
    """A service's HTTP API; a request is sent again until it is answered."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._local = threading.local()

    def send(self, method: str, path: str, body: Document | None = None) -> httpx.Response:
        """Safe to repeat, because every event has an id and every definition a key.

        Waits between attempts: as long as `Retry-After` says, else twice as long each time.
        """
        end = time.monotonic() + PATIENCE
        pause = 0.25
        while True:
            try:
                response = self._client().request(method, path, json=body)
            except httpx.TransportError as error:
                trouble: object = repr(error)
            else:
                if response.status_code not in {429, 503}:
                    return response
                trouble = response.text
                pause = max(pause, float(response.headers.get("Retry-After", "0")))
            if time.monotonic() + pause > end:
                raise click.ClickException(f"{self._url} does not answer: {trouble}")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def ask(self, method: str, path: str, body: Document | None = None) -> Document:
        response = self.send(method, path, body)
        if response.is_error:
            raise click.ClickException(f"{method} {path}: {response.text}")
        answer: Document = response.json()
        return answer

    def make(self, path: str, body: Document) -> None:
        """Create or start something; that it is there from an earlier run is fine."""
        response = self.send("POST", path, body)
        there = {"KEY_TAKEN", "ILLEGAL_MOVE"}
        if response.is_error and not (
            response.status_code == 409 and response.json()["code"] in there
        ):
            raise click.ClickException(f"POST {path}: {response.text}")

    def _client(self) -> httpx.Client:
        """One connection for each thread, opened at its first request."""
        if not hasattr(self._local, "client"):
            self._local.client = httpx.Client(base_url=self._url, headers=self._headers, timeout=60)
        client: httpx.Client = self._local.client
        return client


@click.command(help=__doc__)
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="The service.")
@click.option("--key", envvar="EVENHAND_KEY", required=True, help="Admin key, or EVENHAND_KEY.")
def main(file: Path, url: str, key: str) -> None:
    service = Service(url.rstrip("/"), key)
    define(service)
    began = time.monotonic()
    with click.progressbar(
        length=file.stat().st_size, label="Replaying", hidden=not os.isatty(1)
    ) as bar:
        verdicts = replay(service, file, bar.update)
    seconds = time.monotonic() - began
    acknowledged = verdicts["stored"] + verdicts["duplicate"]
    click.echo(
        f"{acknowledged:,} events acknowledged ({verdicts['duplicate']:,} of them again) in"
        f" {seconds:.1f} s: {acknowledged / seconds:,.0f} events/s"
    )
    for status in ("conflict", "rejected"):
        if verdicts[status]:
            click.echo(f"{verdicts[status]:,} events: {status}", err=True)
    report = results(service)
    click.echo(f"Players: {json.dumps(report['units'])}")
    click.echo(f"{report['decision']['recommendation']}: {report['decision']['reason']}")


def define(service: Service) -> None:
    for metric in METRICS:
        service.make("/api/v1/metrics", metric)
    service.make(
        "/api/v1/experiments",
        {
            "key": EXPERIMENT,
            "name": "Cookie Cats: the first gate",
            "hypothesis": "A gate at level 40 instead of 30 keeps more players.",
            "assignment": "external",  # the game decided, not our hash
            "variants": [
                {"key": CONTROL, "weight": 0.5, "control": True},
                {"key": TREATMENT, "weight": 0.5, "control": False},
            ],
            "metrics": [{"metric": metric["key"], "role": "goal"} for metric in METRICS],
        },
    )
    service.make(f"/api/v1/experiments/{EXPERIMENT}/start", {})


def replay(service: Service, file: Path, advance: Callable[[int], object]) -> Counter[str]:
    """Send the file over a few connections; how many events got which verdict."""
    verdicts: Counter[str] = Counter()

    def finish(futures: set[Future[tuple[Counter[str], int]]]) -> None:
        for future in futures:
            counted, size = future.result()
            verdicts.update(counted)
            advance(size)

    with file.open(encoding="utf-8", newline="") as text, ThreadPoolExecutor(CONNECTIONS) as pool:
        running: set[Future[tuple[Counter[str], int]]] = set()
        try:
            for batch, size in _batches(csv.DictReader(text)):
                if len(running) == 2 * CONNECTIONS:  # so that memory does not grow with the file
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    finish(done)
                running.add(pool.submit(_send, service, batch, size))
            finish(running)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return verdicts


def _send(service: Service, events: list[Document], size: int) -> tuple[Counter[str], int]:
    answer = service.ask("POST", "/api/v1/events", {"events": events})
    return Counter(result["status"] for result in answer["results"]), size


def _batches(rows: Iterator[dict[str, str]]) -> Iterator[tuple[list[Document], int]]:
    """Batches of events, with the bytes of the file that each stands for.

    A player's events stay in one batch: it is stored whole, so that no outcome can be in time
    while its exposure is sent again and late.
    """
    batch: list[Document] = []
    size = 0
    for row in rows:
        events = list(events_of(row))
        if len(batch) + len(events) > BATCH:
            yield batch, size
            batch, size = [], 0
        batch += events
        size += sum(len(cell) + 1 for cell in row.values())
    yield batch, size


def events_of(row: dict[str, str]) -> Iterator[Document]:
    """A player's exposure and outcomes."""
    player = row["userid"]
    yield {
        "type": "exposure",
        "experiment": EXPERIMENT,
        "variant": row["version"],
        "unit_id": player,
    }
    values = {
        "retention_1": float(row["retention_1"] == "True"),
        "retention_7": float(row["retention_7"] == "True"),
        "sum_gamerounds": float(row["sum_gamerounds"]),
    }
    for event, value in values.items():
        if value:
            yield {
                "type": "outcome",
                "event_id": f"{EXPERIMENT}:{player}:{event}",
                "event": event,
                "unit_id": player,
                "value": value,
            }


def results(service: Service) -> Document:
    """The report that holds every event sent; asked for again while it is being made."""
    while True:
        report = service.ask("GET", f"/api/v1/experiments/{EXPERIMENT}/results")
        if "decision" in report:
            return report
        time.sleep(1)


if __name__ == "__main__":
    main()
