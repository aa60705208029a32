"""Everything that is defined, row by row and with its history, to be taken elsewhere.

Keys are not among it: a secret that was given to somebody opens one service only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from experiments.store import tables

Document = dict[str, Any]

IMPORT = "import"  # the subject under which the audit keeps how far an import came

# By the names that people know them by, in the order in which they can be put back.
_TABLES = {
    "environments": tables.environments,
    "segments": tables.segments,
    "layers": tables.layers,
    "metrics": tables.metrics,
    "features": tables.features,
    "experiments": tables.experiments,
    "history": tables.audit,
    "notices": tables.notices,
}
DEFINITION_KINDS = tuple(_TABLES)
HISTORY_KINDS = ("history", "notices")
_AT_ONCE = 200


def read_definition_rows(
    connection: Connection, kind: str, environments: Sequence[str] | None
) -> Iterator[Document]:
    """The rows of one kind by key, of these environments (None: of all), as JSON."""
    table = _TABLES[kind]
    query = sa.select(table).order_by(*table.primary_key)
    if environments is not None:
        query = query.where(_environment(table).in_(environments))
    if kind == "history":
        query = query.where(tables.audit.c.subject.not_in(["key", IMPORT]))
    found = connection.execute(query, execution_options={"yield_per": _AT_ONCE})
    for row in found.mappings():
        yield dict(row)


def insert_definition_rows(connection: Connection, kind: str, rows: Iterable[Document]) -> int:
    """Insert the rows whose keys are free; the number that were written."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(_TABLES[kind])
    waiting = iter(rows)
    written = 0
    while some := list(islice(waiting, _AT_ONCE)):
        statement = insert.values(some).on_conflict_do_nothing()
        counted = {"preserve_rowcount": True}  # PostgreSQL gives -1 for an INSERT otherwise
        written += connection.execute(statement, execution_options=counted).rowcount
    return written


def _environment(table: sa.Table) -> sa.Column[Any]:
    return table.c.key if table is tables.environments else table.c.environment
