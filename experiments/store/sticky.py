"""Rows of what units were given and keep, one for each experiment and version of its buckets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from experiments.definitions.time import Instant
from experiments.store.tables import sticky_assignments

_AT_ONCE = 10_000  # parameters of one statement; SQLite takes 32,766


def read_sticky(
    connection: Connection, environment: str, unit_type: str, unit_ids: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Variants by slot, for those of the units for which something is kept."""
    found: dict[str, dict[str, str]] = {}
    kept = sticky_assignments.c
    for start in range(0, len(unit_ids), _AT_ONCE):
        query = sa.select(kept.unit_id, kept.slot, kept.variant).where(
            kept.environment == environment,
            kept.unit_type == unit_type,
            kept.unit_id.in_(unit_ids[start : start + _AT_ONCE]),
        )
        for row in connection.execute(query):
            found.setdefault(row.unit_id, {})[row.slot] = row.variant
    return found


def keep_sticky(
    connection: Connection,
    environment: str,
    unit_type: str,
    unit_id: str,
    variants: Mapping[str, str],
    at: Instant,
) -> None:
    """Keep the variants by slot that are not kept yet: the first one stands."""
    unit = {"environment": environment, "unit_type": unit_type, "unit_id": unit_id}
    rows = [
        {**unit, "slot": slot, "variant": variant, "created_at": at}
        for slot, variant in variants.items()
    ]
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(sticky_assignments).on_conflict_do_nothing(), rows)
