"""One change of definitions at a time, so that what a check saw still holds at the commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from experiments.store.database import DEADLINE, Connection, Database
from experiments.store.live import advance_version


@contextmanager
def change(database: Database, deadline: float = DEADLINE) -> Iterator[Connection]:
    """A transaction that waits for every other change, sees it, and tells all workers of its own.

    Its first statement takes the lock on the one live row; each later one sees what those before
    it have committed.
    """
    with database.append(deadline) as connection:
        advance_version(connection)
        yield connection
