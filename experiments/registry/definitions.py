"""Definitions as they are created, revised and deleted: one writer for every kind of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Generic

from experiments.definitions.errors import Conflict, NotFound
from experiments.definitions.experiment import Document
from experiments.definitions.time import Instant, now
from experiments.registry.defined import Defined, read_defined
from experiments.registry.revisions import check_expected, stale
from experiments.registry.writing import change
from experiments.store.audit import AuditEntry, append_audit, list_audit
from experiments.store.database import Connection, Database
from experiments.store.definitions import Shelf, Stored, T


class Definitions(ABC, Generic[T]):
    """Definitions of one kind. Each kind says what must hold, and what of it may change.

    `on_change` runs after each commit, so that this process sees its own change at once.
    """

    subject: str
    shelf: Shelf[T]

    def __init__(self, database: Database, on_change: Callable[[], None]) -> None:
        self._database = database
        self._on_change = on_change

    def create(self, environment: str, document: Document, actor: str) -> Stored[T]:
        record = self.shelf.from_document(document)
        with change(self._database) as connection:
            at = now()
            stored = Stored(environment, record, 1, at, at)
            if self.shelf.find(connection, environment, record.key) is not None:
                raise Conflict(
                    "KEY_TAKEN",
                    f"there is a {self.subject} {record.key!r} in {environment!r} already; choose"
                    " another key",
                )
            self.check(read_defined(connection, environment), None, record)
            stored = self.add(connection, environment, record, actor)
        self._on_change()
        return stored

    def all(self, environment: str) -> list[Stored[T]]:
        with self._database.read() as connection:
            return self.shelf.all(connection, environment)

    def get(self, environment: str, key: str) -> Stored[T]:
        with self._database.read() as connection:
            return self._found(connection, environment, key)

    def revise(
        self,
        environment: str,
        key: str,
        changes: Document,
        actor: str,
        expected_revision: int | None = None,
    ) -> Stored[T]:
        """Replace the fields that are named in `changes`."""
        with change(self._database) as connection:
            before = self._found(connection, environment, key)
            check_expected(before.revision, expected_revision)
            document = {**self.shelf.to_document(before.record), **changes}
            if document["key"] != key:
                raise Conflict("KEY_FIXED", f"a key cannot change; create another {self.subject}")
            record = self.shelf.from_document(document)
            self.check(read_defined(connection, environment), before, record)
            after = self.replace(connection, before, record, actor)
        self._on_change()
        return after

    def delete(
        self, environment: str, key: str, actor: str, expected_revision: int | None = None
    ) -> None:
        with change(self._database) as connection:
            before = self._found(connection, environment, key)
            check_expected(before.revision, expected_revision)
            self._check_deletion(read_defined(connection, environment), before.record)
            self.shelf.delete(connection, environment, key)
            self._note(connection, before, None, "delete", actor, now())
        self._on_change()

    def check(self, defined: Defined, before: Stored[T] | None, record: T) -> None:
        """Raise `Invalid` or `Conflict` where it cannot be; `defined` may hold it already."""
        self._check(defined, record)
        if before is not None:
            self._check_revision(defined, before.record, record)

    def add(self, connection: Connection, environment: str, record: T, actor: str) -> Stored[T]:
        """Write what is new and checked."""
        at = now()
        stored = Stored(environment, record, 1, at, at)
        self.shelf.insert(connection, stored)
        self._note(connection, None, stored, "create", actor, at)
        return stored

    def replace(
        self, connection: Connection, before: Stored[T], record: T, actor: str
    ) -> Stored[T]:
        """Write the next revision, which is checked."""
        at = now()
        after = replace(before, record=record, revision=before.revision + 1, updated_at=at)
        if not self.shelf.update(connection, after):
            raise stale()
        self._note(connection, before, after, "revise", actor, at)
        return after

    def history(self, environment: str, key: str) -> list[AuditEntry]:
        """Every change of it, the newest first; what was deleted has a history too."""
        with self._database.read() as connection:
            entries = list_audit(connection, environment, self.subject, key)
            if not entries:
                self._found(connection, environment, key)
        return entries

    def _check(self, defined: Defined, record: T) -> None:
        """Raise `Invalid` where what the record refers to is missing or does not fit."""

    @abstractmethod
    def _check_revision(self, defined: Defined, before: T, after: T) -> None:
        """Raise `Conflict` where somebody relies on what would change."""

    @abstractmethod
    def _check_deletion(self, defined: Defined, record: T) -> None:
        """Raise `Conflict` where somebody names it."""

    def _found(self, connection: Connection, environment: str, key: str) -> Stored[T]:
        stored = self.shelf.find(connection, environment, key)
        if stored is None:
            raise NotFound(
                f"{self.subject.upper()}_NOT_FOUND",
                f"there is no {self.subject} {key!r} in {environment!r}",
            )
        return stored

    def _note(
        self,
        connection: Connection,
        before: Stored[T] | None,
        after: Stored[T] | None,
        verb: str,
        actor: str,
        at: Instant,
    ) -> None:
        stored = after or before
        assert stored is not None  # noqa: S101 — one of the two is always there
        entry = AuditEntry(
            environment=stored.environment,
            subject=self.subject,
            key=stored.record.key,
            revision=stored.revision,
            verb=verb,
            actor=actor,
            at=at,
            before=None if before is None else self.shelf.to_document(before.record),
            after=None if after is None else self.shelf.to_document(after.record),
        )
        append_audit(connection, entry)
