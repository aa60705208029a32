"""What no kill can show: that a commit waits until the disk has it, and not the system's memory."""

from __future__ import annotations

import sqlalchemy as sa

from experiments.store.database import Database

FULL = 2


def test_sqlite_syncs_every_commit(sqlite_database: Database):
    for transaction in (sqlite_database.write, sqlite_database.append):
        with transaction() as connection:
            assert connection.execute(sa.text("PRAGMA synchronous")).scalar_one() == FULL
            assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"


def test_postgresql_is_not_asked_to_answer_early(postgres_database: Database):
    with postgres_database.append() as connection:
        assert connection.execute(sa.text("SHOW synchronous_commit")).scalar_one() == "on"
