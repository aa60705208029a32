"""`evenhand tick`."""

from __future__ import annotations

import click

from experiments.analysis.service import Reports
from experiments.cli.opened import open_database
from experiments.registry import Experiments
from experiments.schedule import Scheduler


@click.command()
def tick() -> None:
    """Do now what the schedules ask for, once: starts, stops, ramps and roll-backs.

    For cron, where the service runs with EVENHAND_SCHEDULER=off. Safe to run at any time and on
    many machines: one of them acts, and nothing is done twice.

    \b
    Example:
      * * * * * evenhand tick
    """
    opened = open_database()
    database = opened.database
    scheduler = Scheduler(
        database,
        Experiments(database, lambda: None),
        Reports(database, opened.settings),
        opened.settings,
    )
    try:
        done = scheduler.tick()
    finally:
        scheduler.close()
        database.dispose()
    if done is None:
        click.echo("Another process keeps the schedules; nothing was done here.")
    elif not done:
        click.echo("Nothing was due.")
    for notice in done or ():
        click.echo(f"{notice.environment}/{notice.experiment} {notice.code}: {notice.detail}")
