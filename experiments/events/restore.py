"""Rows of another log, as `scan` gave them, put into this one: all that was stored stays so.

The rules are those of the intake: the first sighting stands, an outcome is stored once, a link
keeps its earliest time. So rows may come again, and into a log that has others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from experiments.events.bulk import Row, find, insert
from experiments.events.log import KEEP_FIRST, LEAST_TIME, NOTHING
from experiments.events.scan import ScanTable
from experiments.store import tables
from experiments.store.watermark import advance

_ON_CONFLICT = {"exposures": KEEP_FIRST, "links": LEAST_TIME}
_SEQUENCES = {"exposures": 2, "outcomes": 1, "outcome_ids": 1, "links": 1}


@dataclass(frozen=True, slots=True)
class Restored:
    """`stored`: new or earlier than what was there. `conflicts`: same id, another body."""

    stored: int = 0
    present: int = 0
    conflicts: int = 0

    def __add__(self, other: Restored) -> Restored:
        return Restored(
            self.stored + other.stored,
            self.present + other.present,
            self.conflicts + other.conflicts,
        )


def restore(connection: Connection, table: ScanTable, rows: Sequence[Row]) -> Restored:
    """Write rows that hold the table's columns, in the transaction of `connection`.

    Where they change nothing the transaction is rolled back, and the watermark stays.
    """
    target = tables.metadata.tables[table.name]
    wanted = list(rows)
    if table.name == tables.outcome_ids.name:
        wanted = _of_same_outcomes(connection, rows)
    sequence: Row = ()
    if wanted and table.name in _SEQUENCES:
        sequence = (advance(connection),) * _SEQUENCES[table.name]
    stored = insert(
        connection,
        target,
        [(*row, *sequence) for row in wanted],
        _ON_CONFLICT.get(table.name, NOTHING),
    )
    conflicts = len(rows) - len(wanted)
    if table.name == tables.outcomes.name and stored < len(wanted):
        conflicts += _other_bodies(connection, table, wanted)
    if not stored:
        connection.rollback()
    return Restored(stored, len(rows) - stored - conflicts, conflicts)


def _of_same_outcomes(connection: Connection, rows: Sequence[Row]) -> list[Row]:
    """The further ids whose outcome is stored here with the same body, without its digest."""
    held = find(connection, tables.outcomes, list({row[:2]: None for row in rows}), ("digest",))
    own = len(tables.outcome_ids.columns) - 1  # the digest comes after them
    return [row[:own] for row in rows if held.get(row[:2]) == (row[own],)]


def _other_bodies(connection: Connection, table: ScanTable, rows: Sequence[Row]) -> int:
    place = [one.name for one in table.columns].index("digest")
    held = find(connection, tables.outcomes, [row[:2] for row in rows], ("digest",))
    return sum(held.get(row[:2]) != (row[place],) for row in rows)
