"""Where the event log stands: one number that orders what was committed.

Every row of the log carries the `change_seq` of the transaction that wrote it last. A watermark
is a `change_seq` at or below which nothing can appear any more, so that a report that reads up to
it skips nothing that commits late. Zero is the empty log.

SQLite has one writer at a time: a counter that advances inside the write transaction is in the
order of the commits. PostgreSQL has many: there the number is the transaction's id, and everything
below the oldest id still in flight (`pg_snapshot_xmin`) has ended.
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from experiments.definitions.errors import Unavailable
from experiments.store import tables
from experiments.store.database import DEADLINE, Database

_COUNTER = tables.change_counter.c.value
_STEP = 0.01  # seconds between two looks at the transactions in flight

# A change of the archive and the writing of events exclude each other, so that a writer sees each
# row in the log or in the archive. SQLite has one writer anyway.
_ARCHIVE_LOCK = {"lock": 7203110447}
# xid8 has no cast to bigint; its text has.
_TRANSACTION = sa.text(
    "SELECT pg_current_xact_id()::text::bigint FROM pg_advisory_xact_lock_shared(:lock)"
)
_EXCLUDE = sa.text("SELECT pg_advisory_xact_lock(:lock)")
_IN_FLIGHT = sa.text(
    "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint"
    " FROM pg_current_snapshot() AS s"
)


def advance(connection: Connection) -> int:
    """The `change_seq` of this write transaction."""
    if connection.dialect.name == "sqlite":
        statement = sa.update(tables.change_counter).values(value=_COUNTER + 1).returning(_COUNTER)
        return int(connection.execute(statement).scalar_one())
    return int(connection.execute(_TRANSACTION, _ARCHIVE_LOCK).scalar_one())


def exclude_writers(connection: Connection) -> None:
    """Let no transaction write events until this one has ended."""
    if connection.dialect.name != "sqlite":
        connection.execute(_EXCLUDE, _ARCHIVE_LOCK)


def read_watermark(database: Database) -> int:
    """The last change of the log; everything acknowledged before the call is at or below it.

    It stays where it is while nothing is written. Raises `Unavailable` LOG_BUSY where a
    transaction that had begun before the call does not end in time, on PostgreSQL only.
    """
    if database.is_sqlite:
        with database.read() as connection:
            return int(connection.execute(sa.select(_COUNTER)).scalar_one())
    deadline = time.monotonic() + DEADLINE
    target: int | None = None
    while True:
        # A new transaction for each look: one alone would see the same snapshot for ever.
        with database.read() as connection:
            oldest, following = connection.execute(_IN_FLIGHT).one()
            if target is None:
                target = following
            if oldest >= target:
                return _last_change(connection, oldest)
        if time.monotonic() >= deadline:
            raise Unavailable(
                "LOG_BUSY", "a long write holds the event log; send the request again"
            )
        time.sleep(_STEP)


def _last_change(connection: Connection, below: int) -> int:
    newest = [
        sa.select(sa.func.max(table.c.change_seq)).where(table.c.change_seq < below)
        for table in (tables.exposures, tables.outcomes, tables.links, tables.archive_files)
    ]
    found = connection.execute(sa.union_all(*newest)).scalars()
    return max((seq for seq in found if seq is not None), default=0)
