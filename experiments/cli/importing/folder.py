"""`evenhand import FOLDER`: what `evenhand export` wrote, taken back."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from experiments.cli.exporting.days import environment_of, file_columns
from experiments.cli.exporting.files import Row, read_rows
from experiments.cli.exporting.manifest import DEFINITIONS, FileEntry, Manifest, read_manifest
from experiments.cli.importing.loading import patiently
from experiments.cli.importing.position import Position
from experiments.cli.progress import progress
from experiments.definitions.errors import Invalid
from experiments.events.restore import Restored, restore
from experiments.events.scan import SCAN_TABLES, ScanTable
from experiments.registry.restoring import restore_definitions
from experiments.store.database import Database
from experiments.store.definition_rows import HISTORY_KINDS

_EVERY_ENVIRONMENT = "*"
_BLOCK = 1 << 20  # bytes that are hashed at once


def import_folder(database: Database, folder: Path) -> Restored:
    """Put an export into the store; files that an earlier attempt finished are passed over.

    Definitions go in first, all or none; then the log, file by file. Raises `Invalid` where a file
    is not what the manifest says, before anything is stored; `Conflict` DEFINITIONS_DIFFER.
    """
    began = time.monotonic()
    manifest = read_manifest(folder)
    position = Position(database, _EVERY_ENVIRONMENT, manifest.id)
    done = {step["file"] for step in position.steps}
    files = [one for one in manifest.files if one.path not in done]
    if done:
        click.echo(
            f"An earlier import of this export finished {len(done)} of {len(manifest.files)}"
            " files; going on after them.",
            err=True,
        )
    with progress("Checking", sum(one.bytes for one in files)) as advance:
        for entry in files:
            _check(folder, entry, advance)
    definitions = [one for one in files if one.table.startswith(f"{DEFINITIONS}/")]
    written = _restore_definitions(database, folder, definitions)
    for entry in definitions:
        position.note({"file": entry.path, "rows": entry.rows})
    tables = {one.name: one for one in SCAN_TABLES}
    total = Restored()
    log = [one for one in files if one.table in tables]
    with progress("Importing", sum(one.rows for one in log)) as advance:
        for entry in log:
            total += _restore_file(database, folder, manifest, entry, tables[entry.table], advance)
            position.note({"file": entry.path, "rows": entry.rows})
    _summarise(written, total, time.monotonic() - began)
    return total


def _check(folder: Path, entry: FileEntry, advance: Callable[[int], None]) -> None:
    digest = hashlib.sha256()
    try:
        with (folder / entry.path).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                advance(len(block))
    except OSError as error:
        raise Invalid(
            "FILE_UNREADABLE",
            f"{folder / entry.path} cannot be read: {error.strerror}; nothing of it was stored",
        ) from error
    if digest.hexdigest() != entry.sha256:
        raise Invalid(
            "CHECKSUM_MISMATCH",
            f"{folder / entry.path} is not the file that was exported; nothing of it was stored."
            " Copy the export again",
        )


def _restore_definitions(database: Database, folder: Path, files: Sequence[FileEntry]) -> int:
    if not files:
        return 0
    paths = {entry.table.removeprefix(f"{DEFINITIONS}/"): folder / entry.path for entry in files}
    current = {
        kind: list(_documents(path)) for kind, path in paths.items() if kind not in HISTORY_KINDS
    }

    def store() -> int:
        history = {kind: _documents(paths[kind]) for kind in HISTORY_KINDS if kind in paths}
        return restore_definitions(database, current, history)

    return patiently(store, "stopped at the definitions")


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="\n") as file:
        yield from map(json.loads, file)


def _restore_file(
    database: Database,
    folder: Path,
    manifest: Manifest,
    entry: FileEntry,
    table: ScanTable,
    advance: Callable[[int], None],
) -> Restored:
    environment = (environment_of(entry.path),)
    total = Restored()
    batches = read_rows(
        folder / entry.path, manifest.format, file_columns(table), table.rows_at_once
    )
    for batch in batches:
        rows = [environment + row for row in batch]
        total += patiently(
            partial(_store, database, table, rows), f"stopped in the midst of {entry.path}"
        )
        advance(len(rows))
    return total


def _store(database: Database, table: ScanTable, rows: Sequence[Row]) -> Restored:
    with database.append() as connection:
        return restore(connection, table, rows)


def _summarise(definitions: int, log: Restored, seconds: float) -> None:
    rows = (
        ("definitions", f"{definitions:,}"),
        ("rows stored", f"{log.stored:,}"),
        ("there already", f"{log.present:,}"),
        ("conflicts", f"{log.conflicts:,}"),
        ("seconds", f"{seconds:.1f}"),
    )
    for name, number in rows:
        click.echo(f"{name:18}{number:>12}")
    if log.conflicts:
        click.echo(
            "Conflicts are outcomes whose event_id this store holds with another body, which"
            " stands, and the further ids of such outcomes.",
            err=True,
        )
