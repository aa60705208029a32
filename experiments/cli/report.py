"""`evenhand report KEY`."""

from __future__ import annotations

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from experiments.analysis.service import Pending, Reports
from experiments.cli.opened import environment_option, open_database
from experiments.cli.report_text import report_text
from experiments.definitions.errors import Unavailable

_GRACE = 30.0  # seconds beyond the analysis' own deadline, for the turn before it


@click.command()
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON, as the HTTP API has it.")
@click.option("--phase", type=int, help="One phase of the experiment; the latest by default.")
@click.option("--segment", help="Only the units of this segment; everybody by default.")
@environment_option
def report(
    key: str, *, as_json: bool, phase: int | None, segment: str | None, environment: str
) -> None:
    """Show what an experiment has found: what to do, whether to trust it, and the numbers.

    The report holds every event stored before the command was given.

    \b
    Examples:
      evenhand report checkout-button
      evenhand report checkout-button --phase 1 --segment mobile
      evenhand report checkout-button --env staging --json | jq .decision
    """
    document = _document(environment, key, phase, segment)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
        return
    width = shutil.get_terminal_size((100, 24)).columns
    click.echo(report_text(document, width, colour=sys.stdout.isatty()))


def _document(environment: str, key: str, phase: int | None, segment: str | None) -> dict[str, Any]:
    """The fresh report; a note tells a person at a terminal that it is being made."""
    opened = open_database()
    reports = Reports(opened.database, opened.settings)
    wait = opened.settings.analysis_deadline + _GRACE
    try:
        with ThreadPoolExecutor(1) as pool:
            making = pool.submit(
                reports.results, environment, key, phase=phase, segment=segment, wait=wait
            )
            _note_while(making)
            outcome = making.result()
    finally:
        opened.database.dispose()
    if isinstance(outcome, Pending):
        raise Unavailable("ANALYSIS_DEADLINE", "the analysis is not done yet; ask again later")
    return outcome.document


def _note_while(making: Any) -> None:
    if not sys.stderr.isatty():
        return
    seconds = 0
    while True:
        try:
            making.exception(timeout=1)
        except TimeoutError:
            seconds += 1
            click.echo(f"\rReading the event log … {seconds} s", err=True, nl=False)
        else:
            break
    if seconds:
        click.echo("\r\033[K", err=True, nl=False)
