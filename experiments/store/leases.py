"""Leases: one process at a time may do a thing, until it lets go or its time runs out.

Each step is one conditional statement, so that of many processes the database lets one win. Times
are those of the process that asks: machines whose clocks differ by more than a lease may both hold
it, so whatever a holder does must be safe to be tried twice.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from experiments.definitions.time import Instant
from experiments.store.database import Connection, Database
from experiments.store.tables import leases


def take_lease(database: Database, name: str, holder: str, at: Instant, until: Instant) -> bool:
    """Take it, or renew the one that `holder` has; False while another holds it."""
    insert = sqlite.insert if database.is_sqlite else postgresql.insert
    statement = insert(leases).values(name=name, holder=holder, expires_at=until)
    with database.append() as connection:
        taken = connection.execute(
            statement.on_conflict_do_update(
                index_elements=[leases.c.name],
                set_={"holder": holder, "expires_at": until},
                where=sa.or_(leases.c.holder == holder, leases.c.expires_at <= at),
            ).returning(leases.c.name)
        )
        return taken.first() is not None


def keep_lease(connection: Connection, name: str, holder: str, until: Instant) -> bool:
    """Renew it within a transaction that must not be committed by who has lost it."""
    statement = sa.update(leases).where(leases.c.name == name, leases.c.holder == holder)
    return connection.execute(statement.values(expires_at=until)).rowcount == 1


def release_lease(database: Database, name: str, holder: str) -> None:
    """Let the next process take it at once; does nothing where another holds it."""
    with database.append() as connection:
        connection.execute(
            sa.delete(leases).where(leases.c.name == name, leases.c.holder == holder)
        )
