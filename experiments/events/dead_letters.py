"""What was refused: written down with its reason, and listed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from experiments.definitions.errors import Problem
from experiments.definitions.time import Instant
from experiments.events.event_ids import digest_of
from experiments.events.records import DeadLetter
from experiments.store.database import Database
from experiments.store.tables import dead_letters

# ASCII, so that halves of surrogate pairs can be stored; NaN as Python writes it.
_body_text = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

Cursor = tuple[Instant, str, str]


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Refused items, the newest first; `next_cursor` asks for those after, None at the end."""

    letters: tuple[DeadLetter, ...]
    next_cursor: Cursor | None


def dead_letter(
    environment: str, raw: Any, problem: Problem, *, key_selector: str, received_at: Instant
) -> DeadLetter:
    """A refused item as it is kept; one that is nested beyond writing keeps only its reason."""
    try:
        body = _body_text(raw)
    except (RecursionError, ValueError):
        body = ""
    return DeadLetter(
        environment=environment,
        digest=digest_of(body),
        code=problem.code,
        detail=f"{problem.path}: {problem.message}" if problem.path else problem.message,
        key_selector=key_selector,
        received_at=received_at,
        body=body,
    )


def list_dead_letters(
    database: Database, environment: str, *, limit: int = 100, after: Cursor | None = None
) -> DeadLetterPage:
    """One page, the newest first; `after` is the `next_cursor` of the page before."""
    order = sa.tuple_(dead_letters.c.received_at, dead_letters.c.digest, dead_letters.c.code)
    query = (
        sa.select(dead_letters)
        .where(dead_letters.c.environment == environment)
        .order_by(*(column.desc() for column in order.clauses))
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(order < after)
    with database.read() as connection:
        letters = [DeadLetter(**row) for row in connection.execute(query).mappings()]
    page = tuple(letters[:limit])
    more = len(letters) > limit
    last = page[-1] if more else None
    return DeadLetterPage(page, (last.received_at, last.digest, last.code) if last else None)
