"""`evenhand init` and `evenhand serve`."""

from __future__ import annotations

import os
import socket
import sys

import click

from experiments.cli.opened import open_database
from experiments.definitions.errors import Unavailable
from experiments.store.migrate import is_current, migrate


@click.command()
def init() -> None:
    """Make or upgrade the tables of the database. Safe to repeat.

    \b
    Examples:
      evenhand init
      EVENHAND_DATABASE_URL=postgresql://me@db/evenhand evenhand init
    """
    opened = open_database()
    migrate(opened.database)
    where = opened.database.url.render_as_string(hide_password=True)
    click.echo(f"The database {where} is ready. Make a key: evenhand key create --kind admin")


@click.command()
@click.option("--bind", default="127.0.0.1:8000", show_default=True, help="Address and port.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 256))
@click.option("--threads", default=16, show_default=True, type=click.IntRange(1, 1024))
def serve(bind: str, workers: int, threads: int) -> None:
    """Run the service under gunicorn, as `gunicorn wsgi:app` does.

    \b
    Examples:
      EVENHAND_SECRET_KEY=… evenhand serve
      EVENHAND_SECRET_KEY=… evenhand serve --bind 0.0.0.0:80 --workers 4
    """
    opened = open_database()
    if not opened.settings.secret_key:
        raise click.ClickException(
            "set EVENHAND_SECRET_KEY to a long random text; this makes one:"
            " python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    try:
        current = is_current(opened.database)
    except Unavailable as error:  # it serves from its last snapshot and heals by itself
        click.echo(f"Warning: {error.detail}", err=True)
    else:
        if not current:
            raise click.ClickException("the database is not up to date; run `evenhand init`")
    check_port(bind)
    opened.database.dispose()
    environ = {
        **os.environ,
        "EVENHAND_BIND": bind,
        "EVENHAND_WORKERS": str(workers),
        "EVENHAND_THREADS": str(threads),
    }
    os.execve(sys.executable, gunicorn_command(), environ)  # noqa: S606 — no shell is wanted


def gunicorn_command() -> list[str]:
    return [sys.executable, "-m", "gunicorn", "-c", "python:api.gunicorn_config", "wsgi:app"]


def check_port(bind: str) -> None:
    """Say in one line that a port is taken, before anything is started."""
    host, _, port = bind.rpartition(":")
    if not port.isdigit():
        raise click.ClickException(f"{bind!r} is no address such as 127.0.0.1:8000")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except (OSError, OverflowError) as error:
            raise click.ClickException(
                f"{bind} cannot be used ({error}); choose another with --bind"
            ) from error
