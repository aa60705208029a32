"""Many rows in one statement, in the way that is fast on each engine.

SQLite takes them as parameters (its JSON functions would round floats), a hundred rows in one
statement: the driver lets go of the interpreter's lock for each step of a statement, and with
other threads at work each row would wait to get it back. PostgreSQL takes them as one JSON text
that it unfolds itself, one round trip for any number of rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

Row = tuple[Any, ...]
_TOGETHER = 100  # rows of a statement; SQLite takes 32,766 parameters, a row has at most 16
_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def insert(connection: Connection, table: sa.Table, rows: Sequence[Row], on_conflict: str) -> int:
    """Insert rows that hold every column in the table's order; the number that were written.

    Rows go in by primary key, so that two transactions that write the same ones wait for each
    other instead of locking each other out.
    """
    if not rows:
        return 0
    width = len(table.primary_key)
    ordered = sorted(rows, key=itemgetter(*range(width)))
    dialect = connection.dialect
    if not _is_sqlite(dialect):
        statement = _insert_statement(table, on_conflict, dialect)
        return connection.exec_driver_sql(statement, (_to_json(ordered),)).rowcount
    whole = len(ordered) - len(ordered) % _TOGETHER
    many = _insert_statement(table, on_conflict, dialect, _TOGETHER)
    changed = 0
    for start in range(0, whole, _TOGETHER):
        values = tuple(chain.from_iterable(ordered[start : start + _TOGETHER]))
        changed += connection.exec_driver_sql(many, values).rowcount
    if rest := ordered[whole:]:
        statement = _insert_statement(table, on_conflict, dialect)
        changed += connection.exec_driver_sql(statement, rest).rowcount
    return changed


def find(
    connection: Connection, table: sa.Table, keys: Sequence[Row], columns: Sequence[str]
) -> dict[Row, Row]:
    """The named columns of the rows that exist, by primary key."""
    if not keys:
        return {}
    statement = _find_statement(table, tuple(columns), connection.dialect)
    width = len(table.primary_key)
    found = connection.exec_driver_sql(statement, (_to_json(keys),))
    return {tuple(row[:width]): tuple(row[width:]) for row in found}


def delete(connection: Connection, table: sa.Table, keys: Sequence[Row]) -> int:
    """Delete rows by primary key and `change_seq`, the last of each; the number that were there."""
    if not keys:
        return 0
    statement = _delete_statement(table, connection.dialect)
    ordered = sorted(keys)
    parameters = ordered if _is_sqlite(connection.dialect) else (_to_json(ordered),)
    return connection.exec_driver_sql(statement, parameters).rowcount


def primary_key(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.primary_key)


def _is_sqlite(dialect: Dialect) -> bool:
    return dialect.name == "sqlite"


@cache
def _insert_statement(table: sa.Table, on_conflict: str, dialect: Dialect, rows: int = 1) -> str:
    names = [column.name for column in table.columns]
    target = f"INSERT INTO {table.name} ({', '.join(names)})"
    conflict = f"ON CONFLICT ({', '.join(primary_key(table))}) {on_conflict}"
    if _is_sqlite(dialect):
        places = f"({', '.join('?' * len(names))})"
        return f"{target} VALUES {', '.join([places] * rows)} {conflict}"
    values = (
        f"(item->>{place})::{column.type.compile(dialect)}"
        for place, column in enumerate(table.columns)
    )
    return (
        f"{target} SELECT {', '.join(values)}"  # noqa: S608 — the names are our own
        f" FROM jsonb_array_elements(%s::jsonb) AS sent(item) {conflict}"
    )


@cache
def _find_statement(table: sa.Table, columns: tuple[str, ...], dialect: Dialect) -> str:
    key = primary_key(table)
    wanted = ", ".join(f"found.{name}" for name in (*key, *columns))
    if _is_sqlite(dialect):
        on = (f"found.{n} = json_extract(sent.value, '$[{i}]')" for i, n in enumerate(key))
        source = f"json_each(?) AS sent CROSS JOIN {table.name} AS found"
    else:
        on = (
            f"found.{name} = (sent.item->>{place})::{table.c[name].type.compile(dialect)}"
            for place, name in enumerate(key)
        )
        source = f"jsonb_array_elements(%s::jsonb) AS sent(item), {table.name} AS found"
    return f"SELECT {wanted} FROM {source} WHERE {' AND '.join(on)}"  # noqa: S608 — as above


@cache
def _delete_statement(table: sa.Table, dialect: Dialect) -> str:
    names = (*primary_key(table), "change_seq")
    if _is_sqlite(dialect):
        where = " AND ".join(f"{name} = ?" for name in names)
        return f"DELETE FROM {table.name} WHERE {where}"  # noqa: S608 — as above
    on = (
        f"{table.name}.{name} = (sent.item->>{place})::{table.c[name].type.compile(dialect)}"
        for place, name in enumerate(names)
    )
    return (
        f"DELETE FROM {table.name} USING jsonb_array_elements(%s::jsonb) AS sent(item)"  # noqa: S608
        f" WHERE {' AND '.join(on)}"
    )
