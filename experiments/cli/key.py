"""`evenhand key …`."""

from __future__ import annotations

import click

from experiments.access import KINDS, PAYLOADS, PLAIN, Keys
from experiments.cli.opened import actor, environment_option, open_database
from experiments.definitions.time import DAY, format_instant, now
from experiments.sdk_payload_modes import KeySecrets, key_secrets
from experiments.store.keys import KeyRecord


@click.group()
def key() -> None:
    """Make, list and revoke API keys; show what apps need beside them."""


@key.command("create")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What it may do.")
@click.option("--name", default="", help="What it is for; shown in the list.")
@click.option("--days", type=click.IntRange(1, 36500), help="Days until it expires.")
@click.option(
    "--payload",
    type=click.Choice(PAYLOADS),
    default=PLAIN,
    show_default=True,
    help="What GrowthBook's SDKs get with a client key; remote: only evaluations.",
)
@click.option(
    "--secure-attribute",
    "secure_attributes",
    multiple=True,
    help="An attribute whose values a client key's payload holds only hashed; repeatable.",
)
@environment_option
def create_key(
    kind: str,
    name: str,
    days: int | None,
    payload: str,
    secure_attributes: tuple[str, ...],
    environment: str,
) -> None:
    """Make a key and print it, and only it. It cannot be shown again.

    A client key is public (evaluate, log events), a server key stays on servers, an admin key
    may do everything.

    \b
    Examples:
      evenhand key create --kind client --env staging
      evenhand key create --kind client --payload encrypted --secure-attribute email
      ADMIN=$(evenhand key create --kind admin --name notebook --days 30)
    """
    expires_at = None if days is None else now() + days * DAY
    keys = Keys(open_database().database)
    made = keys.create(
        kind,
        environment,
        name=name,
        expires_at=expires_at,
        payload=payload,
        secure_attributes=secure_attributes,
        actor=actor(),
    )
    click.echo(made)


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
        mode = _mode(record) if record.kind == "client" else ""
        words = (record.selector, f"{record.kind:6}", state, last, mode, record.name)
        click.echo("  ".join(word for word in words if word))


@key.command("secrets")
@click.argument("selector")
@environment_option
def show_secrets(selector: str, environment: str) -> None:
    """Print what apps need beside the client key with this SELECTOR.

    That is the key that decrypts its payload, and the salt of secure attributes, which the app
    gives to its SDK as SHA-256(salt + value) in hexadecimal digits. Both are derived from
    EVENHAND_SECRET_KEY, which must be the one that the service runs with.

    \b
    Example:
      EVENHAND_SECRET_KEY=… evenhand key secrets 0f3a9c5d7e1b2468
    """
    opened = open_database()
    record = Keys(opened.database).get(environment, selector)
    found = key_secrets(opened.settings.required_secret(), record)
    if found.decryption_key:
        click.echo(f"decryption_key  {found.decryption_key}")
    if found.salt:
        click.echo(f"salt  {found.salt}")
    if found == KeySecrets(None, None):
        click.echo("This key needs none: it is not encrypted and has no secure attributes.")


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


def _mode(record: KeyRecord) -> str:
    secure = ", ".join(record.secure_attributes)
    return f"{record.payload} payload" + (f" (hashed: {secure})" if secure else "")
