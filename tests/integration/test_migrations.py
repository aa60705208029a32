"""The migrations make the schema that the code speaks of, and may be repeated."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from experiments.store.database import Database
from experiments.store.migrate import is_current, migrate
from experiments.store.tables import metadata


def test_the_migrated_schema_is_the_one_of_the_tables(database: Database):
    migrate(database)
    assert is_current(database)
    with database.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    if database.is_sqlite:  # these indices are PostgreSQL's alone
        differences = [one for one in differences if not one[1].name.endswith("_by_change")]
    assert differences == []
