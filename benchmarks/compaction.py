"""Time compaction, what it leaves of the intake's speed, and a report over the archive.

Run from the checkout: .venv/bin/python benchmarks/compaction.py
The same Parquet is written by PyArrow alone from rows that are in memory already; compaction also
reads them from SQLite, writes their ids, deletes them there and syncs.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))

from experiments.analysis.process import read_log, source_of
from experiments.analysis.task import Task
from experiments.definitions.metric import Metric
from experiments.definitions.time import DAY, now
from experiments.events.archive import Archive
from experiments.events.archive.files import read_file, write_file
from experiments.events.archive.manifest import LIVE, list_files
from experiments.events.bulk import insert
from experiments.events.event_ids import digest_of, id_from_content
from experiments.events.log import append
from experiments.events.records import OutcomeRecord
from experiments.events.unit_hash import unit_hash
from experiments.settings import Settings
from experiments.store import tables
from experiments.store.database import Database
from experiments.store.migrate import migrate

UNITS, OUTCOMES, CHUNK = 100_000, 300_000, 20_000
BATCHES, BATCH = 40, 1_000
ENV = "production"
TODAY = now() // DAY * DAY
RECEIVED = TODAY - 20 * DAY


def exposure_rows(hashes: list[int]) -> list[tuple[object, ...]]:
    return [
        (ENV, "bench", 1, f"unit-{n}", "ab"[n % 2], "id", one, RECEIVED + n, "client", None,
         RECEIVED + n, None, None, None, 1, 1)
        for n, one in enumerate(hashes)
    ]  # fmt: skip


def outcome_rows(hashes: list[int]) -> list[tuple[object, ...]]:
    rng = np.random.default_rng(1)
    units = rng.integers(0, UNITS, OUTCOMES).tolist()
    values = rng.lognormal(3, 1, OUTCOMES).tolist()
    rows = []
    for n, (unit, value) in enumerate(zip(units, values, strict=True)):
        at, digest = RECEIVED + n * 200_000, digest_of(str(n))
        event_id = id_from_content(digest, at)
        rows.append(
            (ENV, event_id, "buy", "id", f"unit-{unit}", hashes[unit], value, at, "client", at,
             at, False, '{"currency":"EUR"}', digest, 1)
        )  # fmt: skip
    return rows


def fill(database: Database) -> None:
    hashes = [unit_hash("id", f"unit-{n}") for n in range(UNITS)]
    for table, rows in (
        (tables.exposures, exposure_rows(hashes)),
        (tables.outcomes, outcome_rows(hashes)),
    ):
        for start in range(0, len(rows), CHUNK):
            with database.append() as connection:
                insert(connection, table, rows[start : start + CHUNK], "DO NOTHING")
    with database.append() as connection:
        connection.execute(sa.insert(tables.environments).values(key=ENV, created_at=0))
        connection.execute(sa.update(tables.change_counter).values(value=1))


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    work()
    return clock() - start


def new_outcomes(first: int) -> list[OutcomeRecord]:
    records = []
    for n in range(first, first + BATCH):
        at, digest = TODAY + n * 1_000, digest_of(f"new-{n}")
        unit, event_id = f"unit-{n % UNITS}", id_from_content(digest, at)
        records.append(
            OutcomeRecord(ENV, event_id, "buy", "id", unit, unit_hash("id", unit), 1.0, at,
                          "client", at, at, False, None, digest)
        )  # fmt: skip
    return records


def intake_rate(database: Database, first: int) -> float:
    batches = [new_outcomes(first + n * BATCH) for n in range(BATCHES)]

    def send() -> None:
        for batch in batches:
            with database.append() as connection:
                append(connection, batch)

    return BATCHES * BATCH / seconds(send, time.process_time)


def report_time(database: Database, folder: Path) -> float:
    metrics = tuple(
        Metric(key=kind, name=kind, kind=kind, event="buy") for kind in ("count", "sum", "mean")
    )
    task = Task(ENV, "bench", 1, "id", 10**9, TODAY, metrics)
    settings = Settings(database_url="", data_dir=folder)
    source = source_of(database)
    return min(seconds(lambda: read_log(task, source, settings, lambda _: None)) for _ in range(3))


def main() -> int:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        database = Database(f"sqlite:///{folder}/evenhand.db")
        migrate(database)
        fill(database)
        before = intake_rate(database, 0), report_time(database, folder)
        turns: list[float] = []
        rows = UNITS + OUTCOMES
        started, processor = time.perf_counter(), time.process_time()
        Archive(database, folder / "archive").compact(
            TODAY - 7 * DAY, progress=lambda _moved: turns.append(time.perf_counter())
        )
        whole, processor = time.perf_counter() - started, time.process_time() - processor
        with database.read() as connection:
            files = list_files(connection, LIVE)
        assert sum(file.row_count for file in files) == rows
        held = [read_file(folder / "archive" / file.path) for file in files]
        alone = seconds(lambda: write_all(folder / "alone", held))
        alone_processor = seconds(lambda: write_all(folder / "again", held), time.process_time)
        after = intake_rate(database, BATCHES * BATCH), report_time(database, folder)
        database.dispose()
    longest = max(np.diff([started, *turns]))
    print(f"{UNITS:,} exposures and {OUTCOMES:,} outcomes, SQLite\n")
    print(f"  {'':<38}{'by the clock':>14}{'by processor':>14}")
    line("compaction, rows a second", rows / whole, rows / processor)
    line("the same files by PyArrow, rows a second", rows / alone, rows / alone_processor)
    print(f"  {'ratio':<40}{alone / whole:>12.3f}{alone_processor / processor:>14.3f}\n")
    print(f"  longest from transaction to transaction  {longest:.2f} s")
    rates = [f"{rate:,.0f}" for rate, _ in (before, after)]
    times = [f"{taken:.2f}" for _, taken in (before, after)]
    print("  intake, outcomes a second of processor   {} before, {} after".format(*rates))
    print("  report with three metrics, seconds       {} before, {} after".format(*times))
    return 0


def line(name: str, clock: float, processor: float) -> None:
    print(f"  {name:<40}{clock:>12,.0f}{processor:>14,.0f}")


def write_all(folder: Path, tables_held: list[pa.Table]) -> None:
    for number, rows in enumerate(tables_held):
        write_file(folder / f"{number}.parquet", rows)


if __name__ == "__main__":
    sys.exit(main())
