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

from experiments.definitions.errors import Conflict, EvenhandError, Unavailable
from experiments.definitions.time import Instant
from experiments.events.archive import manifest
from experiments.events.archive.files import (
    Written,
    arrow_of,
    columns_of,
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
    """Rows of one day of one table, `columns_of` it, on their way; `file` is where they lie."""

    table: sa.Table
    environment: str
    day: str
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A part that is written to a file which no reader knows yet."""

    part: Part
    path: str
    written: Written


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
        path = self._announce(part.table, part.environment, part.day)
        return Prepared(part, path, self._write(path, arrow_of(part.table, part.rows)))

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
        part = prepared.part
        columns = [column.name for column in columns_of(part.table)]
        seq = columns.index("change_seq")
        key = [columns.index(name) for name in primary_key(part.table)[1:]]
        keys = [(part.environment, *(row[n] for n in key), row[seq]) for row in part.rows]
        if delete(connection, part.table, keys) != len(keys):
            raise _Changed
        _remember(connection, part, columns)
        newest = max(row[seq] for row in part.rows)
        self._admit(connection, part.environment, prepared.path, prepared.written, newest)

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


class _Changed(EvenhandError):
    """A row is not what was read: the transaction is rolled back."""

    def __init__(self) -> None:
        super().__init__("ARCHIVE_ROW_CHANGED", "a row was changed while it was archived")


def _remember(connection: Connection, part: Part, columns: Sequence[str]) -> None:
    """Keep by what the intake knows the events again."""
    if part.table is tables.exposures:
        picked = [
            columns.index(n)
            for n in ("experiment", "phase", "unit_id", "variant", "first_at", "received_at")
        ]
        mark = columns.index("mark")
        rows: list[Row] = []
        for row in part.rows:
            *key, first_at, received_at = (row[n] for n in picked)
            rows.append((part.environment, *key, row[mark] is None, first_at, received_at))
        insert(connection, tables.archived_exposures, rows, _BETTER)
    elif part.table is tables.outcomes:
        picked = [columns.index(n) for n in ("event_id", "digest", "received_at")]
        known = [(part.environment, *(row[n] for n in picked)) for row in part.rows]
        insert(connection, tables.archived_outcomes, known, _NOTHING)
