"""The files: where they lie, what is in them, and how one comes to be there whole or not at all.

Below the archive's folder a file lies in Hive's layout, `outcomes/environment=…/day=…/….parquet`:
any engine reads the folder. The columns are those of the table without the environment, which is
in the path; times are microseconds since 1970, JSON is text.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from experiments.definitions.time import DAY, SECOND, Instant
from experiments.events.event_ids import new_id

ROW_GROUP = 131_072  # rows
_SORTED_BY = "unit_hash"  # what reports join by
_IN_PATH = "environment"

Cells = dict[str, Sequence[Any]]  # the values of each column


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it is on disk."""

    row_count: int
    byte_count: int
    sha256: str


def day_of(instant: Instant) -> str:
    """The day in UTC that an instant is in, as 2026-01-31."""
    return datetime.fromtimestamp(instant // SECOND, UTC).strftime("%Y-%m-%d")


def start_of(day: str) -> Instant:
    """The first instant of a day; ValueError where the text is none."""
    return round(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * SECOND


def is_start_of_day(instant: Instant) -> bool:
    return instant % DAY == 0


def new_path(table: sa.Table, environment: str, day: str) -> str:
    return f"{table.name}/{_IN_PATH}={environment}/day={day}/{new_id()}.parquet"


def cells_of(table: sa.Table, rows: Sequence[Sequence[Any]]) -> Cells:
    """Rows that hold every column of the table in its order, column by column."""
    names = (column.name for column in table.columns)
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def arrow_of(table: sa.Table, cells: Cells) -> pa.Table:
    """What a file holds of the rows: all but what is in its path."""
    columns = [column for column in table.columns if column.name != _IN_PATH]
    arrays = [pa.array(cells[column.name], _arrow_type(column)) for column in columns]
    return pa.table(arrays, names=[column.name for column in columns])


def write_file(path: Path, rows: pa.Table) -> Written:
    """Write the rows, sorted, under another name, sync, rename, sync the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = unfinished_of(path)
    with unfinished.open("wb") as file:
        place = rows.schema.get_field_index(_SORTED_BY)
        pq.write_table(
            rows.sort_by(_SORTED_BY),
            file,
            compression="zstd",
            row_group_size=ROW_GROUP,
            sorting_columns=[pq.SortingColumn(place)],
            write_page_checksum=True,
        )
        file.flush()
        os.fsync(file.fileno())
    written = Written(len(rows), unfinished.stat().st_size, sha256_of(unfinished))
    unfinished.rename(path)
    for folder in path.parents[:5]:  # from that of the day to the one that holds the archive
        _sync_folder(folder)
    return written


def read_file(path: Path) -> pa.Table:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read()


def remove_file(path: Path) -> None:
    """Remove the file, finished or not, and the folders that are empty then."""
    unfinished_of(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    for folder in path.parents[:2]:
        try:
            folder.rmdir()
        except OSError:  # something is in it, or it is gone
            return


def unfinished_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _arrow_type(column: sa.Column[Any]) -> pa.DataType:
    if isinstance(column.type, sa.Boolean):
        return pa.bool_()
    if isinstance(column.type, sa.Integer):
        return pa.int64()
    return pa.float64() if isinstance(column.type, sa.Double) else pa.string()
