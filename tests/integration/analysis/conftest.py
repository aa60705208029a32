"""An event log written by hand, row by row, and what the analysis finds in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from experiments.analysis.process import read_log, source_of
from experiments.analysis.task import Findings, Task
from experiments.definitions.metric import Metric
from experiments.definitions.time import DAY
from experiments.events.unit_hash import unit_hash
from experiments.settings import Settings
from experiments.store import tables
from experiments.store.database import Database

START = 1_760_000_000_000_000  # any instant
EVERYTHING = 10**9  # a watermark above every row


@dataclass
class Log:
    """Rows of one experiment `exp`, written to the store by `write`."""

    database: Database
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seq: int = 0

    def expose(self, unit: str, variant: str, at: int, **other: Any) -> None:
        unit_type = other.pop("unit_type", "id")
        row = {
            "environment": "production",
            "experiment": "exp",
            "phase": 1,
            "unit_id": unit,
            "variant": variant,
            "unit_type": unit_type,
            "unit_hash": unit_hash(unit_type, unit),
            "first_at": at,
            "clock": "client",
            "client_at": None,
            "received_at": at,
            "attributes": None,
            "mark": None,
            "agrees": None,
            "created_seq": self._next(),
            "change_seq": self.seq,
        }
        self._add("exposures", row | other)

    def outcome(self, unit: str, event: str, at: int, value: float = 1.0, **other: Any) -> None:
        unit_type, further = other.pop("unit_type", "id"), other.pop("further", {})
        row = {
            "environment": "production",
            "event_id": f"event-{self.seq}",
            "event": event,
            "unit_type": unit_type,
            "unit_id": unit,
            "unit_hash": unit_hash(unit_type, unit),
            "value": value,
            "at": at,
            "clock": "client",
            "client_at": None,
            "received_at": at,
            "clamped": False,
            "properties": None,
            "digest": "",
            "change_seq": self._next(),
        } | other
        self._add("outcomes", row)
        for kind, one in further.items():
            names = ("environment", "event_id", "change_seq")
            named = {"unit_type": kind, "unit_id": one, "unit_hash": unit_hash(kind, one)}
            self._add("outcome_ids", {name: row[name] for name in names} | named)

    def link(self, one: tuple[str, str], other: tuple[str, str], at: int) -> None:
        for (kind, unit), (other_kind, other_unit) in ((one, other), (other, one)):
            row = {
                "environment": "production",
                "unit_type": kind,
                "unit_id": unit,
                "other_type": other_kind,
                "other_id": other_unit,
                "unit_hash": unit_hash(kind, unit),
                "other_hash": unit_hash(other_kind, other_unit),
                "first_at": at,
                "change_seq": self._next(),
            }
            self._add("links", row)

    def write(self) -> None:
        for name, rows in self.rows.items():
            insert = sa.insert(tables.metadata.tables[name])
            for part in range(0, len(rows), 5000):  # a transaction may take two seconds
                with self.database.write() as connection:
                    connection.execute(insert, rows[part : part + 5000])
        with self.database.write() as connection:
            connection.execute(sa.update(tables.change_counter).values(value=self.seq))
        self.rows.clear()

    def task(self, *metrics: Metric, **other: Any) -> Task:
        names: dict[str, Any] = {
            "environment": "production",
            "experiment": "exp",
            "phase": 1,
            "unit_type": "id",
            "watermark": EVERYTHING,
            "as_of": START + 1000 * DAY,
        }
        return Task(metrics=metrics, **(names | other))

    def find(self, *metrics: Metric, **other: Any) -> Findings:
        """What the analysis finds in the log, through its process."""
        self.write()
        settings = Settings(database_url="", data_dir=Path())
        task = self.task(*metrics, **other)
        return read_log(task, source_of(self.database), settings, lambda _fraction: None)

    def _add(self, name: str, row: dict[str, Any]) -> None:
        self.rows.setdefault(name, []).append(row)

    def _next(self) -> int:
        self.seq += 1
        return self.seq


def metric(kind: str = "count", event: str = "buy", **other: Any) -> Metric:
    return Metric(key=other.pop("key", kind), name=kind, kind=kind, event=event, **other)


@pytest.fixture(scope="session")
def make_metric() -> Callable[..., Metric]:
    return metric


@pytest.fixture
def log(database: Database) -> Log:
    """An empty log in a store of either kind."""
    return Log(database)


@pytest.fixture
def sqlite_log(sqlite_database: Database) -> Log:
    return Log(sqlite_database)


@pytest.fixture
def postgres_log(postgres_database: Database) -> Log:
    return Log(postgres_database)
