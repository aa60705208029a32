"""What was refused: written down with its reason, and looked up."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from experiments.definitions.errors import NotFound, Problem
from experiments.definitions.time import Instant
from experiments.events.event_ids import digest_of
from experiments.events.records import DeadLetter
from experiments.store.database import Database
from experiments.store.tables import dead_letters

# ASCII, so that halves of surrogate pairs can be stored; NaN as Python writes it.
_body_text = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

_ID = re.compile(r"([0-9a-f]{32})-([A-Z_]{1,100})")

Cursor = tuple[Instant, str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters: by code, by the selector of the key that sent them, by the time of receipt.

    None is any of them; `since` is inclusive.
    """

    code: str | None = None
    key: str | None = None
    since: Instant | None = None


ANY = Wanted()


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
    database: Database,
    environment: str,
    wanted: Wanted = ANY,
    *,
    limit: int = 100,
    after: Cursor | None = None,
) -> DeadLetterPage:
    """One page, the newest first; `after` is the `next_cursor` of the page before."""
    order = sa.tuple_(dead_letters.c.received_at, dead_letters.c.digest, dead_letters.c.code)
    query = (
        sa.select(dead_letters)
        .where(*_where(environment, wanted))
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


def count_dead_letters(database: Database, environment: str, wanted: Wanted = ANY) -> int:
    query = sa.select(sa.func.count()).where(*_where(environment, wanted))
    with database.read() as connection:
        return int(connection.execute(query.select_from(dead_letters)).scalar_one())


def find_dead_letter(connection: Connection, environment: str, letter_id: str) -> DeadLetter:
    """The letter of this id; `NotFound` DEAD_LETTER_NOT_FOUND where there is none."""
    named = _ID.fullmatch(letter_id)
    if named is None:
        raise not_found(environment, letter_id)
    digest, code = named.groups()
    query = sa.select(dead_letters).where(
        dead_letters.c.environment == environment,
        dead_letters.c.digest == digest,
        dead_letters.c.code == code,
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        raise not_found(environment, letter_id)
    return DeadLetter(**row)


def not_found(environment: str, letter_id: str) -> NotFound:
    return NotFound(
        "DEAD_LETTER_NOT_FOUND",
        f"there is no dead letter {letter_id!r} in {environment!r}; it may have been replayed or"
        " discarded, or have another reason by now: list them again",
    )


def _where(environment: str, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    conditions = [dead_letters.c.environment == environment]
    if wanted.code is not None:
        conditions.append(dead_letters.c.code == wanted.code)
    if wanted.key is not None:
        conditions.append(dead_letters.c.key_selector == wanted.key)
    if wanted.since is not None:
        conditions.append(dead_letters.c.received_at >= wanted.since)
    return conditions
