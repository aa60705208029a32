"""How far an import has come, kept in the audit of the store that it goes into.

So a repeated command goes on where a killed one stopped, from whatever machine, and people see
who imported what.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import click

from experiments.cli.opened import actor
from experiments.definitions.time import now
from experiments.store.audit import AuditEntry, append_audit, list_audit
from experiments.store.database import Database
from experiments.store.definition_rows import IMPORT

_BATCHES_A_STEP = 10  # some 20,000 events between two notes


class Position:
    """Of one import, which `key` names; the steps that it notes are JSON objects."""

    def __init__(self, database: Database, environment: str, key: str) -> None:
        self._database = database
        self._environment = environment
        self._key = key
        with database.read() as connection:
            entries = list_audit(connection, environment, IMPORT, key)
        self.steps: list[dict[str, Any]] = [one.after or {} for one in reversed(entries)]

    def note(self, step: dict[str, Any]) -> None:
        """Keep that this step is done: everything before it is stored."""
        self.steps.append(step)
        with self._database.append() as connection:
            entry = AuditEntry(
                environment=self._environment,
                subject=IMPORT,
                key=self._key,
                revision=len(self.steps),
                verb="import",
                actor=actor(),
                at=now(),
                before=None,
                after=step,
            )
            append_audit(connection, entry)


class LinePosition:
    """Of a file that is read line by line: where an earlier attempt stopped, 0 at the beginning."""

    def __init__(self, position: Position) -> None:
        last = position.steps[-1] if position.steps else {}
        self.line: int = last.get("line", 0)  # a finished import begins again
        self._position = position
        self._batches = 0
        if self.line:
            click.echo(
                f"An earlier import of this file stored everything up to line {self.line:,}; going"
                " on after it.",
                err=True,
            )

    def passed(self, line: int) -> None:
        """A batch is stored, and with it everything up to this line."""
        self._batches += 1
        if self._batches % _BATCHES_A_STEP == 0:
            self._position.note({"line": line})

    def finished(self) -> None:
        self._position.note({"finished": True})


def file_key(path: Path, told: dict[str, Any]) -> str:
    """Names the import of a file by what it holds and how it is to be read, not by its path."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(json.dumps(told, sort_keys=True).encode())
    return digest.hexdigest()
