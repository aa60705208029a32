"""What a fault came to: the sent, the acknowledged and the stored, held against each other."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from experiments.store.database import Database
from tests.faults.loader import event_of, is_good

COLUMNS = (
    *("fault", "engine", "sent", "acknowledged", "stored", "doubled", "lost"),
    *("longest wait", "assignments p99"),
)


@dataclass(frozen=True)
class Outcome:
    """Events, counted before anything is sent again; waits in seconds.

    `stored` are those in the store, `lost` the acknowledged that are not, `doubled` those that are
    there more than once. The longest wait is that of a batch, p99 that of assignments meanwhile.
    """

    fault: str
    engine: str
    sent: int
    acknowledged: int
    stored: int
    doubled: int
    lost: int
    longest_wait: float
    assignment_p99: float

    def cells(self) -> tuple[str, ...]:
        counts = (self.sent, self.acknowledged, self.stored, self.doubled, self.lost)
        return (
            *(self.fault, self.engine),
            *(f"{count:,}" for count in counts),
            f"{self.longest_wait:.2f} s",
            f"{self.assignment_p99 * 1000:.0f} ms",
        )


def table(rows: list[Outcome]) -> str:
    """Markdown, as docs/reliability.md holds it."""
    lines = [COLUMNS, *(row.cells() for row in sorted(rows, key=lambda row: row.engine))]
    widths = [max(len(line[place]) for line in lines) for place in range(len(COLUMNS))]
    written = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    ruler = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([written[0], ruler, *written[1:]])


@dataclass(frozen=True)
class Written:
    """What a loader wrote down."""

    bodies: list[dict[str, Any]]
    acknowledged: set[str]

    @classmethod
    def read(cls, folder: Path) -> Written:
        bodies = [json.loads(line) for line in (folder / "sent").read_text().splitlines()]
        return cls(bodies, set((folder / "acknowledged").read_text().splitlines()))

    @property
    def sent(self) -> set[str]:
        return {event for body in self.bodies for event in good_events(body)}

    def unanswered(self) -> list[dict[str, Any]]:
        """The batches of which something was not acknowledged."""
        return [body for body in self.bodies if not good_events(body) <= self.acknowledged]


def good_events(body: dict[str, Any]) -> set[str]:
    return {event_of(item) for item in body["events"] if is_good(item)}


def stored_events(database_url: str, environment: str) -> Counter[str]:
    """How often each event of a loader is in the store."""
    found: Counter[str] = Counter()
    database = Database(database_url)
    try:
        with database.read() as connection:
            for kind in ("exposure", "outcome"):
                query = sa.text(
                    f"SELECT unit_id FROM {kind}s"
                    " WHERE environment = :environment AND unit_id LIKE 'unit-%'"
                )
                units = connection.execute(query, {"environment": environment}).scalars()
                found.update(f"{kind} {unit}" for unit in units)
    finally:
        database.dispose()
    return found


def dead_letters(database_url: str, environment: str) -> int:
    database = Database(database_url)
    with database.read() as connection:
        query = sa.text("SELECT count(*) FROM dead_letters WHERE environment = :environment")
        count: int = connection.execute(query, {"environment": environment}).scalar_one()
    database.dispose()
    return count
