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
from experiments.registry.restoring import check_definitions, restore_definitions
from experiments.store.database import Database
from experiments.store.definition_rows import DEFINITION_KINDS, HISTORY_KINDS

_EVERY_ENVIRONMENT = "*"
_TABLES = {one.name: one for one in SCAN_TABLES}
_KINDS = {f"{DEFINITIONS}/{kind}": kind for kind in DEFINITION_KINDS}
_BLOCK = 1 << 20  # bytes that are hashed at once


def import_folder(database: Database, folder: Path) -> Restored:
    """Put an export into the store; files that an earlier attempt finished are passed over.

    The log goes in first, file by file, and definitions last, all at once: no schedule is to act on
    half a log. Before anything is stored, raises `Invalid` where a file is not what the manifest
    says, `Conflict` DEFINITIONS_DIFFER.
    """
    began = time.monotonic()
    manifest = read_manifest(folder)
    _check_known(manifest)
    position = Position(database, _EVERY_ENVIRONMENT, manifest.id)
    done = {path for step in position.steps for path in step["files"]}
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
    definitions = {_KINDS[one.table]: one for one in files if one.table in _KINDS}
    current = {
        kind: list(_documents(folder, entry))
        for kind, entry in definitions.items()
        if kind not in HISTORY_KINDS
    }
    check_definitions(database, current)

    def store_definitions() -> int:
        history = {
            kind: _documents(folder, definitions[kind])
            for kind in HISTORY_KINDS
            if kind in definitions
        }
        return restore_definitions(database, current, history)

    total = Restored()
    log = [one for one in files if one.table in _TABLES]
    with progress("Importing", sum(one.rows for one in log)) as advance:
        for entry in log:
            total += _restore_file(database, folder, manifest.format, entry, advance)
            position.note({"files": [entry.path]})
    written = 0
    if definitions:
        written = patiently(store_definitions, "stopped at the definitions")
        position.note({"files": [entry.path for entry in definitions.values()]})
    _summarise(written, total, time.monotonic() - began)
    return total


def _check_known(manifest: Manifest) -> None:
    """Refuse what this version would leave out."""
    for table in manifest.tables:
        known = {one.name for one in _TABLES[table.name].columns} if table.name in _TABLES else ()
        if table.name not in {*_TABLES, *_KINDS} or not set(table.columns) <= set(known):
            raise Invalid(
                "EXPORT_TOO_NEW",
                f"{table.name} was exported by Evenhand {manifest.version} with more than this"
                " version knows; update Evenhand",
            )


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


def _documents(folder: Path, entry: FileEntry) -> Iterator[dict[str, Any]]:
    with (folder / entry.path).open(encoding="utf-8", newline="\n") as file:
        yield from map(json.loads, file)


def _restore_file(
    database: Database,
    folder: Path,
    file_format: str,
    entry: FileEntry,
    advance: Callable[[int], None],
) -> Restored:
    table = _TABLES[entry.table]
    environment = (environment_of(entry.path),)
    total = Restored()
    columns = file_columns(table)
    batches = read_rows(folder / entry.path, file_format, columns, table.rows_at_once)
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
