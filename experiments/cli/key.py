"""`evenhand key …`."""

from __future__ import annotations

import click

from experiments.access import KINDS, Keys
from experiments.cli.opened import actor, environment_option, open_database
from experiments.definitions.time import DAY, format_instant, now


@click.group()
def key() -> None:
    """Make, list and revoke API keys."""


@key.command("create")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What it may do.")
@click.option("--name", default="", help="What it is for; shown in the list.")
@click.option("--days", type=click.IntRange(1, 36500), help="Days until it expires.")
@environment_option
def create_key(kind: str, name: str, days: int | None, environment: str) -> None:
    """Make a key and print it, and only it. It cannot be shown again.

    A client key is public (evaluate, log events), a server key stays on servers, an admin key
    may do everything.

    \b
    Examples:
      evenhand key create --kind client --env staging
      ADMIN=$(evenhand key create --kind admin --name notebook --days 30)
    """
    expires_at = None if days is None else now() + days * DAY
    keys = Keys(open_database().database)
    click.echo(keys.create(kind, environment, name=name, expires_at=expires_at, actor=actor()))


@key.command("list")
@environment_option
def list_keys(environment: str) -> None:
    """List the keys of an environment; the secrets are not kept.

    \b
    Example:
      evenhand key list --env production
    """
    records = Keys(open_database().database).all(environment)
    if not records:
        click.echo(f"No keys in {environment}. Make one: evenhand key create --kind server")
    at = now()
    for record in records:
        state = "live" if record.is_live(at) else "dead"
        used = record.last_used_at
        last = f"last used {format_instant(used)}" if used else "never used"
        click.echo(f"{record.selector}  {record.kind:6}  {state}  {last}  {record.name}".rstrip())


@key.command("revoke")
@click.argument("selector")
@environment_option
def revoke_key(selector: str, environment: str) -> None:
    """Revoke the key with this SELECTOR, the 16 characters that `evenhand key list` shows.

    \b
    Example:
      evenhand key revoke 0f3a9c5d7e1b2468
    """
    Keys(open_database().database).revoke(environment, selector, actor=actor())
    click.echo(f"Revoked {selector}; every worker refuses it within a second.")
