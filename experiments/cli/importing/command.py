"""`evenhand import FILE`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from experiments.cli.importing.events import event_of
from experiments.cli.importing.experiment import ready_experiment, warn_of_what_does_not_count
from experiments.cli.importing.folder import import_folder
from experiments.cli.importing.loading import BadLines, ItemsOf, Loader
from experiments.cli.importing.position import LinePosition
from experiments.cli.importing.reading import FORMATS, DataFile, data_file
from experiments.cli.importing.tables import FIELDS, TableKind, prepare_table
from experiments.cli.importing.units import Mapping, OutcomeColumn, UnitRows, survey
from experiments.cli.opened import Opened, environment_option, open_database
from experiments.cli.progress import progress
from experiments.events import Intake
from experiments.snapshot import Snapshots

SOME_REJECTED = 3  # the exit status


@click.command("import")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--experiment", metavar="KEY", help="The experiment that the units were in.")
@click.option("--unit", metavar="COLUMN", help="The column of the unit's id.")
@click.option("--variant", metavar="COLUMN", help="The column of the variant's key.")
@click.option(
    "--outcome",
    "outcomes",
    metavar="EVENT[=COLUMN]",
    multiple=True,
    help="A column of outcomes, logged as this event. Repeat it for several.",
)
@click.option("--exposed-at", metavar="COLUMN", help="When the unit met its variant.")
@click.option("--unit-type", metavar="TYPE", help="The name of the id; default: the experiment's.")
@click.option("--create", is_flag=True, help="Make the experiment and the metrics if missing.")
@click.option("--control", metavar="VARIANT", help="With --create: the control.")
@click.option(
    "--as",
    "table",
    type=click.Choice(list(FIELDS)),
    help="A table of a warehouse: one exposure or one outcome a row.",
)
@click.option(
    "--column",
    "named",
    metavar="FIELD=COLUMN",
    multiple=True,
    help="With --as: what a column holds, where its name does not say it.",
)
@click.option("--event", metavar="NAME", help="With --as outcomes: all rows are this event.")
@click.option("--utc", is_flag=True, help="With --as: times without an offset are UTC.")
@click.option("--events", is_flag=True, help="Each line is an event, as the HTTP API takes it.")
@click.option("--format", "file_format", type=click.Choice(FORMATS), help="Default: the suffix.")
@click.option("--delimiter", metavar="CHAR", help="Between the columns of CSV; default: a comma.")
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all refused lines with their reasons here, as CSV.",
)
@environment_option
def import_file(
    file: Path,
    *,
    experiment: str | None,
    unit: str | None,
    variant: str | None,
    outcomes: tuple[str, ...],
    exposed_at: str | None,
    unit_type: str | None,
    create: bool,
    control: str | None,
    table: TableKind | None,
    named: tuple[str, ...],
    event: str | None,
    utc: bool,
    events: bool,
    file_format: str | None,
    delimiter: str | None,
    rejects: Path | None,
    environment: str,
) -> None:
    """Import a CSV, Parquet or JSON-lines FILE, or the folder of an `evenhand export`.

    A file has one row per unit, or is a table of exposures or outcomes (--as), or has one event
    per line as the HTTP API takes it (--events).

    A column of true/false, yes/no or 1/0 gives an outcome where it is true; a column of numbers
    gives an outcome with that value where it is not 0; blank cells give none. An import may be
    repeated: what is stored already is counted as duplicate and not stored again.

    Refused lines are listed with their numbers; the rest goes in. Exit status: 0 if everything
    went in, 3 if lines were refused, 1 if nothing could be done.

    \b
    Examples:
      evenhand import players.csv --experiment gate --unit userid --variant version \\
          --outcome retained=retention_7 --outcome rounds --create --control gate_30
      evenhand import visits.parquet --experiment search --unit visitor --variant arm \\
          --exposed-at first_seen --outcome purchase --rejects refused.csv
      evenhand import viewed.parquet --as exposures
      evenhand import orders.csv --as outcomes --event purchase --column value=total
      evenhand import events.jsonl --events
      evenhand import evenhand-export
    """
    if rejects is not None and rejects.resolve() == file.resolve():
        raise click.UsageError("--rejects would overwrite the file; name another one")
    given: dict[str, object] = {
        "--experiment": experiment,
        "--unit": unit,
        "--variant": variant,
        "--outcome": outcomes,
        "--exposed-at": exposed_at,
        "--unit-type": unit_type,
        "--create": create,
    }
    of_tables: dict[str, object] = {"--column": named, "--event": event, "--utc": utc}
    if file.is_dir():
        more = {
            **of_tables,
            "--as": table,
            "--events": events,
            "--format": file_format,
            "--rejects": rejects,
            "--env": _is_given("environment"),
        }
        _refuse_beside("an exported folder: it says what it holds", {**given, **more})
        _import_folder(file)
        return
    source = data_file(file, file_format, _delimiter(delimiter))
    opened = open_database()
    began = time.monotonic()
    columns: list[str] | None
    items_of: ItemsOf
    position: LinePosition | None = None
    if table is None:
        _refuse_beside("a file without --as exposures or --as outcomes", of_tables)
    if table is not None:
        refused = ["--outcome", "--exposed-at", "--create"]
        refused += [] if table == "exposures" else ["--experiment", "--variant"]
        others = {"--events": events, "--event": event if table == "exposures" else None}
        _refuse_beside(f"--as {table}", {**{name: given[name] for name in refused}, **others})
        columns_given = _named(named, table, unit=unit, variant=variant)
        columns, items_of, position = prepare_table(
            opened.database,
            environment,
            source,
            table,
            columns_given,
            unit_type=unit_type,
            experiment=experiment,
            event=event,
            utc=utc,
        )
    elif events:
        _refuse_beside("--events: the lines say it", given)
        columns = None
        items_of = event_of
    else:
        mapping = _mapping(experiment, unit, variant, outcomes, exposed_at)
        if create and control is None:
            raise click.UsageError("--create needs --control VARIANT")
        columns = mapping.columns
        items_of = _prepare(
            opened,
            environment,
            source,
            mapping,
            unit_type=unit_type,
            control=control if create else None,
        )
    bad_lines, loader = _load(opened, environment, source, columns, items_of, rejects, position)
    _summarise(loader, bad_lines, time.monotonic() - began)
    if bad_lines.count:
        sys.exit(SOME_REJECTED)


def _import_folder(folder: Path) -> None:
    opened = open_database()
    try:
        done = import_folder(opened.database, folder)
    finally:
        opened.database.dispose()
    if done.conflicts:
        sys.exit(SOME_REJECTED)


def _prepare(
    opened: Opened,
    environment: str,
    source: DataFile,
    mapping: Mapping,
    *,
    unit_type: str | None,
    control: str | None,
) -> ItemsOf:
    with progress("Looking at it", source.length()) as advance:
        seen = survey(source.lines(mapping.columns, advance), mapping)
    standing = ready_experiment(
        opened.database, environment, mapping, seen, unit_type=unit_type, control=control
    )
    warn_of_what_does_not_count(opened.database, standing, mapping, seen)
    return UnitRows(
        mapping,
        variants=frozenset(one.key for one in standing.experiment.variants),
        unit_type=standing.experiment.unit_type,
        numeric=seen.numeric,
    ).items


def _load(
    opened: Opened,
    environment: str,
    source: DataFile,
    columns: Sequence[str] | None,
    items_of: ItemsOf,
    rejects: Path | None,
    position: LinePosition | None,
) -> tuple[BadLines, Loader]:
    snapshots = Snapshots(opened.database, opened.settings.data_dir / "snapshot.json")
    intake = Intake(opened.database, snapshots, queue_items=opened.settings.queue_items)
    try:
        with (
            nullcontext() if rejects is None else rejects.open("w", encoding="utf-8", newline="")
        ) as file:
            bad_lines = BadLines(file)
            loader = Loader(intake, environment, bad_lines, position)
            with progress("Importing", source.length()) as advance:
                loader.load(source.lines(columns, advance), items_of)
            return bad_lines, loader
    finally:
        intake.close()
        opened.database.dispose()


def _summarise(loader: Loader, bad_lines: BadLines, seconds: float) -> None:
    for bad in bad_lines.first:
        click.echo(f"line {bad.number}: {bad.reason} [{bad.code}]", err=True)
    if bad_lines.count > len(bad_lines.first):
        rest = bad_lines.count - len(bad_lines.first)
        click.echo(f"… and {rest:,} more; --rejects FILE writes all of them down", err=True)
    tally = loader.tally
    taken = tally.stored + tally.duplicates
    rate = taken / seconds if seconds > 0 else 0.0
    rows = (
        ("rows read", f"{tally.rows:,}"),
        ("events stored", f"{tally.stored:,}"),
        ("duplicates", f"{tally.duplicates:,}"),
        ("conflicts", f"{tally.conflicts:,}"),
        ("rows refused", f"{bad_lines.count:,}"),
        ("seconds", f"{seconds:.1f}"),
        ("events per second", f"{rate:,.0f}"),
    )
    for name, number in rows:
        click.echo(f"{name:18}{number:>12}")


def _mapping(
    experiment: str | None,
    unit: str | None,
    variant: str | None,
    outcomes: tuple[str, ...],
    exposed_at: str | None,
) -> Mapping:
    if experiment is None or unit is None or variant is None:
        raise click.UsageError(
            "a file with one row per unit needs --experiment KEY, --unit COLUMN and --variant"
            " COLUMN; a file of events needs --events"
        )
    columns = []
    for text in outcomes:
        event, _, column = text.partition("=")
        columns.append(OutcomeColumn(event, column or event))
    events = [one.event for one in columns]
    if len(set(events)) < len(events):
        raise click.UsageError("two columns give the same event; name them --outcome EVENT=COLUMN")
    return Mapping(experiment, unit, variant, tuple(columns), exposed_at)


def _named(
    texts: tuple[str, ...], table: TableKind, *, unit: str | None, variant: str | None
) -> dict[str, str]:
    """The columns by field, as they were given."""
    short = {"unit": unit, "variant": variant}
    columns = {field: column for field, column in short.items() if column is not None}
    for text in texts:
        field, _, column = text.partition("=")
        if field not in FIELDS[table] or not column:
            known = ", ".join(FIELDS[table])
            raise click.BadParameter(
                f"{text!r} is not FIELD=COLUMN; the fields of {table} are {known}",
                param_hint="--column",
            )
        columns[field] = column
    return columns


def _refuse_beside(other: str, given: dict[str, object]) -> None:
    for option, value in given.items():
        if value:
            raise click.UsageError(f"{option} does not go with {other}")


def _is_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def _delimiter(text: str | None) -> str | None:
    known = {None: None, "\\t": "\t", "tab": "\t"}
    delimiter = known.get(text, text)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise click.BadParameter("one character, or tab", param_hint="--delimiter")
    return delimiter
