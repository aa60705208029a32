"""Rows of metrics, segments, layers and features ↔ records: four tables of one shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from experiments.definitions.feature import Feature, feature_from_document, feature_to_document
from experiments.definitions.layer import Layer, layer_from_document, layer_to_document
from experiments.definitions.metric import Metric, metric_from_document, metric_to_document
from experiments.definitions.segment import Segment, segment_from_document, segment_to_document
from experiments.definitions.time import Instant
from experiments.store import tables

Document = dict[str, Any]


class Keyed(Protocol):
    @property
    def key(self) -> str: ...


T = TypeVar("T", bound=Keyed)


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    environment: str
    record: T
    revision: int
    created_at: Instant
    updated_at: Instant


@dataclass(frozen=True, slots=True)
class Shelf(Generic[T]):
    """One kind of definition: its table, and how a record becomes a document and back."""

    table: sa.Table
    from_document: Callable[[Document], T]
    to_document: Callable[[T], Document]

    def all(self, connection: Connection, environment: str | None = None) -> list[Stored[T]]:
        """All by key, of one environment or of every one."""
        query = sa.select(self.table).order_by(self.table.c.environment, self.table.c.key)
        if environment is not None:
            query = query.where(self.table.c.environment == environment)
        return [self._stored(row) for row in connection.execute(query)]

    def find(self, connection: Connection, environment: str, key: str) -> Stored[T] | None:
        query = sa.select(self.table).filter_by(environment=environment, key=key)
        row = connection.execute(query).first()
        return None if row is None else self._stored(row)

    def find_many(
        self, connection: Connection, environment: str, keys: Iterable[str]
    ) -> dict[str, T]:
        """The records of these keys that exist."""
        wanted = set(keys)
        stored = self.all(connection, environment)
        return {one.record.key: one.record for one in stored if one.record.key in wanted}

    def insert(self, connection: Connection, stored: Stored[T]) -> None:
        connection.execute(
            sa.insert(self.table).values(
                environment=stored.environment,
                key=stored.record.key,
                created_at=stored.created_at,
                **self._columns(stored),
            )
        )

    def update(self, connection: Connection, stored: Stored[T]) -> bool:
        """Write the next revision; False where somebody else already wrote it."""
        changed = connection.execute(
            sa.update(self.table)
            .filter_by(
                environment=stored.environment,
                key=stored.record.key,
                revision=stored.revision - 1,
            )
            .values(**self._columns(stored))
        )
        return changed.rowcount == 1

    def delete(self, connection: Connection, environment: str, key: str) -> None:
        connection.execute(sa.delete(self.table).filter_by(environment=environment, key=key))

    def to_json(self, stored: Stored[T]) -> Document:
        """The whole row as JSON, for the snapshot on disk."""
        names = {"environment": stored.environment, "created_at": stored.created_at}
        return {**names, **self._columns(stored)}

    def from_json(self, document: Document) -> Stored[T]:
        return Stored(
            document["environment"],
            self.from_document(document["document"]),
            document["revision"],
            document["created_at"],
            document["updated_at"],
        )

    def _stored(self, row: Row[Any]) -> Stored[T]:
        return self.from_json(dict(row._mapping))  # noqa: SLF001 — SQLAlchemy's public name

    def _columns(self, stored: Stored[T]) -> Document:
        return {
            "revision": stored.revision,
            "document": self.to_document(stored.record),
            "updated_at": stored.updated_at,
        }


METRICS: Shelf[Metric] = Shelf(tables.metrics, metric_from_document, metric_to_document)
SEGMENTS: Shelf[Segment] = Shelf(tables.segments, segment_from_document, segment_to_document)
LAYERS: Shelf[Layer] = Shelf(tables.layers, layer_from_document, layer_to_document)
FEATURES: Shelf[Feature] = Shelf(tables.features, feature_from_document, feature_to_document)
