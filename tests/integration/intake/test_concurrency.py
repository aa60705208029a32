"""Many at once: verdicts stay exact, and one transaction serves many batches."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from experiments.definitions.errors import Overloaded, Unavailable
from experiments.definitions.time import HOUR, format_instant
from experiments.store import tables
from experiments.store.watermark import read_watermark

ROOT = Path(__file__).parents[3]
WORKER = """
import json, sys, time
from pathlib import Path
from experiments.definitions.time import now
from experiments.events import Intake
from experiments.snapshot import Snapshots
from experiments.store.database import Database

url, folder, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
database = Database(url)
intake = Intake(database, Snapshots(database, folder / f"{name}.json"), queue_items=20_000)
batches = json.loads((folder / f"{name}-batches.json").read_text())
(folder / f"{name}-ready").touch()
while not (folder / "go").exists():
    time.sleep(0.001)
print(json.dumps([
    [verdict.status for verdict in intake.take(
        "production", "selector", batch, sent_at=None, received_at=now())]
    for batch in batches
]))
intake.close()
"""


def test_the_same_ids_from_many_threads_are_stored_once(log: Any) -> None:
    ids = [f"e{n}" for n in range(40)]

    def send(seed: int) -> list[tuple[str, str]]:
        order = ids.copy()
        random.Random(seed).shuffle(order)
        items = [log.outcome(one) for one in order]
        return list(zip(order, log.statuses(*items), strict=True))

    with ThreadPoolExecutor(8) as pool:
        answers = [pair for pairs in pool.map(send, range(24)) for pair in pairs]
    stored = Counter(one for one, status in answers if status == "stored")
    assert stored == Counter(ids)
    assert {status for _, status in answers} == {"stored", "duplicate"}
    assert len(log.rows(tables.outcomes)) == len(ids)


def test_the_same_ids_from_two_processes_are_stored_once(
    log: Any, database_url: str, tmp_path: Path
) -> None:
    ids = [f"e{n}" for n in range(300)]
    times = [format_instant(log.started + n * HOUR // 100) for n in range(300)]
    sent: dict[str, list[list[dict[str, Any]]]] = {}
    for seed, name in enumerate(("one", "two")):
        order = list(range(300))
        random.Random(seed).shuffle(order)
        sent[name] = [
            [
                item
                for n in order[start : start + 30]
                for item in (log.outcome(ids[n]), log.exposure(f"u{n % 50}", timestamp=times[n]))
            ]
            for start in range(0, 300, 30)
        ]
        (tmp_path / f"{name}-batches.json").write_text(json.dumps(sent[name]))
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, database_url, str(tmp_path), name],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in sent
    ]
    log.until(lambda: all((tmp_path / f"{name}-ready").exists() for name in sent))
    (tmp_path / "go").touch()
    answers = [json.loads(worker.communicate(timeout=60)[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    outcomes: Counter[tuple[str, str]] = Counter()
    exposures: Counter[tuple[str, str]] = Counter()
    for batches, statuses in zip(sent.values(), answers, strict=True):
        for items, verdicts in zip(batches, statuses, strict=True):
            for item, status in zip(items, verdicts, strict=True):
                if item["type"] == "outcome":
                    outcomes[item["event_id"], status] += 1
                else:
                    exposures[item["unit_id"], status] += 1
    assert outcomes == Counter({(one, kind): 1 for one in ids for kind in ("stored", "duplicate")})
    assert Counter({key: n for key, n in exposures.items() if key[1] == "stored"}) == Counter(
        (f"u{n}", "stored") for n in range(50)
    )
    rows = log.rows(tables.exposures)
    first = {row["unit_id"]: row["first_at"] for row in rows}
    assert first == {f"u{n}": log.started + n * HOUR // 100 for n in range(50)}


def test_two_bodies_under_one_id_leave_one_and_a_conflict(log: Any) -> None:
    def send(value: int) -> str:
        return str(log.statuses(log.outcome("e1", value=value))[0])

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(send, range(8)))
    assert answers == Counter({"stored": 1, "conflict": 7})


def test_batches_that_wait_together_are_committed_together(sqlite_log: Any) -> None:
    log = sqlite_log

    def send(n: int) -> list[str]:
        return list(log.statuses(*(log.outcome(f"{n}-{m}") for m in range(3))))

    with ThreadPoolExecutor(16) as pool:
        with log.database.write():
            answers = [pool.submit(send, 0)]
            log.until(log.has_begun)
            answers += [pool.submit(send, n) for n in range(1, 100)]
            log.until(lambda: log.waiting() == 15)
        assert all(answer.result() == ["stored"] * 3 for answer in answers)
    assert len(log.rows(tables.outcomes)) == 300
    # The first wave of sixteen took two transactions; the rest at most one each.
    assert log.transactions() <= 86
    assert read_watermark(log.database) == log.transactions()


def test_over_its_bound_the_queue_refuses_and_stores_nothing(
    sqlite_database: Any, make_log: Any
) -> None:
    log = make_log(sqlite_database, queue_items=10)
    log.start()
    with ThreadPoolExecutor(2) as pool:
        with log.database.write():
            first = pool.submit(log.statuses, *(log.outcome(f"a{n}") for n in range(5)))
            log.until(log.has_begun)
            second = pool.submit(log.statuses, *(log.outcome(f"b{n}") for n in range(20)))
            log.until(lambda: log.waiting() == 1)
            with pytest.raises(Overloaded) as refused:
                log.take(log.outcome("c"))
        assert refused.value.code == "QUEUE_FULL"
        assert refused.value.retry_after == 1
        assert first.result() == ["stored"] * 5
        assert second.result() == ["stored"] * 20  # alone, a batch above the bound is taken
    assert log.statuses(log.outcome("c")) == ["stored"]
    assert len(log.rows(tables.outcomes)) == 26


def test_a_process_forked_after_first_use_has_a_writer_of_its_own(
    log: Any, database_url: str, tmp_path: Path
) -> None:
    script = """
import os, sys
from pathlib import Path
from experiments.definitions.time import now
from experiments.events import Intake
from experiments.snapshot import Snapshots
from experiments.store.database import Database

database = Database(sys.argv[1])
intake = Intake(database, Snapshots(database, Path(sys.argv[2])), queue_items=100)

def take(name):
    items = [{"type": "outcome", "event": "e", "unit_id": "u", "event_id": f"{name}{n}"}
             for n in range(5)]
    items.append({"type": "exposure", "experiment": "checkout", "variant": "red", "unit_id": name})
    verdicts = intake.take("production", "s", items, sent_at=None, received_at=now())
    assert [verdict.status for verdict in verdicts] == ["stored"] * 6, verdicts

take("before")
children = []
for name in ("one", "two"):
    child = os.fork()
    if child == 0:
        take(name)
        os._exit(0)  # without closing, as a killed worker would
    children.append(child)
take("parent")
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
take("after")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, database_url, str(tmp_path / "snapshot.json")],
        cwd=ROOT,
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    units = {row["unit_id"] for row in log.rows(tables.exposures)}
    assert units == {"before", "one", "two", "parent", "after"}
    assert len(log.rows(tables.outcomes)) == 25


def test_close_commits_what_waits_and_takes_no_more(sqlite_log: Any) -> None:
    log = sqlite_log
    with ThreadPoolExecutor(4) as pool:
        with log.database.write():
            answers = [pool.submit(log.statuses, log.outcome("e0"))]
            log.until(log.has_begun)
            answers += [pool.submit(log.statuses, log.outcome(f"e{n}")) for n in (1, 2)]
            log.until(lambda: log.waiting() == 2)
            closing = pool.submit(log.intake.close)
            log.until(lambda: all(writer._closing for writer in log.intake._writers.values()))
            with pytest.raises(Unavailable) as refused:
                log.take(log.outcome("late"))
        closing.result()
        assert [answer.result() for answer in answers] == [["stored"]] * 3
    assert refused.value.code == "SHUTTING_DOWN"
    assert len(log.rows(tables.outcomes)) == 3
    assert "evenhand-events" not in {thread.name for thread in threading.enumerate()}
