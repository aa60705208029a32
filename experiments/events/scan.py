"""The whole log in order of time, as rows: the one way in which it is read to be taken elsewhere.

What a table holds is described by columns that mean the same everywhere; the numbers that order
the commits of one store (`created_seq`, `change_seq`) are not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from experiments.definitions.time import Instant
from experiments.events.bulk import Row
from experiments.store import tables

Type = Literal["text", "int64", "float64", "bool"]

_SEQUENCES = {"created_seq", "change_seq"}
_TYPES: dict[type[Any], Type] = {
    sa.Text: "text",
    sa.JSON: "text",
    sa.Integer: "int64",
    sa.BigInteger: "int64",
    sa.Double: "float64",
    sa.Boolean: "bool",
}


@dataclass(frozen=True, slots=True)
class ScanColumn:
    """A column; one of JSON is text, as it was stored."""

    name: str
    type: Type
    nullable: bool


@dataclass(frozen=True, slots=True)
class ScanTable:
    """A table of the log, its columns in the order of its rows; the first is `environment`.

    `at` is the column by whose time rows are ordered and cut; `rows_at_once` keeps what is held
    at one time within some 50 MB, whatever the rows hold.
    """

    name: str
    columns: tuple[ScanColumn, ...]
    at: str
    rows_at_once: int


@dataclass(frozen=True, slots=True)
class Extent:
    """Which rows: of these environments (None: all), from `since` on and before `until`."""

    environments: tuple[str, ...] | None = None
    since: Instant | None = None
    until: Instant | None = None


def scan(connection: Connection, table: ScanTable, extent: Extent) -> Iterator[Sequence[Row]]:
    """Rows in batches, by environment, time and key. Memory does not grow with the log."""
    selected = _selected(table.name)
    at = _column(selected, table.at)
    order = [_column(selected, "environment"), at, *tables.metadata.tables[table.name].primary_key]
    query = sa.select(*(_readable(_column(selected, one.name)) for one in table.columns))
    query = _within(query.select_from(_source(table.name)), selected, at, extent).order_by(*order)
    found = connection.execute(query, execution_options={"yield_per": table.rows_at_once})
    for rows in found.partitions():
        yield [tuple(row) for row in rows]


def count(connection: Connection, table: ScanTable, extent: Extent) -> int:
    """How many rows `scan` gives."""
    selected = _selected(table.name)
    query = sa.select(sa.func.count()).select_from(_source(table.name))
    query = _within(query, selected, _column(selected, table.at), extent)
    return int(connection.execute(query).scalar_one())


def _within(
    query: sa.Select[Any],
    selected: Sequence[sa.Column[Any]],
    at: sa.Column[Any],
    extent: Extent,
) -> sa.Select[Any]:
    if extent.environments is not None:
        query = query.where(_column(selected, "environment").in_(extent.environments))
    if extent.since is not None:
        query = query.where(at >= extent.since)
    if extent.until is not None:
        query = query.where(at < extent.until)
    return query


def _selected(name: str) -> list[sa.Column[Any]]:
    own = [one for one in tables.metadata.tables[name].columns if one.name not in _SEQUENCES]
    if name == tables.outcome_ids.name:
        # Further ids have the time of their outcome, and belong to it as long as it has this body.
        own += [tables.outcomes.c.digest, tables.outcomes.c.at]
    return own


def _source(name: str) -> sa.FromClause:
    table = tables.metadata.tables[name]
    if name != tables.outcome_ids.name:
        return table
    outcomes = tables.outcomes
    same = (table.c.environment == outcomes.c.environment) & (
        table.c.event_id == outcomes.c.event_id
    )
    return table.join(outcomes, same)


def _column(selected: Sequence[sa.Column[Any]], name: str) -> sa.Column[Any]:
    return next(one for one in selected if one.name == name)


def _readable(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    if isinstance(column.type, sa.JSON):
        return sa.cast(column, sa.Text).label(column.name)
    return column


def _described(name: str, at: str, rows_at_once: int = 2_000) -> ScanTable:
    columns = (
        ScanColumn(one.name, _TYPES[type(one.type)], bool(one.nullable)) for one in _selected(name)
    )
    return ScanTable(name, tuple(columns), at, rows_at_once)


# In the order in which they can be put back: further ids after their outcomes.
SCAN_TABLES = (
    _described("exposures", "first_at"),
    _described("outcomes", "at"),
    _described("outcome_ids", "at"),
    _described("links", "first_at"),
    _described("sticky_assignments", "created_at"),
    _described("dead_letters", "received_at", rows_at_once=50),  # bodies of up to 1 MB
)
