"""Files as lines: CSV, JSON lines and Parquet, read in one pass and in bounded memory.

A line that cannot be read comes out as `BadLine` and stops nothing.
"""

from __future__ import annotations

import csv
import io
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.definitions.errors import Invalid

FORMATS = ("csv", "jsonl", "parquet")
LONGEST_RECORD = 131_072  # characters; the csv module's own limit for one field
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_ROWS_AT_ONCE = 4_096


@dataclass(frozen=True, slots=True)
class Line:
    """A row with its columns: texts from CSV, typed values from JSON lines and Parquet.

    `number` counts from 1: lines of a text file, the header included, or rows of Parquet.
    """

    number: int
    cells: dict[str, Any]
    text: str

    def refuse(self, code: str, reason: str) -> BadLine:
        text = self.text or json.dumps(self.cells, default=str, ensure_ascii=False)
        return BadLine(self.number, code, reason, text)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is refused: why, as a stable code and as a sentence."""

    number: int
    code: str
    reason: str
    text: str


Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class DataFile:
    path: Path
    format: str
    delimiter: str

    def length(self) -> int:
        """Bytes of a text file, rows of Parquet: what `lines` advances over."""
        if self.format == "parquet":
            with _parquet(self.path) as file:
                return int(file.metadata.num_rows)
        return self.path.stat().st_size

    def lines(
        self, columns: Sequence[str] | None, advance: Advance = lambda _: None
    ) -> Iterator[Line | BadLine]:
        """Every line, with these columns (None: all). `advance` is told of the way made.

        Raises `Invalid`: COLUMN_MISSING, COLUMN_DUPLICATE, FILE_EMPTY, FILE_UNREADABLE.
        """
        if self.format == "parquet":
            yield from _parquet_lines(self.path, columns, advance)
            return
        read = _json_lines if self.format == "jsonl" else self._csv_lines
        # Bytes that are no UTF-8 come through as lone surrogates: only their line is refused.
        with (
            self.path.open("rb") as file,
            io.TextIOWrapper(
                file, encoding="utf-8-sig", errors="surrogateescape", newline=""
            ) as text,
        ):
            seen = 0
            for count, line in enumerate(read(text, columns)):
                yield line
                if count % 256 == 0:
                    at = file.tell()
                    advance(at - seen)
                    seen = at
            advance(file.tell() - seen)

    def _csv_lines(self, file: TextIO, columns: Sequence[str] | None) -> Iterator[Line | BadLine]:
        records = _csv_records(file, self.delimiter)
        header = next(records, None)
        if header is None:
            raise Invalid("FILE_EMPTY", f"{self.path} is empty; its first line names the columns")
        if header.row is None:
            raise Invalid("FILE_UNREADABLE", f"{self.path}: the line of column names is no CSV")
        names = header.row
        wanted = _check_columns(names, names if columns is None else columns, self.path)
        places = [(name, names.index(name)) for name in wanted]
        for record in records:
            row = record.row
            if row is None:
                yield BadLine(record.number, "ROW_UNREADABLE", record.trouble, record.text)
            elif len(row) != len(names):
                yield BadLine(
                    record.number,
                    "COLUMN_COUNT",
                    f"{len(row)} columns where the header has {len(names)}",
                    record.text,
                )
            else:
                cells = {name: row[place] for name, place in places}
                yield Line(record.number, cells, record.text)


def data_file(path: Path, file_format: str | None, delimiter: str | None) -> DataFile:
    """Say how a file is to be read, from its suffix where nothing else is said."""
    known = file_format or _SUFFIXES.get(path.suffix.lower())
    if known is None:
        raise Invalid(
            "FORMAT_UNKNOWN",
            f"{path.name} ends in none of {', '.join(_SUFFIXES)}; say --format csv, jsonl or"
            " parquet",
        )
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    return DataFile(path, known, delimiter or usual)


@dataclass(frozen=True, slots=True)
class _Record:
    """One CSV record; `row` is None where there is `trouble` with it."""

    number: int
    text: str
    row: list[str] | None
    trouble: str = ""


def _csv_records(file: TextIO, delimiter: str) -> Iterator[_Record]:
    """Records that may span lines. A broken one costs its first line only, not what follows."""
    source = enumerate(file, start=1)
    waiting: deque[tuple[int, str]] = deque()
    width: int | None = None
    while True:
        first = waiting.popleft() if waiting else next(source, None)
        if first is None:
            return
        number, text = first
        if not text.strip():
            continue
        record = _parse(number, text, delimiter)
        taken: list[tuple[int, str]] = []
        while record is None:  # a quote is open
            following = waiting.popleft() if waiting else next(source, None)
            if following is None or len(text) > LONGEST_RECORD:
                taken += [] if following is None else [following]
                trouble = "a quote is opened here and never closed"
                record = _Record(number, first[1], None, trouble)
                break
            taken.append(following)
            text += following[1]
            if '"' in following[1]:
                record = _parse(number, text, delimiter)
        if taken and (record.row is None or width not in {None, len(record.row)}):
            trouble = record.trouble or "a quote is opened here and closed in the wrong place"
            record = _Record(number, first[1], None, trouble)
            waiting.extendleft(reversed(taken))
        if width is None and record.row is not None:
            width = len(record.row)
        yield record


def _parse(number: int, text: str, delimiter: str) -> _Record | None:
    """The record that `text` is, None where it ends inside quotes."""
    if not text.isascii() and not _is_unicode(text):
        return _Record(number, text, None, "not UTF-8; save the file as UTF-8")
    try:
        row = next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
        return _Record(number, text, None, f"not CSV: {error}")
    return _Record(number, text, row)


def _json_lines(file: TextIO, columns: Sequence[str] | None) -> Iterator[Line | BadLine]:
    for number, text in enumerate(file, start=1):
        if not text.strip():
            continue
        if not text.isascii() and not _is_unicode(text):
            yield BadLine(number, "ROW_UNREADABLE", "not UTF-8; save the file as UTF-8", text)
            continue
        try:
            value = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            yield BadLine(number, "ROW_UNREADABLE", f"not JSON: {error}", text)
            continue
        if not isinstance(value, dict):
            yield BadLine(number, "ROW_UNREADABLE", "not a JSON object in one line", text)
            continue
        cells = value if columns is None else {n: value[n] for n in columns if n in value}
        yield Line(number, cells, text)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise Invalid("FILE_UNREADABLE", f"{path} cannot be read as Parquet: {error}") from error


def _parquet_lines(
    path: Path, columns: Sequence[str] | None, advance: Advance
) -> Iterator[Line | BadLine]:
    with _parquet(path) as file:
        names = file.schema_arrow.names
        wanted = _check_columns(names, names if columns is None else columns, path)
        number = 0
        batches = file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=wanted)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise Invalid(
                    "FILE_UNREADABLE", f"{path} is damaged after row {number}: {error}"
                ) from error
            if batch is None:
                return
            values = [_values(batch.column(name)) for name in wanted]
            for row in zip(*values, strict=True):
                number += 1
                cells = dict(zip(wanted, row, strict=True))
                yield Line(number, cells, "")
            advance(batch.num_rows)


def _values(column: pa.Array) -> list[Any]:
    """Python values; Python's datetimes hold no nanoseconds."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", "UTC" if kind.tz else None), safe=False)
    values: list[Any] = column.to_pylist()
    return values


def _check_columns(names: Sequence[str], wanted: Sequence[str], path: Path) -> list[str]:
    distinct = list(dict.fromkeys(wanted))
    for name in distinct:
        if name not in names:
            raise Invalid(
                "COLUMN_MISSING",
                f"{path.name} has no column {name!r}; it has {', '.join(names)}",
            )
        if names.count(name) > 1:
            raise Invalid(
                "COLUMN_DUPLICATE", f"{path.name} names two columns {name!r}; rename one of them"
            )
    return distinct
