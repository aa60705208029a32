"""Whether the log is whole: every file as it was written, every event in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from experiments.events.archive import manifest
from experiments.events.archive.files import sha256_of
from experiments.events.archive.manifest import ArchiveFile
from experiments.events.archive.pages import pages_of
from experiments.store.archive_lock import reading
from experiments.store.database import Database
from experiments.store.keys import list_environments
from experiments.store.tables import archived_outcomes, exposures, outcome_ids, outcomes


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is, how many rows, and what is wrong, if anything."""

    subject: str
    rows: int
    wrong: str | None


def verify_log(database: Database, folder: Path) -> Iterator[Finding]:
    """Look at the store, then at the files one by one, each as it stands at that moment.

    Raises what the store raises.
    """
    if database.is_sqlite:
        with database.read() as connection:
            answer = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        yield Finding("the SQLite file", 0, None if answer == "ok" else f"SQLite says: {answer}")
    with database.read() as connection:
        environments = list_environments(connection)
    for environment in environments:
        yield from _verify_environment(database, folder, environment)


def _verify_environment(database: Database, folder: Path, environment: str) -> Iterator[Finding]:
    for table in (exposures, outcomes, outcome_ids):
        count = _count(database, table, environment)
        yield Finding(f"{environment} {table.name} in the store", count, None)
    twice = _archived_and_hot(database, environment)
    if twice:
        yield Finding(f"{environment} outcomes in the store", twice, "stand in the archive as well")
    with reading(folder):  # no file is replaced or let go while it is looked at
        with database.read() as connection:
            files = manifest.list_files(connection, manifest.LIVE, environment)
        for file in files:
            yield Finding(file.path, file.row_count, _fault(folder / file.path, file))
        held = sum(file.row_count for file in files if file.log_table == outcomes.name)
        known = _count(database, archived_outcomes, environment)
    wrong = None if held == known else f"the files hold {held:,} outcomes"
    yield Finding(f"{environment} ids of archived outcomes", known, wrong)


def _fault(path: Path, file: ArchiveFile) -> str | None:
    """What is wrong with a file, None where it is as it was written."""
    if not path.exists():
        return "the file is missing"
    size = path.stat().st_size
    if size != file.byte_count:
        return f"the file has {size:,} bytes instead of {file.byte_count:,}"
    if sha256_of(path) != file.sha256:
        return "the file's checksum is not the one it was written with"
    try:
        rows = pq.read_metadata(path).num_rows
    except pa.ArrowException as error:
        return f"the file cannot be read: {error}"
    return None if rows == file.row_count else f"the file holds {rows:,} rows"


def _count(database: Database, table: sa.Table, environment: str) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return _over_pages(database, table, environment, query.where)


def _archived_and_hot(database: Database, environment: str) -> int:
    both = sa.and_(
        archived_outcomes.c.environment == outcomes.c.environment,
        archived_outcomes.c.event_id == outcomes.c.event_id,
    )
    query = sa.select(sa.func.count()).select_from(outcomes.join(archived_outcomes, both))
    return _over_pages(database, outcomes, environment, query.where)


def _over_pages(
    database: Database,
    table: sa.Table,
    environment: str,
    query: Callable[[sa.ColumnElement[bool]], sa.Select[int]],
) -> int:
    total = 0
    for page in pages_of(database, table, environment):
        with database.read() as connection:
            total += connection.execute(query(page.of(table))).scalar_one()
    return total
