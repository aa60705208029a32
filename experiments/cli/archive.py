"""`evenhand compact` and `evenhand verify`."""

from __future__ import annotations

import sys
from contextlib import suppress

import click

from experiments.cli.opened import open_database
from experiments.definitions.errors import Invalid
from experiments.definitions.time import now
from experiments.events.archive import Archive, Moved, closed_before, start_of, verify_log


@click.command()
@click.option(
    "--before",
    metavar="DAY",
    help="Archive what was received before this day (UTC), as 2026-01-31; default: all but the"
    " last EVENHAND_HOT_DAYS days.",
)
@click.option("--env", "environment", help="Only this environment; default: all.")
def compact(before: str | None, environment: str | None) -> None:
    """Move the closed days of the event log into the archive of Parquet files.

    The service does this once a day by itself. Safe to run while it works, to be killed at any
    moment and to be run again; reports say the same before and after. With EVENHAND_RETENTION_DAYS
    it lets go of the days that are older.

    \b
    Examples:
      evenhand compact
      evenhand compact --before 2026-01-31 --env production
    """
    opened = open_database()
    archive = Archive(opened.database, opened.settings.archive)
    limit = closed_before(now(), opened.settings.hot_days) if before is None else _day(before)
    try:
        done = archive.compact(limit, environment, _show)
        let_go = opened.settings.retention_days
        expired = 0 if let_go is None else archive.expire(closed_before(now(), let_go), environment)
    finally:
        opened.database.dispose()
    for moved in done:
        left = f"; {moved.of - moved.rows:,} changed meanwhile" if moved.rows < moved.of else ""
        click.echo(f"{_name(moved)}: {moved.rows:,} rows archived{left}")
    if expired:
        click.echo(f"{expired:,} rows were older than {let_go} days and are gone")
    if not done and not expired:
        click.echo("Nothing is old enough.")


@click.command()
def verify() -> None:
    """Check that the event log is whole: the store, and each file of the archive.

    A line for each thing that was looked at; exit status 1 where something is wrong.

    \b
    Example:
      evenhand verify
    """
    opened = open_database()
    wrong = 0
    try:
        for finding in verify_log(opened.database, opened.settings.archive):
            rows = f"{finding.rows:,} rows" if finding.rows else "no rows"
            wrong += finding.wrong is not None
            state = "ok   " if finding.wrong is None else "WRONG"
            click.echo(
                f"{state} {finding.subject}: {rows}"
                + ("" if finding.wrong is None else f"; {finding.wrong}")
            )
    finally:
        opened.database.dispose()
    if wrong:
        things = "One thing is" if wrong == 1 else f"{wrong} things are"
        click.echo(f"{things} wrong; see docs/archive.md for what to do.", err=True)
        sys.exit(1)
    click.echo("The event log is whole.")


def _day(text: str) -> int:
    with suppress(ValueError):
        return start_of(text)
    raise Invalid("DAY_INVALID", f"--before is {text!r}; name a day such as 2026-01-31")


def _show(moved: Moved) -> None:
    """Progress, where somebody looks on."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{_name(moved)}: {moved.rows:,} of {moved.of:,}", err=True, nl=False)
        if moved.rows == moved.of:
            click.echo("\r\x1b[K", err=True, nl=False)


def _name(moved: Moved) -> str:
    return f"{moved.environment} {moved.day} {moved.log_table}"
