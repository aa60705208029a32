"""An intake whose clock a test sets, an archive beside it, and what a report finds in both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from experiments.analysis.process import read_log, source_of
from experiments.analysis.task import Findings, Part, Task
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import Standing, move
from experiments.definitions.metric import Metric
from experiments.definitions.time import DAY, HOUR, Instant, format_instant, now
from experiments.events import Intake, Verdict
from experiments.events.archive import Archive, verify_log
from experiments.settings import Settings
from experiments.snapshot import Snapshots
from experiments.store import tables
from experiments.store.database import Database
from experiments.store.experiments import insert_standing
from experiments.store.live import advance_version
from experiments.store.watermark import read_watermark

TODAY = now() // DAY * DAY
STARTED = TODAY - 60 * DAY
ENV = "production"
HOT = (tables.exposures, tables.outcomes, tables.outcome_ids)


@dataclass
class Log:
    database: Database
    intake: Intake
    folder: Path

    @property
    def archive(self) -> Archive:
        return Archive(self.database, self.folder)

    def archive_at(self, at: Instant) -> Archive:
        return Archive(self.database, self.folder, clock=lambda: at)

    @staticmethod
    def exposure(unit: str, variant: str = "blue", **fields: Any) -> dict[str, Any]:
        item = {"type": "exposure", "experiment": "checkout", "variant": variant}
        return {**item, "ids": {"user": unit}, **fields}

    @staticmethod
    def outcome(unit: str, event_id: str, value: float = 1.0, **fields: Any) -> dict[str, Any]:
        item = {"type": "outcome", "event": "buy", "event_id": event_id, "value": value}
        return {**item, "ids": {"user": unit}, **fields}

    def closed(self, days: int = 7) -> Instant:
        """The start of the day that many days before today."""
        return TODAY - days * DAY

    def day(self, days: int) -> str:
        return format_instant(self.closed(days))[:10]

    def take(self, *items: dict[str, Any], day: int, hour: int = 12) -> list[Verdict]:
        """Take items that come `day` days before today."""
        at = TODAY - day * DAY + hour * HOUR
        batches = (items[n : n + 200] for n in range(0, len(items), 200))
        return [
            verdict
            for batch in batches
            for verdict in self.intake.take(ENV, "selector", batch, sent_at=None, received_at=at)
        ]

    def statuses(self, *items: dict[str, Any], day: int, hour: int = 12) -> list[str]:
        return [verdict.status for verdict in self.take(*items, day=day, hour=hour)]

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            query = sa.select(table).order_by(*table.primary_key)
            return [dict(row) for row in connection.execute(query).mappings()]

    def hot(self) -> int:
        return sum(len(self.rows(table)) for table in HOT)

    def files(self, state: str = "live") -> list[dict[str, Any]]:
        return [row for row in self.rows(tables.archive_files) if row["state"] == state]

    def on_disk(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*.parquet*") if path.is_file())

    def find(self, watermark: int | None = None, part: Part | None = None) -> Findings:
        """What a report is made of, for a metric of each kind that sums, counts or divides."""
        task = Task(
            environment=ENV,
            experiment="checkout",
            phase=1,
            unit_type="user",
            watermark=read_watermark(self.database) if watermark is None else watermark,
            as_of=TODAY + 100 * DAY,
            metrics=(
                Metric(key="buyers", name="buyers", kind="conversion", event="buy"),
                Metric(key="spent", name="spent", kind="sum", event="buy"),
                Metric(key="week", name="week", kind="mean", event="buy", window_hours=168),
            ),
            part=part,
        )
        settings = Settings(database_url="", data_dir=Path(), archive_dir=self.folder)
        return read_log(task, source_of(self.database), settings, lambda _fraction: None)

    @staticmethod
    def assert_same(one: Findings, other: Findings) -> None:
        """The same counts, and the same moments to 1e-9."""
        first, second = asdict(one), asdict(other)
        for arm, arm_of_other in zip(first["arms"], second["arms"], strict=True):
            measured, measured_of_other = arm.pop("measured"), arm_of_other.pop("measured")
            assert len(measured) == len(measured_of_other) == 3
            for moments, moments_of_other in zip(measured, measured_of_other, strict=True):
                numbers = {name: one for name, one in moments.items() if one is not None}
                assert moments_of_other == {**moments, **_about(numbers)}
        assert first == second

    def faults(self) -> list[str]:
        found = verify_log(self.database, self.folder)
        return [f"{one.subject}: {one.wrong}" for one in found if one.wrong]


def _about(numbers: dict[str, float]) -> dict[str, Any]:
    return {name: pytest.approx(one, rel=1e-9, abs=0.0) for name, one in numbers.items()}


@pytest.fixture
def log(database: Database, tmp_path: Path) -> Iterator[Log]:
    """A log on each engine in turn, with an experiment that has run for sixty days."""
    variants = [{"key": "blue", "weight": 0.5}, {"key": "red", "weight": 0.5}]
    definition = experiment_from_document(
        {"key": "checkout", "unit_type": "user", "assignment": "external", "variants": variants}
    )
    draft = Standing(ENV, definition, "draft", 1, STARTED, STARTED)
    with database.write() as connection:
        insert_standing(connection, move(draft, "start", STARTED))
        advance_version(connection)
    snapshots = Snapshots(database, tmp_path / "snapshot.json")
    intake = Intake(database, snapshots, queue_items=20_000)
    yield Log(database, intake, tmp_path / "archive")
    intake.close()
    snapshots.close()
    database.dispose()
