"""More than the queue holds: refused with the time to come back, kept out of memory and the log."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from experiments.definitions.time import format_instant, now

BATCH, SENDERS, QUEUE = 300, 12, 1_000
ALLOWED = 48 * 1024  # kilobytes; what is sent in these seconds is many times that


def memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def test_overload_is_refused_and_memory_stays_flat(start_service: Callable, new_sqlite: Callable):
    url = new_sqlite()
    service = start_service(
        url, workers=1, EVENHAND_THREADS=str(SENDERS + 4), EVENHAND_QUEUE_ITEMS=str(QUEUE)
    )
    key = service.key("server")
    ending = threading.Event()
    refused = threading.Event()

    def batch(name: str) -> dict:
        item = {
            "type": "outcome",
            "event": "buy",
            "unit_id": "u",
            "timestamp": format_instant(now()),
        }
        properties = {"note": "x" * 600}
        return {
            "events": [
                {**item, "event_id": f"{name}-{n}", "properties": properties} for n in range(BATCH)
            ]
        }

    def send(sender: int) -> list[tuple[str, httpx.Response]]:
        answers = []
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=60) as client:
            while not ending.is_set():
                name = f"{sender}-{len(answers)}"
                answers.append((name, client.post("/api/v1/events", json=batch(name))))
                if answers[-1][1].status_code == 429:
                    refused.set()
        return answers

    store = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    store.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(SENDERS) as pool:
        sending = [pool.submit(send, sender) for sender in range(SENDERS)]
        try:
            assert refused.wait(30)
            store.execute("ROLLBACK")
            (worker,) = service.workers()
            time.sleep(3)
            warm = memory(worker)
            time.sleep(7)
            grown = memory(worker) - warm
        finally:
            ending.set()
    answers = dict(pair for one in sending for pair in one.result())

    assert {answer.status_code for answer in answers.values()} <= {200, 429, 503}
    ids = store.execute("SELECT event_id FROM outcomes")
    counts = Counter(event_id.rpartition("-")[0] for (event_id,) in ids)
    store.close()
    for name, answer in answers.items():
        if answer.status_code == 200:
            assert {one["status"] for one in answer.json()["results"]} == {"stored"}
            assert counts[name] == BATCH
        else:
            assert int(answer.headers["Retry-After"]) >= 1
        if answer.status_code == 429:
            assert answer.json()["code"] == "QUEUE_FULL"
            assert name not in counts
    assert sum(answer.status_code == 200 for answer in answers.values()) > SENDERS
    assert grown < ALLOWED
