"""The version of everything that assignment reads: one small row, polled by every worker."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from experiments.store.tables import live


def read_version(connection: Connection) -> int:
    version: int = connection.execute(sa.select(live.c.version)).scalar_one()
    return version


def advance_version(connection: Connection) -> None:
    """Tell every worker that something changed; part of the transaction that changes it."""
    connection.execute(sa.update(live).values(version=live.c.version + 1))
