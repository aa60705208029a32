"""Files of units as batches of Arrow: Parquet and CSV, read and written in bounded memory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from experiments.definitions.errors import Invalid

_ROWS, _BYTES = 1 << 16, 1 << 22
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LONGEST_NUMBER = 40  # characters; longer rows of digits are texts
_WORDS = {"": None, "true": True, "false": False}

Row = dict[str, Any]
# The ids, the attributes of each row, and how much of the file's length they took.
Batch = tuple[pa.Array, Iterable[Row], int]


@dataclass(frozen=True, slots=True)
class UnitFile:
    """`columns` are those that attributes come from; a dotted name stands for a nested one."""

    path: Path
    unit: str
    columns: tuple[str, ...]

    def length(self) -> int:
        """Rows of Parquet, bytes of CSV: what the way of the batches adds up to."""
        if _is_csv(self.path):
            return self.path.stat().st_size
        with pq.ParquetFile(self.path) as file:
            return int(file.metadata.num_rows)

    def batches(self) -> Iterator[Batch]:
        """Raises `Invalid`: FILE_UNREADABLE, UNIT_TYPE."""
        read = self._csv if _is_csv(self.path) else self._parquet
        try:
            for batch, way in read([*dict.fromkeys([self.unit, *self.columns])]):
                yield _texts(batch.column(self.unit), self.unit), self._rows(batch), way
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error

    def _parquet(self, columns: list[str]) -> Iterator[tuple[pa.RecordBatch, int]]:
        # Buffering ahead keeps every row group until the end.
        with pq.ParquetFile(self.path, pre_buffer=False) as file:
            for batch in file.iter_batches(_ROWS, columns=columns):
                yield batch, len(batch)

    def _csv(self, columns: list[str]) -> Iterator[tuple[pa.RecordBatch, int]]:
        with self.path.open("rb") as file:
            seen = 0
            for batch in _open_csv(file, columns):
                at = file.tell()
                yield batch, at - seen
                seen = at

    def _rows(self, batch: pa.RecordBatch) -> Iterator[Row]:
        if not self.columns:
            return iter({} for _ in range(len(batch)))
        cells = [_values(batch.column(name)) for name in self.columns]
        if _is_csv(self.path):
            cells = [[_cell(text) for text in column] for column in cells]
        rows = zip(*cells, strict=True)
        return (_nested(zip(self.columns, row, strict=True)) for row in rows)


def unit_file(path: Path, unit: str, attributes: Sequence[str]) -> UnitFile:
    """Raises `Invalid`: FORMAT_UNKNOWN, FILE_UNREADABLE, COLUMN_MISSING."""
    names = _column_names(path)
    sources = {one: _source(one, names, structs=not _is_csv(path)) for one in attributes}
    missing = [one for one, column in sources.items() if column is None]
    if unit not in names:
        missing.insert(0, unit)
    if missing:
        raise Invalid(
            "COLUMN_MISSING",
            f"{path.name} has no column {', '.join(map(repr, missing))}; --unit names the column"
            " of the ids, and the audience of the experiment needs one for each attribute that it"
            f" looks at. The file has: {', '.join(names)}",
        )
    return UnitFile(path, unit, tuple(dict.fromkeys(filter(None, sources.values()))))


def _source(attribute: str, names: list[str], *, structs: bool) -> str | None:
    """The column that an attribute comes from: its own, or the struct that holds it."""
    if attribute in names:
        return attribute
    first = attribute.split(".", maxsplit=1)[0]
    return first if structs and first in names else None


@contextmanager
def output_file(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """A writer of batches; the file appears under its name only when all is written."""
    partial = path.with_name(f".{path.name}.partial")
    make = pv.CSVWriter if _is_csv(path) else pq.ParquetWriter
    try:
        with make(partial, schema) as writer:
            yield writer.write_batch
        partial.replace(path)
    except OSError as error:
        raise Invalid("OUTPUT_UNWRITABLE", f"{path} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _is_csv(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".parquet"}:
        raise Invalid("FORMAT_UNKNOWN", f"{path.name}: name a file that ends in .csv or .parquet")
    return suffix == ".csv"


def _column_names(path: Path) -> list[str]:
    try:
        if _is_csv(path):
            with path.open("rb") as file:
                return [str(name) for name in _open_csv(file, []).schema.names]
        with pq.ParquetFile(path) as parquet:
            return [str(name) for name in parquet.schema_arrow.names]
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def _open_csv(file: Any, columns: list[str]) -> Any:
    """Every column as text: an id such as 007 stays what it is."""
    return pv.open_csv(
        file,
        read_options=pv.ReadOptions(block_size=_BYTES),
        parse_options=pv.ParseOptions(newlines_in_values=True),
        convert_options=pv.ConvertOptions(
            include_columns=columns,
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=False,
        ),
    )


def _unreadable(path: Path, error: Exception) -> Invalid:
    return Invalid("FILE_UNREADABLE", f"{path.name} cannot be read: {error}")


def _texts(column: pa.Array, name: str) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if not (
        pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    ):
        raise Invalid(
            "UNIT_TYPE", f"the column {name!r} holds {kind}; ids are texts or whole numbers"
        )
    return column.cast(pa.string())


def _values(column: pa.Array) -> list[Any]:
    """As JSON would have them: times are texts, decimals are numbers."""
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.string())
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    values: list[Any] = column.to_pylist()
    return values


def _cell(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _LONGEST_NUMBER or not _JSON_NUMBER.fullmatch(text):
        return text
    return json.loads(text)


def _nested(cells: Iterable[tuple[str, Any]]) -> Row:
    row: Row = {}
    for path, value in cells:
        *above, last = path.split(".")
        place = row
        for name in above:
            within = place.get(name)
            if not isinstance(within, dict):
                within = place[name] = {}
            place = within
        place[last] = value
    return row
