"""What was done by the clock or could not be, for people to read: appended, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from experiments.definitions.time import Instant
from experiments.store.tables import notices


@dataclass(frozen=True, slots=True)
class Notice:
    """`id` orders by time; `code` is stable, `detail` a sentence for people."""

    environment: str
    id: str
    experiment: str
    code: str
    detail: str
    at: Instant


def append_notice(connection: Connection, notice: Notice) -> None:
    connection.execute(
        sa.insert(notices).values(
            environment=notice.environment,
            id=notice.id,
            experiment=notice.experiment,
            code=notice.code,
            detail=notice.detail,
            at=notice.at,
        )
    )


def list_notices(
    connection: Connection, environment: str, experiment: str | None = None, *, limit: int
) -> list[Notice]:
    """The notices of an environment or of one experiment in it, the newest first."""
    query = sa.select(notices).where(notices.c.environment == environment)
    if experiment is not None:
        query = query.where(notices.c.experiment == experiment)
    return [
        _notice(row) for row in connection.execute(query.order_by(notices.c.id.desc()).limit(limit))
    ]


def has_notice(connection: Connection, notice: Notice, since: Instant) -> bool:
    """Whether the same was said of the same experiment at `since` or later."""
    found = connection.execute(
        sa.select(notices.c.id)
        .where(
            notices.c.environment == notice.environment,
            notices.c.experiment == notice.experiment,
            notices.c.code == notice.code,
            notices.c.detail == notice.detail,
            notices.c.at >= since,
        )
        .limit(1)
    )
    return found.first() is not None


def _notice(row: Row[Any]) -> Notice:
    return Notice(row.environment, row.id, row.experiment, row.code, row.detail, row.at)
