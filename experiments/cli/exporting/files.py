"""Files of rows in three formats: Parquet, CSV and JSON lines, written and read in one pass.

Numbers and texts go through unchanged. In CSV a blank cell is null where the column allows it.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.definitions.errors import Invalid
from experiments.events.scan import ScanColumn

FORMATS = ("parquet", "csv", "jsonl")
Row = tuple[Any, ...]

_GROUP_ROWS = 100_000  # rows of a Parquet row group, unless they grow too large
_GROUP_BYTES = 32 * 1024 * 1024
_ARROW = {"text": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}
_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "int64": int,
    "float64": float,
    "bool": lambda cell: cell == "true",
}
_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class RowFile(Protocol):
    """A file that is being written."""

    def write(self, rows: Sequence[Row]) -> None: ...

    def close(self) -> None: ...


def new_file(path: Path, file_format: str, columns: Sequence[ScanColumn]) -> RowFile:
    kinds: dict[str, type[ParquetRows | CsvRows | JsonRows]] = {
        "parquet": ParquetRows,
        "csv": CsvRows,
        "jsonl": JsonRows,
    }
    return kinds[file_format](path, columns)


class ParquetRows:
    """Parquet with zstd; a row group is held in memory until it is full."""

    def __init__(self, path: Path, columns: Sequence[ScanColumn]) -> None:
        self._schema = pa.schema(
            [pa.field(one.name, _ARROW[one.type], nullable=one.nullable) for one in columns]
        )
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._rows = 0
        self._bytes = 0

    def write(self, rows: Sequence[Row]) -> None:
        arrays = [
            pa.array(values, field.type)
            for values, field in zip(zip(*rows, strict=True), self._schema, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._waiting.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
        self._waiting.clear()
        self._rows = self._bytes = 0


class CsvRows:
    """CSV as RFC 4180 has it: a header, CR LF, quotes where they are needed."""

    def __init__(self, path: Path, columns: Sequence[ScanColumn]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\r\n")
        self._writer.writerow([one.name for one in columns])
        self._flags = [place for place, one in enumerate(columns) if one.type == "bool"]

    def write(self, rows: Sequence[Row]) -> None:
        self._writer.writerows(self._worded(row) for row in rows)

    def close(self) -> None:
        self._file.close()

    def _worded(self, row: Row) -> Sequence[Any]:
        cells = list(row)
        for place in self._flags:
            if cells[place] is not None:
                cells[place] = "true" if cells[place] else "false"
        return cells


class JsonRows:
    """JSON lines: an object a row, every column in each."""

    def __init__(self, path: Path, columns: Sequence[ScanColumn]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._names = [one.name for one in columns]

    def write(self, rows: Sequence[Row]) -> None:
        self._file.writelines(
            f"{_to_json(dict(zip(self._names, row, strict=True)))}\n" for row in rows
        )

    def close(self) -> None:
        self._file.close()


def read_rows(
    path: Path, file_format: str, columns: Sequence[ScanColumn], at_once: int
) -> Iterator[list[Row]]:
    """The rows of a file in batches, in the order of `columns`; what the file lacks is None.

    Raises `Invalid` FILE_UNREADABLE.
    """
    readers = {"parquet": _parquet, "csv": _csv, "jsonl": _json}
    try:
        yield from readers[file_format](path, columns, at_once)
    except (pa.ArrowException, OSError, ValueError, csv.Error) as error:
        raise Invalid("FILE_UNREADABLE", f"{path} cannot be read: {error}") from error


def _parquet(path: Path, columns: Sequence[ScanColumn], at_once: int) -> Iterator[list[Row]]:
    with pq.ParquetFile(path) as file:
        present = set(file.schema_arrow.names)
        names = [one.name for one in columns if one.name in present]
        for batch in file.iter_batches(batch_size=at_once, columns=names):
            nothing = [None] * batch.num_rows
            values = [
                batch.column(one.name).to_pylist() if one.name in present else nothing
                for one in columns
            ]
            yield list(zip(*values, strict=True))


def _csv(path: Path, columns: Sequence[ScanColumn], at_once: int) -> Iterator[list[Row]]:
    csv.field_size_limit(sys.maxsize)  # a refused item may be larger than the usual limit
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file, strict=True)
        header = next(lines)
        places = [(header.index(c.name) if c.name in header else None, c) for c in columns]
        while some := list(islice(lines, at_once)):
            yield [
                tuple(None if n is None else _cell(line[n], one) for n, one in places)
                for line in some
            ]


def _cell(cell: str, column: ScanColumn) -> Any:
    if not cell and column.nullable:
        return None
    return cell if column.type == "text" else _FROM_TEXT[column.type](cell)


def _json(path: Path, columns: Sequence[ScanColumn], at_once: int) -> Iterator[list[Row]]:
    names = [one.name for one in columns]
    with path.open(encoding="utf-8", newline="\n") as file:
        while some := [json.loads(line) for line in islice(file, at_once)]:
            yield [tuple(map(row.get, names)) for row in some]
