"""A client in a process of its own: it posts events and writes down what was acknowledged.

Run as `python -m tests.faults.loader JSON`, the JSON being an `Order`. Into the order's folder go
`sent`, each body before it is sent; `acknowledged`, each event on the disk before the next request
of its connection; and `summary.json` at the end. SIGTERM ends it after the requests under way.

Each unit meets a variant and buys once. Every other unit sends no times and an id, the rest a time
and no id, so that both ways of deduplication are at work.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

EXPERIMENT = "load"
PATIENCE = 30.0  # seconds until a client gives a request up
PAUSE = 0.5  # seconds before the next request after one that failed
UNREAD = 0.2  # seconds until a client hangs up on a reply
BAD_ITEMS = (
    {"type": "visit", "unit_id": "u"},
    {"type": "outcome", "event": "buy"},
    {"type": "outcome", "event": "buy", "unit_id": "u", "value": "much"},
    {"type": "exposure", "experiment": EXPERIMENT, "variant": "c", "unit_id": "u"},
    {"type": "outcome", "event": "buy", "unit_id": "u", "timestamp": "yesterday"},
)


@dataclass(frozen=True)
class Clock:
    """A client's clock: seconds that it is ahead, and whether it says when it sent a batch."""

    ahead: float
    says_sent_at: bool = True


@dataclass(frozen=True)
class Load:
    """What is sent. `units` (two events each) and `bad` items make a batch."""

    units: int = 20
    bad: int = 0
    connections: int = 4
    batches: int | None = None  # None: until told to stop
    repeats: int = 1  # times that each batch is sent
    keep_alive: bool = True
    hangs_up: bool = False  # of every other batch the reply is not read
    clocks: tuple[Clock, ...] = ()  # in turn; none: see the module


@dataclass(frozen=True)
class Order:
    url: str
    key: str
    folder: str
    load: Load

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Order:
        fields = json.loads(text)
        load = fields.pop("load")
        clocks = tuple(Clock(**one) for one in load.pop("clocks"))
        return cls(**fields, load=Load(**load, clocks=clocks))


@dataclass
class Summary:
    """Of all requests: how many ended in which way, verdicts on good items, the longest wait."""

    endings: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    bad_verdicts: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0  # seconds


def body_of(load: Load, number: int) -> dict[str, Any]:
    """The batch of that number, with the times of now."""
    clock = load.clocks[number % len(load.clocks)] if load.clocks else None
    at = datetime.now(UTC) + timedelta(seconds=clock.ahead if clock else 0)
    time_text = at.isoformat().replace("+00:00", "Z")
    events: list[dict[str, Any]] = []
    for place in range(load.units):
        unit = f"unit-{number}-{place}"
        when = {"timestamp": time_text} if clock or place % 2 else {}
        named = {} if place % 2 else {"event_id": f"buy-{unit}"}
        exposure = {"type": "exposure", "experiment": EXPERIMENT, "variant": "ab"[number % 2]}
        events.append({**exposure, "unit_id": unit, **when})
        events.append({"type": "outcome", "event": "buy", "unit_id": unit, **named, **when})
    for place in range(load.bad):
        item = {**BAD_ITEMS[place % len(BAD_ITEMS)], "event_id": f"bad-{number}-{place}"}
        events.insert(place * len(events) // load.bad, item)
    sent_at = {"sent_at": time_text} if clock and clock.says_sent_at else {}
    return {**sent_at, "events": events}


def is_good(item: dict[str, Any]) -> bool:
    return not str(item.get("event_id", "")).startswith("bad-")


def event_of(item: dict[str, Any]) -> str:
    return f"{item['type']} {item['unit_id']}"


class Connection:
    """One connection to the service, opened anew after a failure."""

    def __init__(self, url: str, key: str, *, keep_alive: bool = True) -> None:
        self._address = url.removeprefix("http://")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        if not keep_alive:
            self._headers["Connection"] = "close"
        self._http = http.client.HTTPConnection(self._address, timeout=PATIENCE)

    def post(self, path: str, body: Any, *, hang_up: bool = False) -> tuple[str, Any]:
        """How it ended, and the answer where there is one.

        An ending is a status, with the code of a problem, or the name of what broke.
        """
        try:
            self._http.request("POST", path, json.dumps(body), self._headers)
            if hang_up:
                time.sleep(UNREAD)
                self._http.close()
                return "hung up", None
            response = self._http.getresponse()
            answer = json.loads(response.read())
        except OSError as error:  # RemoteDisconnected is one too: an end without an answer
            self.close()
            return type(error).__name__, None
        except http.client.HTTPException as error:  # an answer that breaks off
            self.close()
            return type(error).__name__, None
        if response.status == 200:
            return "200", answer
        return f"{response.status} {answer.get('code')}", None

    def close(self) -> None:
        self._http.close()


class Loader:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.stop = threading.Event()
        self.summary = Summary()
        self._lock = threading.Lock()
        self._batches = self._generate()
        folder = Path(order.folder)
        self._sent = (folder / "sent").open("w", encoding="utf-8")
        self._acknowledged = (folder / "acknowledged").open("w", encoding="utf-8")

    def run(self) -> None:
        threads = [
            threading.Thread(target=self._send_all) for _ in range(self.order.load.connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._sent.close()
        self._acknowledged.close()
        summary = json.dumps(vars(self.summary))
        Path(self.order.folder, "summary.json").write_text(summary, encoding="utf-8")

    def _generate(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Batches with their numbers; each is written down before it is handed out."""
        load, number = self.order.load, 0
        while not self.stop.is_set() and (load.batches is None or number < load.batches):
            body = body_of(load, number)
            self._sent.write(json.dumps(body) + "\n")
            self._sent.flush()
            for _ in range(load.repeats):
                yield number, body
            number += 1

    def _next(self) -> tuple[int, dict[str, Any]] | None:
        with self._lock:
            return next(self._batches, None)

    def _send_all(self) -> None:
        order = self.order
        connection = Connection(order.url, order.key, keep_alive=order.load.keep_alive)
        with contextlib.closing(connection):
            while (batch := self._next()) is not None:
                number, body = batch
                began = time.monotonic()
                hang_up = order.load.hangs_up and number % 2 == 0
                ending, answer = connection.post("/api/v1/events", body, hang_up=hang_up)
                self._note(ending, time.monotonic() - began, body, answer)
                if answer is None and not hang_up:
                    self.stop.wait(PAUSE)

    def _note(self, ending: str, waited: float, body: dict[str, Any], answer: Any) -> None:
        with self._lock:
            summary = self.summary
            summary.endings[ending] += 1
            summary.longest = max(summary.longest, waited)
            if answer is None:
                return
            for item, result in zip(body["events"], answer["results"], strict=True):
                if not is_good(item):
                    summary.bad_verdicts[result["status"]] += 1
                    continue
                summary.verdicts[result["status"]] += 1
                if result["status"] in {"stored", "duplicate"}:
                    self._acknowledged.write(event_of(item) + "\n")
            self._acknowledged.flush()
            os.fsync(self._acknowledged.fileno())


def main() -> None:
    loader = Loader(Order.of(sys.argv[1]))
    signal.signal(signal.SIGTERM, lambda *_: loader.stop.set())
    loader.run()


if __name__ == "__main__":
    main()
