"""One row per unit: what the columns mean, and the events that a row stands for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from experiments.cli.importing.reading import BadLine, Line
from experiments.definitions.errors import Invalid
from experiments.definitions.time import Instant, parse_instant
from experiments.events.event_ids import digest_of
from experiments.events.reading import MAX_NAME

Item = dict[str, Any]

_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})
MOST_VARIANTS = 50


@dataclass(frozen=True, slots=True)
class OutcomeColumn:
    event: str
    column: str


@dataclass(frozen=True, slots=True)
class Mapping:
    """Which column holds what. `exposed_at` None: the time of the import stands for it."""

    experiment: str
    unit: str
    variant: str
    outcomes: tuple[OutcomeColumn, ...]
    exposed_at: str | None

    @property
    def columns(self) -> list[str]:
        times = [] if self.exposed_at is None else [self.exposed_at]
        return [self.unit, self.variant, *times, *(one.column for one in self.outcomes)]


@dataclass(slots=True)
class Survey:
    """What a first pass saw: rows by variant, columns that hold numbers, the earliest time."""

    variants: dict[str, int] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)
    numeric: set[str] = field(default_factory=set)
    earliest: Instant | None = None


class Refused(Exception):
    """Why a row is no event."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def survey(lines: Iterable[Line | BadLine], mapping: Mapping) -> Survey:
    """Look at the whole file once, so that a column means the same in every row.

    A column of outcomes is boolean where every cell is true, false, yes, no, 1, 0 or blank, and
    numeric where one holds another number. Raises `Invalid`: TOO_MANY_VARIANTS, COLUMN_MISSING.
    """
    seen = Survey()
    for line in lines:
        if isinstance(line, BadLine):
            continue
        cells = line.cells
        seen.columns.update(name for name in cells if name not in seen.columns)
        for one in mapping.outcomes:
            if one.column not in seen.numeric and _is_quantity(cells.get(one.column)):
                seen.numeric.add(one.column)
        try:
            variant = name_in(cells.get(mapping.variant), "variant", mapping.variant)
            at = _instant(cells, mapping.exposed_at)
        except Refused:
            continue
        seen.variants[variant] = seen.variants.get(variant, 0) + 1
        if len(seen.variants) > MOST_VARIANTS:
            raise Invalid(
                "TOO_MANY_VARIANTS",
                f"column {mapping.variant!r} holds more than {MOST_VARIANTS} different texts; name"
                " the column of the variant with --variant",
            )
        if at is not None and (seen.earliest is None or at < seen.earliest):
            seen.earliest = at
    missing = [name for name in mapping.columns if name not in seen.columns]
    if missing and seen.columns:
        raise Invalid("COLUMN_MISSING", f"no line has a field {missing[0]!r}")
    return seen


class UnitRows:
    """Rows as events: one exposure, and an outcome for each column that says so."""

    def __init__(
        self, mapping: Mapping, *, variants: frozenset[str], unit_type: str, numeric: set[str]
    ) -> None:
        self._mapping = mapping
        self._variants = variants
        self._unit_type = unit_type
        self._outcomes = [
            (one.event, one.column, one.column in numeric, quote(one.event, safe=" "))
            for one in mapping.outcomes
        ]

    def items(self, line: Line) -> list[Item] | BadLine:
        """The events of a row, all or none of them."""
        try:
            return self._items(line.cells)
        except Refused as refused:
            return line.refuse(refused.code, refused.reason)

    def _items(self, cells: dict[str, Any]) -> list[Item]:
        mapping = self._mapping
        unit = name_in(cells.get(mapping.unit), "unit", mapping.unit)
        variant = name_in(cells.get(mapping.variant), "variant", mapping.variant)
        if variant not in self._variants:
            raise Refused(
                "UNKNOWN_VARIANT",
                f"{mapping.experiment!r} has no variant {variant!r}; it has"
                f" {', '.join(sorted(self._variants))}",
            )
        common: Item = {"unit_id": unit, "unit_type": self._unit_type}
        at = _timestamp(cells, mapping.exposed_at)
        if at is not None:
            common["timestamp"] = at
        exposure = {"experiment": mapping.experiment, "variant": variant}
        items = [{"type": "exposure", **exposure, **common}]
        for event, column, numeric, quoted in self._outcomes:
            value = _value(cells.get(column), column, numeric=numeric)
            if value:
                event_id = f"import:{mapping.experiment}:{quoted}:{unit}"
                if len(event_id) > MAX_NAME:
                    event_id = f"import:{digest_of(event_id)}"
                item = {"type": "outcome", "event": event, "event_id": event_id, **common}
                items.append({**item, "value": value} if numeric else item)
        return items


def name_in(cell: Any, what: str, column: str) -> str:
    """A unit or a variant as text: texts and whole numbers name things, fractions do not."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        raise Refused(f"{what.upper()}_MISSING", f"no {what} in column {column!r}")
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, int):
        return str(cell)
    raise Refused(
        f"{what.upper()}_INVALID",
        f"column {column!r} holds {cell!r}; a {what} is a text or a whole number",
    )


def _timestamp(cells: dict[str, Any], column: str | None) -> str | None:
    """The time as it is sent, in the file's own words where it has any."""
    if column is None:
        return None
    cell = cells.get(column)
    text = cell.isoformat() if isinstance(cell, datetime) else cell
    if not isinstance(text, str) or not text.strip():
        raise Refused("TIMESTAMP_MISSING", f"no time in column {column!r}")
    try:
        parse_instant(text)
    except (ValueError, OverflowError):
        raise Refused(
            "TIMESTAMP_INVALID",
            f"column {column!r} holds {text!r}; a time has a date and an offset, such as"
            " 2026-01-31T09:30:00Z",
        ) from None
    return text


def _instant(cells: dict[str, Any], column: str | None) -> Instant | None:
    text = _timestamp(cells, column)
    return None if text is None else parse_instant(text)


def _is_quantity(cell: Any) -> bool:
    """A number that no boolean column holds."""
    if isinstance(cell, bool):
        return False
    number = _number(cell)
    return number is not None and math.isfinite(number) and number not in {0, 1}


def _value(cell: Any, column: str, *, numeric: bool) -> float | None:
    """The outcome's value: None or 0 where there is no outcome, 1 for a yes."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    word = str(cell).strip().lower()
    if not numeric and word in _TRUE | _FALSE:
        return float(word in _TRUE)
    number = None if isinstance(cell, bool) else _number(cell)
    if not numeric and number not in {0, 1}:
        raise Refused(
            "VALUE_INVALID",
            f"column {column!r} holds {cell!r} where it has true, false, yes, no, 1 or 0",
        )
    return number_in(cell, column)


def number_in(cell: Any, column: str) -> float:
    number = None if isinstance(cell, bool) else _number(cell)
    if number is None:
        raise Refused("VALUE_INVALID", f"column {column!r} holds {cell!r} where it has a number")
    if not math.isfinite(number):
        raise Refused("VALUE_NOT_FINITE", f"column {column!r} holds {cell!r}; a value is finite")
    return number


def _number(cell: Any) -> float | None:
    """A cell as a number; not with the underscores that Python allows in a text."""
    if isinstance(cell, str) and "_" in cell:
        return None
    if not isinstance(cell, str | int | float | Decimal):
        return None
    try:
        return float(cell)
    except ValueError:
        return None
    except OverflowError:
        return math.inf
