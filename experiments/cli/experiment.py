"""`evenhand experiment …`."""

from __future__ import annotations

import json

import click

from experiments.cli.opened import actor, environment_option, open_database
from experiments.definitions.experiment import experiment_to_document
from experiments.definitions.lifecycle import STATUSES
from experiments.definitions.time import format_instant, parse_instant
from experiments.registry import Experiments


@click.group()
def experiment() -> None:
    """List, show, clone, start and stop experiments."""


@experiment.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only those in this state.")
@environment_option
def list_experiments(status: str | None, environment: str) -> None:
    """List the experiments of an environment, the newest first.

    \b
    Example:
      evenhand experiment list --status running
    """
    found = _experiments().search(environment, status=status)
    if not found:
        click.echo(
            f"No experiments here. Create one with POST /api/v1/experiments ({environment})."
        )
    width = max((len(one.experiment.key) for one in found), default=0)
    for one in found:
        variants = " / ".join(
            f"{variant.key} {variant.weight:.0%}" for variant in one.experiment.variants
        )
        click.echo(f"{one.experiment.key:{width}}  {one.status:8}  {variants}")


@experiment.command("show")
@click.argument("key")
@environment_option
def show_experiment(key: str, environment: str) -> None:
    """Show an experiment as JSON.

    \b
    Example:
      evenhand experiment show checkout-button
    """
    standing = _experiments().get(environment, key)
    started = standing.phase.started_at if standing.phase else None
    document = {
        **experiment_to_document(standing.experiment),
        "environment": environment,
        "status": standing.status,
        "revision": standing.revision,
        "winner": standing.winner,
        "started_at": None if started is None else format_instant(started),
    }
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


@experiment.command("clone")
@click.argument("key")
@click.argument("new_key")
@click.option("--name", help="For people; default: that of the source.")
@environment_option
def clone_experiment(key: str, new_key: str, name: str | None, environment: str) -> None:
    """Create a draft with the definition of an experiment and a key of its own.

    Its units are randomised anew, since the key is the seed. It fills the same feature, and does
    not start or stop by the clock.

    \b
    Example:
      evenhand experiment clone checkout-button checkout-button-2 --name "Second try"
    """
    _experiments().clone(environment, key, new_key, actor(), name)
    click.echo(f"{new_key} is a draft; start it: evenhand experiment start {new_key}")


@experiment.command("start")
@click.argument("key")
@click.option("--started-at", help="A time in the past, for data gathered elsewhere.")
@environment_option
def start_experiment(key: str, started_at: str | None, environment: str) -> None:
    """Start a draft and print its pre-flight checks.

    \b
    Examples:
      evenhand experiment start checkout-button
      evenhand experiment start old-test --started-at 2026-01-01T00:00:00Z
    """
    try:
        at = None if started_at is None else parse_instant(started_at)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--started-at") from error
    _, checks = _experiments().move(environment, key, "start", actor(), started_at=at)
    for check in checks:
        click.echo(f"{check.outcome:4}  {check.message}")
    click.echo(f"{key} is running.")


@experiment.command("stop")
@click.argument("key")
@environment_option
def stop_experiment(key: str, environment: str) -> None:
    """Stop an experiment: everybody gets the control.

    \b
    Example:
      evenhand experiment stop checkout-button
    """
    _experiments().move(environment, key, "stop", actor())
    click.echo(f"{key} is stopped; workers hand out the control within a second.")


def _experiments() -> Experiments:
    # The workers poll the version that each change advances; here nobody needs telling.
    return Experiments(open_database().database, lambda: None)
