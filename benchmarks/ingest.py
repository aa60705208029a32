"""Durable ingest over HTTP against the driver's executemany of the very rows that it stored.

The service has one worker and eight connections, on each one request at a time, of 1, 100 or 500
events; each answer comes after the commit that holds its events. After each turn of the service
the rows of that turn are inserted by plain executemany into tables of the same kind, as many in a
transaction as a request had. SQLite commits with synchronous=FULL on both sides. Both run on one
core; the median of the pairs' ratios counts, by the clock, as waiting for the disk is part of it.
Beside it stands the ratio by processor time, which other work on the machine hardly changes.

    .venv/bin/python benchmarks/ingest.py
    .venv/bin/python benchmarks/ingest.py --overload 3

With `--overload` the service is sent more than it can take for so many minutes, and its memory
is printed every ten seconds; it has to stay within a tenth of what it was after the first minute.
"""

import argparse
import contextlib
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import http_load
import ingest_overload
import psycopg
from http_load import CLIENT_CORE, SERVER_CORE, Target, request
from service import evenhand
from unleash import Missing, postgres

from experiments.definitions.time import format_instant, now
from experiments.events.event_ids import new_id
from experiments.store import tables
from experiments.store.database import Database
from experiments.store.migrate import migrate

BATCHES, TURNS, SECONDS = (1, 100, 500), 7, 1.0
MOST_EVENTS = 150_000  # in a turn; more than the service takes in one
BAR_BATCH, BAR = 500, 0.4
TABLES = (tables.exposures, tables.outcomes)


@dataclass(frozen=True)
class Pair:
    """Events a second of the service and of executemany; `…_cpu` by a second of processor time."""

    ours: float
    raw: float
    ours_cpu: float
    raw_cpu: float


def outcome(rng: random.Random, at: int) -> dict[str, Any]:
    return {
        "type": "outcome",
        "event": "purchase",
        "event_id": new_id(),
        "unit_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "unit_type": "user",
        "value": round(rng.random() * 100, 2),
        "timestamp": format_instant(at),
    }


def exposure(rng: random.Random, at: int) -> dict[str, Any]:
    return {
        "type": "exposure",
        "experiment": f"experiment-{rng.randrange(20):02}",
        "variant": rng.choice(["control", "treatment"]),
        "unit_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "timestamp": format_instant(at),
    }


def requests(key: str, batch: int, kinds: Sequence[Any], rng: random.Random) -> Iterator[bytes]:
    headers = {"Authorization": f"Bearer {key}"}
    at = now()
    for _ in range(MOST_EVENTS // batch if batch > 1 else 4_000):
        events = [kinds[n % len(kinds)](rng, at + n) for n in range(batch)]
        body = json.dumps({"events": events}).encode()
        yield request("POST", "/api/v1/events", headers, body)


class Raw:
    """The same tables beside the service's, and what is new in those of the service."""

    def __init__(self, url: str, other_url: str) -> None:
        database = Database(other_url)
        migrate(database)
        database.dispose()
        self._is_sqlite = url.startswith("sqlite")
        self._source, self._target = self._connect(url), self._connect(other_url)
        self._seen = 0

    def _connect(self, url: str) -> Any:
        if not self._is_sqlite:
            return psycopg.connect(url, autocommit=True)
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def fresh(self) -> list[list[tuple[Any, ...]]]:
        """The rows of each table that were written since the last call."""
        found = [
            self._source.execute(
                f"SELECT * FROM {table.name} WHERE change_seq > {self._seen} ORDER BY change_seq"
            ).fetchall()
            for table in TABLES
        ]
        self._seen = max((row[-1] for rows in found for row in rows), default=self._seen)
        return found

    def insert(self, found: list[list[tuple[Any, ...]]], batch: int) -> tuple[float, float]:
        """Seconds by the clock, and of processor time."""
        place = "?" if self._is_sqlite else "%s"
        statements = [
            f"INSERT INTO {table.name} VALUES ({', '.join([place] * len(table.columns))})"
            for table in TABLES
        ]
        total = sum(map(len, found))
        parts = [
            [
                rows[start * len(rows) // total : (start + batch) * len(rows) // total]
                for rows in found
            ]
            for start in range(0, total, batch)
        ]
        os.sched_setaffinity(0, {SERVER_CORE})
        cursor = self._target.cursor()
        begun, worked = time.perf_counter(), time.process_time()
        for part in parts:
            cursor.execute("BEGIN IMMEDIATE" if self._is_sqlite else "BEGIN")
            for statement, rows in zip(statements, part, strict=True):
                if rows:
                    cursor.executemany(statement, rows)
            cursor.execute("COMMIT")
        spent = time.perf_counter() - begun, time.process_time() - worked
        os.sched_setaffinity(0, {CLIENT_CORE})
        return spent


def pair(service: tuple[int, str, int], raw: Raw, batch: int, kinds: Sequence[Any]) -> Pair:
    port, key, process = service
    sent = list(requests(key, batch, kinds, random.Random(now())))
    turn = http_load.turn(Target(port, sent, process), SECONDS)
    if turn.rate * SECONDS + http_load.CONNECTIONS >= len(sent):
        raise SystemExit("the service was faster than this benchmark makes events; make more")
    found = raw.fresh()
    total = sum(map(len, found))
    clock, worked = raw.insert(found, batch)
    return Pair(turn.rate * batch, total / clock, turn.per_core * batch, total / worked)


def row(name: str, pairs: list[Pair], *, by_processor: bool) -> float:
    """Print it; the ratio by the clock."""
    ratios = [one.ours / one.raw for one in pairs]
    low, ratio, high = quantiles(ratios, n=4)
    ours, raw = median(one.ours for one in pairs), median(one.raw for one in pairs)
    print(f"  {name:<34}{ours:>9,.0f}{raw:>10,.0f}{ratio:>8.2f}×   {low:.2f}–{high:.2f}", end="")
    if by_processor:
        print(f"{median(one.ours_cpu / one.raw_cpu for one in pairs):>13.2f}×", end="")
    print(flush=True)
    return ratio


def compare(folder: Path, name: str, url: str, other_url: str) -> float:
    """Print the rows of an engine; the ratio that the bar is for."""
    wanted = 0.0
    with evenhand(folder, url=url) as service:
        raw = Raw(url, other_url)
        cases = [(f"{name}, {batch} a batch", batch, (outcome,)) for batch in BATCHES]
        cases.append((f"{name}, {BAR_BATCH}, half exposures", BAR_BATCH, (exposure, outcome)))
        for title, batch, kinds in cases:
            pair(service, raw, batch, kinds)
            pairs = [pair(service, raw, batch, kinds) for _ in range(TURNS)]
            ratio = row(title, pairs, by_processor=url.startswith("sqlite"))
            if batch == BAR_BATCH and kinds == (outcome,):
                wanted = ratio
    return wanted


def compare_engines(folder: Path) -> float:
    """Print a table; the ratio that the bar is for."""
    print(f"events a second, medians of {TURNS} pairs of turns, one core\n")
    print(f"  {'':<34}{'ours':>9}{'raw':>10}{'ratio':>9}   middle half  by processor")
    folders = folder / "sqlite", folder / "postgresql"
    for one in folders:
        one.mkdir()
    with contextlib.ExitStack() as stack:
        missing = ""
        try:  # before this process is bound to a core, which the server would inherit
            server = stack.enter_context(postgres())
        except Missing as why:
            missing = str(why)
        urls = [f"sqlite:///{folders[0]}/{one}.db" for one in ("ours", "raw")]
        held = compare(folders[0], "SQLite", *urls)
        if missing:
            print(f"  PostgreSQL is left out: {missing}")
            return held
        url = "postgresql://postgres@/{}?host=" + server
        with psycopg.connect(url.format("postgres"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE ours")
            admin.execute("CREATE DATABASE raw")
        compare(folders[1], "PostgreSQL", url.format("ours"), url.format("raw"))
    return held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--overload", type=float, metavar="MINUTES")
    minutes = parser.parse_args().overload
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        print("this needs Linux and two cores, one for the service and one for the client")
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if minutes is not None:
            with evenhand(folder, threads=ingest_overload.CONNECTIONS) as service:
                return ingest_overload.run(service, minutes)
        held = compare_engines(folder)
    print(f"\n  {BAR_BATCH} a batch on SQLite: {held:.2f} ×, the bar is {BAR:.2f} ×")
    return int(held < BAR)


if __name__ == "__main__":
    sys.exit(main())
