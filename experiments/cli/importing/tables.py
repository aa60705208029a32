"""Tables of a warehouse: one exposure or one outcome a row, mapped by the names of columns.

The names that are known are those of GrowthBook's data sources, of Segment and the like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal

import click

from experiments.cli.importing.loading import ItemsOf
from experiments.cli.importing.position import LinePosition, Position, file_key
from experiments.cli.importing.reading import BadLine, DataFile, Line
from experiments.cli.importing.units import Item, Refused, name_in, number_in
from experiments.definitions.errors import Invalid
from experiments.definitions.lifecycle import Standing
from experiments.definitions.time import parse_instant
from experiments.registry import Experiments
from experiments.store.database import Database

TableKind = Literal["exposures", "outcomes"]

# What each field's column is usually called; the first name wins over all others.
_NAMES = {
    "timestamp": ("timestamp", "event_timestamp", "received_at", "occurred_at", "time", "ts"),
    "unit": ("unit_id", "user_id", "userid", "anonymous_id", "device_id", "visitor_id", "user"),
    "experiment": ("experiment_id", "experiment_key", "experiment"),
    "variant": ("variation_id", "variation_key", "variation", "variant_id", "variant"),
    "event": ("event", "event_name", "event_type"),
    "value": ("value", "amount", "revenue"),
    "event_id": ("event_id", "message_id", "insert_id", "uuid"),
}
FIELDS: dict[TableKind, tuple[str, ...]] = {
    "exposures": ("timestamp", "unit", "experiment", "variant"),
    "outcomes": ("timestamp", "unit", "event", "value", "event_id"),
}
_OPTIONAL = {"value", "event_id"}
_SAMPLE = 100  # lines that are looked at for the names of columns; JSON may leave some out
# As databases write times: a blank for the T, UTC in words, an offset of hours only.
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d+)?) ?(UTC|[Zz]|[+-]\d\d(?::?\d\d)?)?"
)


@dataclass(frozen=True, slots=True)
class TableMapping:
    """Which column holds which field. `experiment` and `event` stand for a column that is not."""

    kind: TableKind
    columns: Mapping[str, str]
    experiment: str | None
    event: str | None

    def __str__(self) -> str:
        return ", ".join(f"{name}={column}" for name, column in self.columns.items())


def map_columns(
    source: DataFile,
    kind: TableKind,
    given: Mapping[str, str],
    *,
    unit_type: str | None,
    experiment: str | None,
    event: str | None,
) -> TableMapping:
    """Find the columns that are not given by their usual names.

    Raises `Invalid`: COLUMN_MISSING, COLUMN_AMBIGUOUS.
    """
    sample = islice(source.lines(None), _SAMPLE)
    names = list(dict.fromkeys(n for one in sample if isinstance(one, Line) for n in one.cells))
    for field, column in given.items():
        if names and column not in names:
            raise Invalid(
                "COLUMN_MISSING",
                f"{source.path.name} has no column {column!r} for the {field}; it has"
                f" {', '.join(names)}",
            )
    said = {"experiment": experiment, "event": event}
    columns = {}
    for field in FIELDS[kind]:
        if field not in given and said.get(field) is not None:
            continue
        named = given.get(field) or _usual(field, names, unit_type, source)
        if named is not None:
            columns[field] = named
        elif names and field not in _OPTIONAL:
            instead = f", or say --{field}" if field in said else ""
            raise Invalid(
                "COLUMN_MISSING",
                f"no column of {source.path.name} is called as the {field} usually is; name it:"
                f" --column {field}=COLUMN{instead}. It has {', '.join(names)}",
            )
    return TableMapping(kind, columns, experiment, event)


def _usual(field: str, names: Iterable[str], unit_type: str | None, source: DataFile) -> str | None:
    """The column with a usual name, None where there is none."""
    usual = _NAMES[field]
    if field == "unit" and unit_type is not None:
        usual = (f"{unit_type}_id", unit_type, *usual)
    found = [name for name in names if name.lower() in usual]
    first = [name for name in found if name.lower() == usual[0]]
    if len(first) == 1:
        return first[0]
    if len(found) > 1:
        raise Invalid(
            "COLUMN_AMBIGUOUS",
            f"{' and '.join(found)} of {source.path.name} may hold the {field}; say which: --column"
            f" {field}={found[0]}",
        )
    return found[0] if found else None


def prepare_table(
    database: Database,
    environment: str,
    source: DataFile,
    kind: TableKind,
    given: Mapping[str, str],
    *,
    unit_type: str | None,
    experiment: str | None,
    event: str | None,
    utc: bool,
) -> tuple[list[str], ItemsOf, LinePosition]:
    """The columns that are read, what makes events of them, and where an earlier try stopped."""
    mapping = map_columns(
        source, kind, given, unit_type=unit_type, experiment=experiment, event=event
    )
    click.echo(f"Columns: {mapping}", err=True)
    found = Experiments(database, lambda: None).search(environment)
    rows = TableRows(
        mapping,
        {one.experiment.key: one for one in found},
        unit_type=unit_type or "id",
        utc=utc,
    )
    told = {**asdict(mapping), "format": source.format, "unit_type": unit_type, "utc": utc}
    position = Position(database, environment, file_key(source.path, told))
    return list(mapping.columns.values()), rows.items, LinePosition(position)


class TableRows:
    """Rows as events. `utc`: a time without an offset is one of UTC, and not refused."""

    def __init__(
        self,
        mapping: TableMapping,
        standings: Mapping[str, Standing],
        *,
        unit_type: str,
        utc: bool,
    ) -> None:
        self._mapping = mapping
        self._columns = mapping.columns
        self._standings = standings
        self._unit_type = unit_type
        self._utc = utc

    def items(self, line: Line) -> list[Item] | BadLine:
        make = self._exposure if self._mapping.kind == "exposures" else self._outcome
        try:
            return [make(line.cells)]
        except Refused as refused:
            return line.refuse(refused.code, refused.reason)

    def _exposure(self, cells: dict[str, Any]) -> Item:
        key = self._mapping.experiment or self._name(cells, "experiment")
        standing = self._standings.get(key)
        if standing is None:
            raise Refused(
                "UNKNOWN_EXPERIMENT",
                f"there is no experiment {key!r} in this environment; create it first",
            )
        return {
            "type": "exposure",
            "experiment": key,
            "variant": _variant(standing, self._name(cells, "variant")),
            "unit_id": self._name(cells, "unit"),
            "unit_type": standing.experiment.unit_type,
            "timestamp": self._time(cells),
        }

    def _outcome(self, cells: dict[str, Any]) -> Item:
        item: Item = {
            "type": "outcome",
            "event": self._mapping.event or self._name(cells, "event"),
            "unit_id": self._name(cells, "unit"),
            "unit_type": self._unit_type,
            "timestamp": self._time(cells),
        }
        if "event_id" in self._columns:
            item["event_id"] = self._name(cells, "event_id")
        value = self._cell(cells, "value") if "value" in self._columns else None
        if value is not None:
            item["value"] = number_in(value, self._columns["value"])
        return item

    def _name(self, cells: dict[str, Any], field: str) -> str:
        return name_in(cells.get(self._columns[field]), field, self._columns[field])

    def _cell(self, cells: dict[str, Any], field: str) -> Any:
        cell = cells.get(self._columns[field])
        return None if isinstance(cell, str) and not cell.strip() else cell

    def _time(self, cells: dict[str, Any]) -> str:
        cell, column = self._cell(cells, "timestamp"), self._columns["timestamp"]
        if cell is None:
            raise Refused("TIMESTAMP_MISSING", f"no time in column {column!r}")
        text = cell.isoformat() if isinstance(cell, datetime) else cell
        read = _TIME.fullmatch(text.strip()) if isinstance(text, str) else None
        if read is None:
            raise Refused("TIMESTAMP_INVALID", f"column {column!r} holds {cell!r}; that is no time")
        day, clock, offset = read.groups()
        if offset is None and not self._utc:
            raise Refused(
                "TIMESTAMP_INVALID",
                f"column {column!r} holds {text!r}, a time without an offset; add --utc where such"
                " times are UTC",
            )
        written = f"{day}T{clock}{_offset(offset)}"
        try:
            parse_instant(written)
        except (ValueError, OverflowError):
            raise Refused("TIMESTAMP_INVALID", f"{text!r} is no time of any day") from None
        return written


def _variant(standing: Standing, text: str) -> str:
    """The key of a variant, which a table names by its key or by its place from 0."""
    variants = standing.experiment.variants
    if standing.experiment.variant(text) is not None:
        return text
    if text.isascii() and text.isdecimal() and int(text) < len(variants):
        return variants[int(text)].key
    known = ", ".join(f"{place} = {one.key}" for place, one in enumerate(variants))
    raise Refused(
        "UNKNOWN_VARIANT",
        f"{standing.experiment.key!r} has no variant {text!r}; it has {known}",
    )


def _offset(text: str | None) -> str:
    if text is None or text.upper() in {"UTC", "Z"}:
        return "Z"
    digits = text[1:].replace(":", "").ljust(4, "0")
    return f"{text[0]}{digits[:2]}:{digits[2:]}"
