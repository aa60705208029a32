"""A table of the log in pages of its primary key: no statement is long, and no index is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from experiments.definitions.time import DAY, Instant
from experiments.events.archive.files import start_of
from experiments.events.bulk import Row
from experiments.store.database import Database
from experiments.store.tables import outcome_ids, outcomes

PAGE = 10_000  # rows


@dataclass(frozen=True, slots=True)
class Page:
    """The keys of one environment above `low` up to `high`; None is no limit.

    A key is without the environment, which is its first part everywhere.
    """

    environment: str
    low: Row | None
    high: Row | None

    def of(self, table: sa.Table) -> sa.ColumnElement[bool]:
        key = sa.tuple_(*_key(table))
        limits = [table.c.environment == self.environment]
        if self.low is not None:
            limits.append(key > self.low)
        if self.high is not None:
            limits.append(key <= self.high)
        return sa.and_(*limits)


def pages_of(database: Database, table: sa.Table, environment: str) -> Iterator[Page]:
    """All pages of an environment's rows, in the order of the key."""
    low: Row | None = None
    while True:
        with database.read() as connection:
            query = sa.select(*_key(table)).where(Page(environment, low, None).of(table))
            last = connection.execute(
                query.order_by(*_key(table)).offset(PAGE - 1).limit(1)
            ).first()
        high = None if last is None else tuple(last)
        yield Page(environment, low, high)
        if high is None:
            return
        low = high


def closed_days(
    database: Database, table: sa.Table, page: Page, before: Instant
) -> dict[Instant, int]:
    """How many rows of the page each closed day has; a day is its first instant."""
    day = table.c.received_at // DAY
    query = sa.select(day, sa.func.count()).where(page.of(table), table.c.received_at < before)
    with database.read() as connection:
        found = connection.execute(query.group_by(day)).all()
    return {int(number) * DAY: count for number, count in found}


def rows_of(database: Database, table: sa.Table, page: Page, day: str) -> list[Sequence[Any]]:
    """The rows of the page that were received on a day, with every column."""
    query = sa.select(*_selected(table)).where(page.of(table), _received_on(table, day))
    with database.read() as connection:
        return list(connection.execute(query).all())


def further_ids_of(database: Database, page: Page, day: str) -> list[Sequence[Any]]:
    """The further ids of the outcomes of the page that were received on a day."""
    same = sa.and_(
        outcomes.c.environment == outcome_ids.c.environment,
        outcomes.c.event_id == outcome_ids.c.event_id,
    )
    query = (
        sa.select(*_selected(outcome_ids))
        .join_from(outcome_ids, outcomes, same)
        .where(page.of(outcomes), _received_on(outcomes, day))
    )
    with database.read() as connection:
        return list(connection.execute(query).all())


def _received_on(table: sa.Table, day: str) -> sa.ColumnElement[bool]:
    begin = start_of(day)
    return sa.and_(table.c.received_at >= begin, table.c.received_at < begin + DAY)


def _key(table: sa.Table) -> list[sa.Column[Any]]:
    return list(table.primary_key)[1:]


def _selected(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    """JSON as the text that is stored."""
    return [
        sa.cast(column, sa.Text) if isinstance(column.type, sa.JSON) else column
        for column in table.columns
    ]
