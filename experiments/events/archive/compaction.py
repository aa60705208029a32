"""Compaction: the closed days of the log go into files, day by day; old days may be let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from experiments.definitions.errors import Invalid
from experiments.definitions.time import DAY, Instant, now
from experiments.events.archive import manifest
from experiments.events.archive.files import day_of, is_start_of_day
from experiments.events.archive.manifest import ArchiveFile
from experiments.events.archive.moving import Mover, Part
from experiments.events.archive.pages import (
    Page,
    closed_days,
    further_ids_of,
    pages_of,
    rows_of,
)
from experiments.events.archive.retention import expire
from experiments.events.archive.tenure import Tenure, tenure
from experiments.store.database import Database
from experiments.store.keys import list_environments
from experiments.store.tables import exposures, outcome_ids, outcomes

PART_ROWS = 15_000  # rows that one transaction moves, and up to a page: writers wait for it
MERGED_ROWS = 1_000_000  # rows in a file at most, unless one part has more

_BY_TABLE = (exposures, outcomes)


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of one day of one table: rows archived so far, of how many."""

    environment: str
    log_table: str
    day: str
    rows: int
    of: int


Progress = Callable[[Moved], None]


class Archive:
    """The archive of one store in one folder. Opens nothing until it is asked."""

    def __init__(
        self, database: Database, folder: Path, clock: Callable[[], Instant] = now
    ) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock

    def compact(
        self,
        before: Instant,
        environment: str | None = None,
        progress: Progress = lambda _moved: None,
    ) -> list[Moved]:
        """Archive the days of receipt that end by `before`, the start of a day; a row per day.

        Safe to be killed and to be run again. Calls `progress` after each transaction; what that
        raises ends the work. Raises `Invalid` DAY_NOT_CLOSED, `Conflict` ARCHIVE_BUSY or
        ARCHIVE_DAMAGED, `Unavailable` ARCHIVE_READ or what the store raises.
        """
        if not is_start_of_day(before) or before > self._clock():
            raise Invalid("DAY_NOT_CLOSED", "only whole days that are over can be archived")
        done: list[Moved] = []
        with tenure(self._database, self._clock) as held:
            mover = Mover(self._database, self._folder, held, self._clock)
            mover.sweep()
            for one in self._environments(environment):
                for table in _BY_TABLE:
                    done += self._compact_table(mover, held, table, one, before, progress)
                self._merge(mover, one)
            mover.sweep()
        return done

    def expire(self, before: Instant, environment: str | None = None) -> int:
        """Let go of the archived days that end by `before`; how many rows. Raises as `compact`."""
        with tenure(self._database, self._clock) as held:
            rows = sum(
                expire(self._database, held, one, before) for one in self._environments(environment)
            )
            Mover(self._database, self._folder, held, self._clock).sweep()
        return rows

    def _environments(self, only: str | None) -> list[str]:
        if only is not None:
            return [only]
        with self._database.read() as connection:
            return list_environments(connection)

    def _compact_table(
        self,
        mover: Mover,
        held: Tenure,
        table: sa.Table,
        environment: str,
        before: Instant,
        progress: Progress,
    ) -> Iterator[Moved]:
        plan: dict[str, list[Page]] = {}
        totals: dict[str, int] = {}
        for page in pages_of(self._database, table, environment):
            for begin, count in closed_days(self._database, table, page, before).items():
                day = day_of(begin)
                plan.setdefault(day, []).append(page)
                totals[day] = totals.get(day, 0) + count
            held.renew()
        for day in sorted(plan):
            moved = Moved(environment, table.name, day, 0, totals[day])
            for parts in self._parts(table, day, plan[day]):
                if mover.move([mover.prepare(part) for part in parts]):
                    moved = replace(moved, rows=moved.rows + len(parts[0].rows))
                progress(moved)
            yield moved

    def _parts(self, table: sa.Table, day: str, pages: list[Page]) -> Iterator[list[Part]]:
        """The rows of a day in portions of one transaction, each with what goes with its rows."""
        rows: list[Sequence[Any]] = []
        further: list[Sequence[Any]] = []
        for number, page in enumerate(pages, 1):
            rows += rows_of(self._database, table, page, day)
            if table is outcomes:
                further += further_ids_of(self._database, page, day)
            if rows and (len(rows) >= PART_ROWS or number == len(pages)):
                parts = [Part(table, page.environment, day, rows)]
                if further:
                    parts.append(Part(outcome_ids, page.environment, day, further))
                yield parts
                rows, further = [], []

    def _merge(self, mover: Mover, environment: str) -> None:
        """Make few files of the many of each day."""
        with self._database.read() as connection:
            live = manifest.list_files(connection, manifest.LIVE, environment)
        of_a_day: dict[tuple[str, str], list[ArchiveFile]] = {}
        for file in live:
            of_a_day.setdefault((file.day, file.log_table), []).append(file)
        for files in of_a_day.values():
            for group in _groups(files):
                mover.merge(group)


def closed_before(at: Instant, days: int) -> Instant:
    """The start of the day up to which everything is older than `days`."""
    return (at - days * DAY) // DAY * DAY


def _groups(files: list[ArchiveFile]) -> Iterator[list[ArchiveFile]]:
    """Files that fit into one, the smallest first."""
    group: list[ArchiveFile] = []
    for file in sorted(files, key=lambda one: one.row_count):
        if sum(one.row_count for one in group) + file.row_count > MERGED_ROWS:
            if len(group) > 1:
                yield group
            group = []
        group.append(file)
    if len(group) > 1:
        yield group
