"""`evenhand export`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import click

from experiments.cli.exporting.days import DayFiles, file_columns
from experiments.cli.exporting.files import FORMATS
from experiments.cli.exporting.manifest import (
    DEFINITIONS,
    FileEntry,
    Manifest,
    TableEntry,
    file_entry,
    write_manifest,
)
from experiments.cli.opened import open_database
from experiments.cli.progress import progress
from experiments.definitions.errors import Conflict, Unavailable
from experiments.definitions.time import Instant, format_instant, now, parse_instant
from experiments.events.archive.manifest import LIVE, list_files
from experiments.events.scan import SCAN_TABLES, Extent, ScanTable, count, scan
from experiments.settings import VERSION
from experiments.store.database import Connection
from experiments.store.definition_rows import DEFINITION_KINDS, read_definition_rows

# What may be asked for by name: further ids belong to their outcomes.
_PARTS = {
    "exposures": ("exposures",),
    "outcomes": ("outcomes", "outcome_ids"),
    "links": ("links",),
    "sticky-assignments": ("sticky_assignments",),
    "dead-letters": ("dead_letters",),
}


class _Time(click.ParamType[Instant]):
    name = "time"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Instant:
        try:
            return parse_instant(f"{value}T00:00:00Z" if len(value) == len("2026-01-31") else value)
        except ValueError:
            self.fail("write a day (2026-01-31) or a time (2026-01-31T09:30:00Z)", param, ctx)


@click.command()
@click.option("--env", "environments", multiple=True, help="Only this environment; repeatable.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("evenhand-export"),
    show_default=True,
    help="The folder to write: a new or an empty one.",
)
@click.option(
    "--format", "file_format", type=click.Choice(FORMATS), default="parquet", show_default=True
)
@click.option("--since", metavar="TIME", type=_Time(), help="Only events from this time on.")
@click.option("--until", metavar="TIME", type=_Time(), help="Only events before this time.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([DEFINITIONS, *_PARTS]),
    help="Only this part; may be repeated.",
)
def export(
    environments: tuple[str, ...],
    *,
    output: Path,
    file_format: str,
    since: Instant | None,
    until: Instant | None,
    only: tuple[str, ...],
) -> None:
    """Write the event log and all definitions as files that other tools read.

    One snapshot of the store: events by day in Parquet (or CSV, or JSON lines), definitions with
    their history as JSON lines, and a manifest with counts and checksums. API keys are left out.
    `evenhand import FOLDER` takes it back.

    \b
    Examples:
      evenhand export --output backup
      evenhand export --env production --format csv --only outcomes --since 2026-01-01
    """
    if output.exists() and any(output.iterdir()):
        raise Conflict("FOLDER_NOT_EMPTY", f"{output} is not empty; name another folder")
    extent = Extent(environments or None, since, until)
    wanted = {name for part in only for name in _PARTS.get(part, ())}
    tables = [one for one in SCAN_TABLES if not only or one.name in wanted]
    kinds = DEFINITION_KINDS if not only or DEFINITIONS in only else ()
    opened = open_database()
    try:
        output.mkdir(parents=True, exist_ok=True)
        with opened.database.snapshot() as connection:
            at = now()
            _refuse_archived(connection, tables)
            entries: list[TableEntry] = []
            files: list[FileEntry] = []
            for kind in kinds:
                definitions = _write_definitions(connection, kind, output, extent.environments)
                entries.append(TableEntry(definitions.table, definitions.rows, {}))
                if definitions.rows:
                    files.append(definitions)
            total = sum(count(connection, table, extent) for table in tables)
            with progress("Exporting", total) as advance:
                for table in tables:
                    written = list(
                        _write_table(connection, table, output, file_format, extent, advance)
                    )
                    columns: dict[str, str] = {one.name: one.type for one in file_columns(table)}
                    rows = sum(one.rows for one in written)
                    entries.append(TableEntry(table.name, rows, columns))
                    files += written
    except OSError as error:
        raise Unavailable(
            "EXPORT_UNWRITABLE",
            f"{error.filename or output} cannot be written: {error.strerror}; mend that and export"
            " into another folder",
        ) from error
    finally:
        opened.database.dispose()
    manifest = Manifest(
        id=uuid4().hex,
        version=VERSION,
        exported_at=format_instant(at),
        format=file_format,
        environments=extent.environments,
        since=None if since is None else format_instant(since),
        until=None if until is None else format_instant(until),
        tables=tuple(entries),
        files=tuple(files),
    )
    write_manifest(output, manifest)
    for entry in entries:
        click.echo(f"{entry.name:26}{entry.rows:>14,}")
    click.echo(f"Wrote {output}; take it back with: evenhand import {output}")


def _refuse_archived(connection: Connection, tables: list[ScanTable]) -> None:
    """An export that lacks a part of the log without a word would be worse than none."""
    named = {table.name for table in tables}
    files = [one for one in list_files(connection, LIVE) if one.log_table in named]
    if files:
        raise Conflict(
            "EXPORT_LACKS_ARCHIVE",
            f"{len(files)} files of the archive hold a part of the log, which an export does not"
            " read yet; take these Parquet files as they are, and export the rest with --only",
        )


def _write_definitions(
    connection: Connection, kind: str, folder: Path, environments: tuple[str, ...] | None
) -> FileEntry:
    path = folder / DEFINITIONS / f"{kind}.jsonl"
    path.parent.mkdir(exist_ok=True)
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in read_definition_rows(connection, kind, environments):
            file.write(f"{json.dumps(row, ensure_ascii=False)}\n")
            rows += 1
    entry = file_entry(folder, path, f"{DEFINITIONS}/{kind}", rows)
    if not rows:
        path.unlink()
    return entry


def _write_table(
    connection: Connection,
    table: ScanTable,
    folder: Path,
    file_format: str,
    extent: Extent,
    advance: Callable[[int], None],
) -> Iterator[FileEntry]:
    files = DayFiles(folder, table, file_format)
    for rows in scan(connection, table, extent):
        yield from files.write(rows)
        advance(len(rows))
    yield from files.close()
