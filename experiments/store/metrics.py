"""Rows of metrics ↔ records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from experiments.definitions.metric import Metric, metric_from_document, metric_to_document
from experiments.definitions.time import Instant
from experiments.store.tables import experiments, metrics


@dataclass(frozen=True, slots=True)
class StoredMetric:
    metric: Metric
    revision: int
    created_at: Instant
    updated_at: Instant


def list_metrics(connection: Connection, environment: str) -> list[StoredMetric]:
    rows = connection.execute(
        sa.select(metrics).where(metrics.c.environment == environment).order_by(metrics.c.key)
    )
    return [
        StoredMetric(
            metric_from_document(row.document), row.revision, row.created_at, row.updated_at
        )
        for row in rows
    ]


def find_metric(connection: Connection, environment: str, key: str) -> StoredMetric | None:
    stored = list_metrics(connection, environment)
    return next((one for one in stored if one.metric.key == key), None)


def find_metrics(
    connection: Connection, environment: str, keys: Iterable[str]
) -> dict[str, Metric]:
    """The metrics of these keys that exist."""
    wanted = set(keys)
    return {
        stored.metric.key: stored.metric
        for stored in list_metrics(connection, environment)
        if stored.metric.key in wanted
    }


def insert_metric(connection: Connection, environment: str, metric: Metric, at: Instant) -> None:
    connection.execute(
        sa.insert(metrics).values(
            environment=environment,
            key=metric.key,
            revision=1,
            document=metric_to_document(metric),
            created_at=at,
            updated_at=at,
        )
    )


def update_metric(
    connection: Connection, environment: str, metric: Metric, revision: int, at: Instant
) -> bool:
    """Write `revision`; False where somebody else already wrote it."""
    changed = connection.execute(
        sa.update(metrics)
        .where(
            metrics.c.environment == environment,
            metrics.c.key == metric.key,
            metrics.c.revision == revision - 1,
        )
        .values(revision=revision, document=metric_to_document(metric), updated_at=at)
    )
    return changed.rowcount == 1


def delete_metric(connection: Connection, environment: str, key: str) -> None:
    connection.execute(
        sa.delete(metrics).where(metrics.c.environment == environment, metrics.c.key == key)
    )


def users_of_metric(connection: Connection, environment: str, key: str) -> list[tuple[str, str]]:
    """(experiment, status) of every experiment that names the metric."""
    rows = connection.execute(
        sa.select(experiments.c.key, experiments.c.status, experiments.c.document).where(
            experiments.c.environment == environment
        )
    )
    return [
        (row.key, row.status)
        for row in rows
        if any(use["metric"] == key for use in row.document["metrics"])
    ]
