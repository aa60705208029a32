"""Ids that one event named together are one unit: links between them, in both directions."""

from __future__ import annotations

from experiments.definitions.time import Instant
from experiments.events.records import LinkRecord, UnitId


def links_between(
    environment: str, ids: tuple[UnitId, ...], first_at: Instant
) -> tuple[LinkRecord, ...]:
    """One link for each ordered pair; none where an event names one id."""
    return tuple(
        LinkRecord(
            environment=environment,
            unit_type=one.unit_type,
            unit_id=one.unit_id,
            other_type=other.unit_type,
            other_id=other.unit_id,
            unit_hash=one.unit_hash,
            other_hash=other.unit_hash,
            first_at=first_at,
        )
        for one in ids
        for other in ids
        if one is not other
    )
