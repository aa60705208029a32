"""Bring a database to the newest schema. The migrations are part of the package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from experiments.store.database import Database


def migrate(database: Database) -> None:
    """Apply what is missing; does nothing on a database that is up to date."""
    config = _config()
    config.attributes["engine"] = database.engine
    command.upgrade(config, "head")


def is_current(database: Database) -> bool:
    with database.read() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    return revision == ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
