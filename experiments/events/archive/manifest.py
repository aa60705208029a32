"""The manifest: which files the archive holds. A file that is not in it is not in the archive.

`writing` is said before a file is begun, `live` in the transaction that takes its rows out of the
hot tables. So what a crash leaves behind is named, and only that is ever removed: a wrong folder
or a wrong database costs nobody a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from experiments.definitions.time import Instant
from experiments.events.archive.files import Written
from experiments.store.tables import archive_files

WRITING = "writing"
LIVE = "live"
REPLACED = "replaced"
EXPIRED = "expired"

_NOTHING_YET = Written(0, 0, "")


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One row; `change_seq` is that of the newest row in the file, or of its retirement."""

    environment: str
    path: str
    log_table: str
    day: str
    row_count: int
    byte_count: int
    sha256: str
    change_seq: int
    state: str
    created_at: Instant


def announce(
    connection: Connection, environment: str, path: str, log_table: str, day: str, at: Instant
) -> None:
    """Say that a file is about to be written."""
    connection.execute(
        sa.insert(archive_files).values(
            environment=environment,
            path=path,
            log_table=log_table,
            day=day,
            **_columns(_NOTHING_YET),
            change_seq=0,
            state=WRITING,
            created_at=at,
        )
    )


def admit(
    connection: Connection, environment: str, path: str, written: Written, change_seq: int
) -> bool:
    """Make an announced file part of the archive; False where it was swept away meanwhile."""
    values = {**_columns(written), "change_seq": change_seq, "state": LIVE}
    change = _one(environment, path).where(archive_files.c.state == WRITING).values(values)
    return connection.execute(change).rowcount == 1


def withdraw(connection: Connection, environment: str, path: str, state: str, **more: Any) -> bool:
    """Take a live file out of the archive; False where it was not live."""
    change = _one(environment, path).where(archive_files.c.state == LIVE)
    return connection.execute(change.values(state=state, **more)).rowcount == 1


def forget(connection: Connection, environment: str, path: str) -> None:
    connection.execute(sa.delete(archive_files).filter_by(environment=environment, path=path))


def list_files(
    connection: Connection, state: str, environment: str | None = None
) -> list[ArchiveFile]:
    query = sa.select(archive_files).where(archive_files.c.state == state)
    if environment is not None:
        query = query.where(archive_files.c.environment == environment)
    query = query.order_by(archive_files.c.environment, archive_files.c.path)
    return [ArchiveFile(**row) for row in connection.execute(query).mappings()]


def _one(environment: str, path: str) -> sa.Update:
    return sa.update(archive_files).where(
        archive_files.c.environment == environment, archive_files.c.path == path
    )


def _columns(written: Written) -> dict[str, Any]:
    return {
        "row_count": written.row_count,
        "byte_count": written.byte_count,
        "sha256": written.sha256,
    }
