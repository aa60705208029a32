"""A table as files by environment and day, in the layout that Hive, Spark and DuckDB find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from urllib.parse import quote, unquote

from experiments.cli.exporting.files import Row, RowFile, new_file
from experiments.cli.exporting.manifest import FileEntry, file_entry
from experiments.definitions.time import DAY
from experiments.events.scan import ScanColumn, ScanTable

ROWS_IN_FILE = 1_000_000

Place = tuple[str, str]  # an environment and a day of UTC


@dataclass(slots=True)
class _Open:
    place: Place
    path: Path
    file: RowFile
    rows: int = 0


class DayFiles:
    """Takes rows by environment and time; one file is open at a time.

    `TABLE/environment=E/day=D/part-N`: what the path says is not in the file.
    """

    def __init__(self, folder: Path, table: ScanTable, file_format: str) -> None:
        self._folder = folder
        self._table = table
        self._format = file_format
        self._columns = file_columns(table)
        self._at = [one.name for one in table.columns].index(table.at)
        self._open: _Open | None = None
        self._parts: dict[Place, int] = {}

    def write(self, rows: Sequence[Row]) -> Iterator[FileEntry]:
        """Write rows; the files that were finished by it."""
        for place, some in groupby(rows, self._place):
            opened = self._open
            if opened is not None and (opened.place != place or opened.rows >= ROWS_IN_FILE):
                yield from self.close()
            opened = self._open = self._open or self._new(place)
            there = [row[1:] for row in some]
            opened.file.write(there)
            opened.rows += len(there)

    def close(self) -> Iterator[FileEntry]:
        if self._open is not None:
            opened, self._open = self._open, None
            opened.file.close()
            yield file_entry(self._folder, opened.path, self._table.name, opened.rows)

    def _place(self, row: Row) -> Place:
        return row[0], _day(row[self._at] // DAY)

    def _new(self, place: Place) -> _Open:
        environment, day = place
        number = self._parts[place] = self._parts.get(place, -1) + 1
        folder = self._folder / self._table.name
        folder = folder / f"environment={quote(environment, safe='')}" / f"day={day}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"part-{number:04}.{self._format}"
        return _Open(place, path, new_file(path, self._format, self._columns))


@lru_cache
def _day(number: int) -> str:
    """The date of a day that is counted from 1970."""
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


def file_columns(table: ScanTable) -> tuple[ScanColumn, ...]:
    """The columns in a file: all but the environment."""
    return table.columns[1:]


def environment_of(path: str) -> str:
    """The environment that the path of a file names."""
    part = next(one for one in path.split("/") if one.startswith("environment="))
    return unquote(part.partition("=")[2])
