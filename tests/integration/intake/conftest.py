"""An intake over a real store in which one experiment runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import Standing, move
from experiments.definitions.time import HOUR, Instant, now
from experiments.events import Intake, Verdict
from experiments.snapshot import Snapshots
from experiments.store import tables
from experiments.store.database import Database
from experiments.store.experiments import insert_standing, update_standing
from experiments.store.live import advance_version

STARTED = now() - 10 * HOUR


@dataclass
class Log:
    """What a test may do with the service's log, and see of it."""

    database: Database
    snapshots: Snapshots
    intake: Intake
    started: Instant = STARTED

    @staticmethod
    def standing(key: str = "checkout", environment: str = "production", **fields: Any) -> Standing:
        """A draft with the variants blue and red."""
        variants = [{"key": "blue", "weight": 0.5}, {"key": "red", "weight": 0.5}]
        definition = experiment_from_document({"key": key, "variants": variants, **fields})
        return Standing(environment, definition, "draft", 1, STARTED, STARTED)

    @staticmethod
    def exposure(unit_id: str = "u1", variant: str = "blue", **fields: Any) -> dict[str, Any]:
        item = {"type": "exposure", "experiment": "checkout", "variant": variant}
        return {**item, **({} if "ids" in fields else {"unit_id": unit_id}), **fields}

    @staticmethod
    def outcome(event_id: str | None = None, unit_id: str = "u1", **fields: Any) -> dict[str, Any]:
        named = {} if event_id is None else {"event_id": event_id}
        unit = {} if "ids" in fields else {"unit_id": unit_id}
        return {"type": "outcome", "event": "purchase", **named, **unit, **fields}

    def define(self, one: Standing) -> None:
        """Store an experiment without telling this process's snapshot."""
        with self.database.write() as connection:
            if not insert_standing(connection, one):
                assert update_standing(connection, one)

    def start(self, key: str = "checkout", environment: str = "production", **fields: Any) -> None:
        self.define(move(self.standing(key, environment, **fields), "start", STARTED))
        self.touch()

    def touch(self) -> None:
        """Let this process's snapshot see what is stored."""
        with self.database.write() as connection:
            advance_version(connection)
        self.snapshots.refresh()

    def take(
        self,
        *items: Any,
        environment: str = "production",
        at: Instant | None = None,
        sent_at: Instant | None = None,
    ) -> list[Verdict]:
        received_at = now() if at is None else at
        return self.intake.take(
            environment, "selector", items, sent_at=sent_at, received_at=received_at
        )

    def statuses(self, *items: Any, **times: Any) -> list[str]:
        return [verdict.status for verdict in self.take(*items, **times)]

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            query = sa.select(table).order_by(*table.primary_key)
            return [dict(row) for row in connection.execute(query).mappings()]

    def transactions(self) -> int:
        """How many transactions wrote the outcomes."""
        return len({row["change_seq"] for row in self.rows(tables.outcomes)})

    def waiting(self) -> int:
        """How many batches are in the queue."""
        return sum(len(writer._queue) for writer in self.intake._writers.values())

    def has_begun(self) -> bool:
        """Whether the first batch of this log is in the writer's hands."""
        writers = list(self.intake._writers.values())
        return any(writer._thread for writer in writers) and self.waiting() == 0

    @staticmethod
    def until(condition: Callable[[], bool], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.001)


MakeLog = Callable[..., Log]


@pytest.fixture
def make_log(tmp_path: Path) -> Iterator[MakeLog]:
    made: list[Log] = []

    def make(database: Database, *, queue_items: int = 20_000) -> Log:
        snapshots = Snapshots(database, tmp_path / "snapshot.json")
        made.append(Log(database, snapshots, Intake(database, snapshots, queue_items=queue_items)))
        return made[-1]

    yield make
    for log in made:
        log.intake.close()
        log.snapshots.close()
        log.database.dispose()  # after the poll, which would open it anew


@pytest.fixture
def log(database: Database, make_log: MakeLog) -> Log:
    """A log on each engine in turn, with the experiment `checkout` running."""
    log = make_log(database)
    log.start()
    return log


@pytest.fixture
def sqlite_log(sqlite_database: Database, make_log: MakeLog) -> Log:
    log = make_log(sqlite_database)
    log.start()
    return log
