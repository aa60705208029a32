"""Metrics as they are created and revised."""

from __future__ import annotations

from dataclasses import replace

from experiments.definitions.errors import Conflict, NotFound
from experiments.definitions.experiment import Document
from experiments.definitions.lifecycle import DRAFT
from experiments.definitions.metric import Metric, metric_from_document, metric_to_document
from experiments.definitions.time import Instant, now
from experiments.registry.revisions import check_expected, stale
from experiments.store.audit import AuditEntry, append_audit
from experiments.store.database import Database
from experiments.store.metrics import (
    StoredMetric,
    delete_metric,
    find_metric,
    insert_metric,
    list_metrics,
    update_metric,
    users_of_metric,
)


class Metrics:
    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, environment: str, document: Document, actor: str) -> StoredMetric:
        metric = metric_from_document(document)
        at = now()
        with self._database.write() as connection:
            if find_metric(connection, environment, metric.key) is not None:
                raise Conflict(
                    "KEY_TAKEN",
                    f"there is a metric {metric.key!r} in {environment!r} already; choose another"
                    " key",
                )
            insert_metric(connection, environment, metric, at)
            entry = _entry(environment, None, metric, 1, "create", actor, at)
            append_audit(connection, entry)
        return StoredMetric(metric, 1, at, at)

    def all(self, environment: str) -> list[StoredMetric]:
        with self._database.read() as connection:
            return list_metrics(connection, environment)

    def get(self, environment: str, key: str) -> StoredMetric:
        with self._database.read() as connection:
            return _found(find_metric(connection, environment, key), environment, key)

    def revise(
        self,
        environment: str,
        key: str,
        changes: Document,
        actor: str,
        expected_revision: int | None = None,
    ) -> StoredMetric:
        """Change a metric. Once an experiment that uses it has started, only its name may."""
        at = now()
        with self._database.write() as connection:
            before = _found(find_metric(connection, environment, key), environment, key)
            check_expected(before.revision, expected_revision)
            document = {**metric_to_document(before.metric), **changes}
            if document["key"] != key:
                raise Conflict("KEY_FIXED", "a key cannot change; create another metric")
            after = metric_from_document(document)
            if replace(after, name=before.metric.name) != before.metric:
                started = [
                    user
                    for user, status in users_of_metric(connection, environment, key)
                    if status != DRAFT
                ]
                if started:
                    raise Conflict(
                        "METRIC_IN_USE",
                        f"{key!r} is measured by {', '.join(started)}, which has started: its"
                        " reports would change their meaning; create another metric",
                    )
            revision = before.revision + 1
            if not update_metric(connection, environment, after, revision, at):
                raise stale()
            entry = _entry(environment, before.metric, after, revision, "revise", actor, at)
            append_audit(connection, entry)
        return StoredMetric(after, revision, before.created_at, at)

    def delete(self, environment: str, key: str, actor: str) -> None:
        with self._database.write() as connection:
            before = _found(find_metric(connection, environment, key), environment, key)
            users = [user for user, _ in users_of_metric(connection, environment, key)]
            if users:
                raise Conflict(
                    "METRIC_IN_USE", f"{key!r} is named by {', '.join(users)}; take it out first"
                )
            delete_metric(connection, environment, key)
            entry = _entry(
                environment, before.metric, None, before.revision, "delete", actor, now()
            )
            append_audit(connection, entry)


def _found(stored: StoredMetric | None, environment: str, key: str) -> StoredMetric:
    if stored is None:
        raise NotFound("METRIC_NOT_FOUND", f"there is no metric {key!r} in {environment!r}")
    return stored


def _entry(
    environment: str,
    before: Metric | None,
    after: Metric | None,
    revision: int,
    verb: str,
    actor: str,
    at: Instant,
) -> AuditEntry:
    metric = after or before
    assert metric is not None  # noqa: S101 — as above
    return AuditEntry(
        environment=environment,
        subject="metric",
        key=metric.key,
        revision=revision,
        verb=verb,
        actor=actor,
        at=at,
        before=None if before is None else metric_to_document(before),
        after=None if after is None else metric_to_document(after),
    )
