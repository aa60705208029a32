"""Retention: days that are old enough leave the archive, and what the store knows of them."""

from __future__ import annotations

import sqlalchemy as sa

from experiments.definitions.time import DAY, Instant
from experiments.events.archive import manifest
from experiments.events.archive.files import start_of
from experiments.events.archive.pages import pages_of
from experiments.events.archive.tenure import Tenure
from experiments.store.database import Database
from experiments.store.tables import archived_exposures, archived_outcomes, dead_letters
from experiments.store.watermark import advance


def expire(database: Database, held: Tenure, environment: str, before: Instant) -> int:
    """Withdraw the files of days that end by `before`, then forget their ids; how many rows.

    It moves the watermark: a report from then on is another one.
    """
    rows = 0
    with database.append() as connection:
        held.confirm(connection)
        files = [
            file
            for file in manifest.list_files(connection, manifest.LIVE, environment)
            if start_of(file.day) + DAY <= before
        ]
        if files:
            seq = advance(connection)
            for file in files:
                manifest.withdraw(
                    connection, environment, file.path, manifest.EXPIRED, change_seq=seq
                )
                rows += file.row_count
    for table in (archived_exposures, archived_outcomes, dead_letters):
        for page in pages_of(database, table, environment):
            with database.append() as connection:
                held.confirm(connection)
                old = sa.and_(page.of(table), table.c.received_at < before)
                connection.execute(sa.delete(table).where(old))
    return rows
