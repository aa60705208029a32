"""`evenhand import FILE`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

from experiments.cli.importing.events import event_of
from experiments.cli.importing.experiment import ready_experiment, warn_of_what_does_not_count
from experiments.cli.importing.loading import BadLines, ItemsOf, Loader
from experiments.cli.importing.reading import FORMATS, DataFile, data_file
from experiments.cli.importing.units import Mapping, OutcomeColumn, UnitRows, survey
from experiments.cli.opened import Opened, environment_option, open_database
from experiments.events import Intake
from experiments.snapshot import Snapshots

SOME_REJECTED = 3  # the exit status


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
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
    events: bool,
    file_format: str | None,
    delimiter: str | None,
    rejects: Path | None,
    environment: str,
) -> None:
    """Import a CSV, Parquet or JSON-lines FILE: one row per unit, or one event per line.

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
      evenhand import events.jsonl --events
    """
    if rejects is not None and rejects.resolve() == file.resolve():
        raise click.UsageError("--rejects would overwrite the file; name another one")
    source = data_file(file, file_format, _delimiter(delimiter))
    opened = open_database()
    began = time.monotonic()
    if events:
        given: dict[str, object] = {
            "--experiment": experiment,
            "--unit": unit,
            "--variant": variant,
            "--outcome": outcomes,
            "--exposed-at": exposed_at,
            "--unit-type": unit_type,
            "--create": create,
        }
        _refuse_beside_events(given)
        columns: list[str] | None = None
        items_of: ItemsOf = event_of
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
    bad_lines, loader = _load(opened, environment, source, columns, items_of, rejects)
    _summarise(loader, bad_lines, time.monotonic() - began)
    if bad_lines.count:
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
    with _progress("Looking at it", source) as advance:
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
) -> tuple[BadLines, Loader]:
    snapshots = Snapshots(opened.database, opened.settings.data_dir / "snapshot.json")
    intake = Intake(opened.database, snapshots, queue_items=opened.settings.queue_items)
    try:
        with (
            nullcontext() if rejects is None else rejects.open("w", encoding="utf-8", newline="")
        ) as file:
            bad_lines = BadLines(file)
            loader = Loader(intake, environment, bad_lines)
            with _progress("Importing", source) as advance:
                loader.load(source.lines(columns, advance), items_of)
            return bad_lines, loader
    finally:
        intake.close()
        opened.database.dispose()


@contextmanager
def _progress(label: str, source: DataFile) -> Iterator[Callable[[int], None]]:
    """A progress bar over a file on standard error, where a person watches."""
    bar: Any = click.progressbar(
        length=source.length(), label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    )
    with bar:
        yield bar.update


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


def _refuse_beside_events(given: dict[str, object]) -> None:
    for option, value in given.items():
        if value:
            raise click.UsageError(f"{option} does not go with --events: the lines say it")


def _delimiter(text: str | None) -> str | None:
    known = {None: None, "\\t": "\t", "tab": "\t"}
    delimiter = known.get(text, text)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise click.BadParameter("one character, or tab", param_hint="--delimiter")
    return delimiter
