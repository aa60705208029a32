"""Run the migrations in one transaction, each statement waiting at most a second for a lock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from experiments.store.tables import metadata

engine = context.config.attributes["engine"]

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # Two services that start at once must not both migrate.
            connection.execute(sa.text("SET LOCAL statement_timeout = '60s'"))
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7203110446)"))
            connection.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
        context.run_migrations()
