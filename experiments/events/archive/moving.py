"""The steps by which rows go from the hot tables into a file, and small files into a large one.

Announce the files, write them, then move: one transaction that admits the files and deletes the
rows. A crash before it leaves files that no reader knows, and `sweep` removes what was announced;
a crash after it leaves nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from experiments.definitions.errors import Conflict, Unavailable
from experiments.definitions.time import Instant
from experiments.events.archive import manifest
from experiments.events.archive.files import (
    Cells,
    Written,
    arrow_of,
    cells_of,
    new_path,
    read_file,
    remove_file,
    sha256_of,
    write_file,
)
from experiments.events.archive.manifest import ArchiveFile
from experiments.events.archive.tenure import Tenure
from experiments.events.bulk import Row, delete, insert, primary_key
from experiments.store import tables
from experiments.store.archive_lock import changing
from experiments.store.database import Database
from experiments.store.watermark import exclude_writers

_ATTEMPTS = 5  # SQLite's lock is not fair: busy writers are outwaited
_NOTHING = "DO NOTHING"
_BETTER = """DO UPDATE SET
  counts = excluded.counts, first_at = excluded.first_at, received_at = excluded.received_at
WHERE (excluded.counts AND NOT archived_exposures.counts)
  OR (excluded.counts = archived_exposures.counts
      AND excluded.first_at < archived_exposures.first_at)"""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one day of one table, every column of it, on their way; at least one."""

    table: sa.Table
    environment: str
    day: str
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A part that is written to a file which no reader knows yet.

    `keys` name the rows that leave the table, as they were read; `known` is what the intake knows
    them by afterwards.
    """

    part: Part
    path: str
    written: Written
    newest: int
    keys: list[Row]
    known: list[Row]


class Mover:
    """`tenure` is the right to do it; whoever has lost it commits nothing."""

    def __init__(
        self, database: Database, folder: Path, held: Tenure, clock: Callable[[], Instant]
    ) -> None:
        self._database = database
        self._folder = folder
        self._tenure = held
        self._clock = clock

    def sweep(self) -> int:
        """Remove the files that are announced or withdrawn, after their last reader; how many."""
        with self._database.read() as connection:
            gone = [
                file
                for state in (manifest.WRITING, manifest.REPLACED)
                for file in manifest.list_files(connection, state)
            ]
            expired = manifest.list_files(connection, manifest.EXPIRED)
        self._tenure.renew()
        left = [file for file in expired if (self._folder / file.path).exists()]
        if not gone and not left:
            return 0
        with changing(self._folder):
            for file in (*gone, *left):
                remove_file(self._folder / file.path)
        with self._database.append() as connection:
            self._tenure.confirm(connection)
            for file in gone:
                manifest.forget(connection, file.environment, file.path)
        return len(gone) + len(left)

    def prepare(self, part: Part) -> Prepared:
        """Announce and write the file of a part."""
        table = part.table
        cells = cells_of(table, part.rows)
        path = self._announce(table, part.environment, part.day)
        written = self._write(path, arrow_of(table, cells))
        changed_by = cells["change_seq"]
        keys = [*zip(*(cells[name] for name in primary_key(table)), changed_by, strict=True)]
        return Prepared(part, path, written, max(changed_by), keys, _known(table, cells))

    def move(self, prepared: Sequence[Prepared]) -> bool:
        """Put prepared files into the archive and take their rows out of the tables, all or none.

        False where a row was changed since it was read: then the files are void and the rows stay.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._move(prepared)
            except _Changed:
                return False
            except Unavailable:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return True
        raise AssertionError("the last attempt returns or raises")

    def merge(self, files: Sequence[ArchiveFile]) -> None:
        """One file in the place of several of the same day; readers of those may finish."""
        first = files[0]
        table = tables.metadata.tables[first.log_table]
        rows = pa.concat_tables(self._intact(file) for file in files)
        path = self._announce(table, first.environment, first.day)
        written = self._write(path, rows)
        newest = max(file.change_seq for file in files)
        with changing(self._folder), self._database.append() as connection:
            self._tenure.confirm(connection)
            self._admit(connection, first.environment, path, written, newest)
            for file in files:
                if not manifest.withdraw(
                    connection, file.environment, file.path, manifest.REPLACED
                ):
                    raise AssertionError("only the holder of the tenure withdraws files")

    def _move(self, prepared: Sequence[Prepared]) -> None:
        with changing(self._folder), self._database.append() as connection:
            exclude_writers(connection)
            self._tenure.confirm(connection)
            for one in prepared:
                self._move_rows(connection, one)

    def _write(self, path: str, rows: pa.Table) -> Written:
        try:
            return write_file(self._folder / path, rows)
        except OSError as error:
            raise Unavailable(
                "ARCHIVE_UNWRITABLE",
                f"{self._folder} cannot be written to ({error.strerror}); nothing was lost, mend"
                " it and run `evenhand compact`",
            ) from error

    def _announce(self, table: sa.Table, environment: str, day: str) -> str:
        path = new_path(table, environment, day)
        with self._database.append() as connection:
            self._tenure.confirm(connection)
            manifest.announce(connection, environment, path, table.name, day, self._clock())
        return path

    def _move_rows(self, connection: Connection, prepared: Prepared) -> None:
        table, environment = prepared.part.table, prepared.part.environment
        if delete(connection, table, prepared.keys) != len(prepared.keys):
            raise _Changed
        if table is tables.exposures:
            insert(connection, tables.archived_exposures, prepared.known, _BETTER)
        elif table is tables.outcomes:
            insert(connection, tables.archived_outcomes, prepared.known, _NOTHING)
        self._admit(connection, environment, prepared.path, prepared.written, prepared.newest)

    @staticmethod
    def _admit(
        connection: Connection, environment: str, path: str, written: Written, newest: int
    ) -> None:
        if not manifest.admit(connection, environment, path, written, newest):
            raise AssertionError("only the holder of the tenure sweeps files")

    def _intact(self, file: ArchiveFile) -> pa.Table:
        path = self._folder / file.path
        if not path.exists() or sha256_of(path) != file.sha256:
            raise Conflict(
                "ARCHIVE_DAMAGED",
                f"{path} is missing or is not what was written; run `evenhand verify`, and bring"
                " the file back from a backup",
            )
        return read_file(path)


class _Changed(Exception):
    """A row is not what was read: the transaction is rolled back."""


def _known(table: sa.Table, cells: Cells) -> list[Row]:
    """What the intake knows the rows by once they have left the table."""
    if table is tables.outcomes:
        return [*zip(*(cells[column.name] for column in tables.archived_outcomes.c), strict=True)]
    if table is tables.exposures:
        more = {**cells, "counts": [mark is None for mark in cells["mark"]]}
        return [*zip(*(more[column.name] for column in tables.archived_exposures.c), strict=True)]
    return []
