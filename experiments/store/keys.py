"""Rows of API keys and environments. Of a secret only its SHA-256 is kept."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from experiments.definitions.time import Instant
from experiments.store.tables import api_keys, environments, experiments

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """`payload` and `secure_attributes` say what the SDK payload of a client key holds."""

    selector: str
    environment: str
    kind: str
    name: str
    secret_sha256: str
    created_at: Instant
    expires_at: Instant | None = None
    revoked_at: Instant | None = None
    last_used_at: Instant | None = None
    payload: str = "plain"
    secure_attributes: tuple[str, ...] = ()

    def is_live(self, at: Instant) -> bool:
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


def list_keys(connection: Connection, environment: str | None = None) -> list[KeyRecord]:
    columns = [api_keys.c[field.name] for field in fields(KeyRecord)]
    query = sa.select(*columns).order_by(api_keys.c.created_at)
    if environment is not None:
        query = query.where(api_keys.c.environment == environment)
    rows = connection.execute(query)
    return [key_from_document(dict(row._mapping)) for row in rows]  # noqa: SLF001


def key_from_document(document: Document) -> KeyRecord:
    """A key out of JSON, which has lists; an older document may lack the newer fields."""
    secure = tuple(document.get("secure_attributes", ()))
    return KeyRecord(**{**document, "secure_attributes": secure})


def insert_key(connection: Connection, record: KeyRecord) -> None:
    connection.execute(
        sa.insert(api_keys).values(
            selector=record.selector,
            environment=record.environment,
            kind=record.kind,
            name=record.name,
            secret_sha256=record.secret_sha256,
            created_at=record.created_at,
            expires_at=record.expires_at,
            payload=record.payload,
            secure_attributes=list(record.secure_attributes),
        )
    )


def revoke_key(connection: Connection, environment: str, selector: str, at: Instant) -> bool:
    changed = connection.execute(
        sa.update(api_keys)
        .where(
            api_keys.c.environment == environment,
            api_keys.c.selector == selector,
            api_keys.c.revoked_at.is_(None),
        )
        .values(revoked_at=at)
    )
    return changed.rowcount == 1


def note_key_use(connection: Connection, used: dict[str, Instant]) -> None:
    """Write when each key (by selector) was last used."""
    for selector, at in sorted(used.items()):
        connection.execute(
            sa.update(api_keys).where(api_keys.c.selector == selector).values(last_used_at=at)
        )


def ensure_environment(connection: Connection, key: str, at: Instant) -> None:
    known = connection.execute(sa.select(environments.c.key).filter_by(key=key)).first()
    if known is None:
        connection.execute(sa.insert(environments).values(key=key, created_at=at))


def list_environments(connection: Connection) -> list[str]:
    """Those that have or had a key, and those that only files were imported into."""
    named = sa.union(sa.select(environments.c.key), sa.select(experiments.c.environment))
    return sorted(connection.execute(named).scalars())
