"""Who did what to which thing: appended in the transaction of the change, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from experiments.definitions.time import Instant
from experiments.store.tables import audit


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`before` is None where the thing was made, `after` where it was deleted."""

    environment: str
    subject: str
    key: str
    revision: int
    verb: str
    actor: str
    at: Instant
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def append_audit(connection: Connection, entry: AuditEntry) -> None:
    connection.execute(
        sa.insert(audit).values(
            id=uuid4().hex,
            environment=entry.environment,
            subject=entry.subject,
            key=entry.key,
            revision=entry.revision,
            verb=entry.verb,
            actor=entry.actor,
            at=entry.at,
            before=entry.before,
            after=entry.after,
        )
    )


def list_audit(
    connection: Connection, environment: str, subject: str, key: str
) -> list[AuditEntry]:
    """Everything that was done to one thing, the newest first."""
    rows = connection.execute(
        sa.select(audit)
        .where(audit.c.environment == environment, audit.c.subject == subject, audit.c.key == key)
        .order_by(audit.c.at.desc(), audit.c.revision.desc())
    )
    return [
        AuditEntry(
            row.environment,
            row.subject,
            row.key,
            row.revision,
            row.verb,
            row.actor,
            row.at,
            row.before,
            row.after,
        )
        for row in rows
    ]
