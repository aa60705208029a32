"""What the commands work with, from the environment."""

from __future__ import annotations

import getpass
from dataclasses import dataclass

import click

from experiments.access import DEFAULT_ENVIRONMENT
from experiments.settings import Settings
from experiments.store.database import Database

environment_option = click.option(
    "--env",
    "environment",
    default=DEFAULT_ENVIRONMENT,
    show_default=True,
    help="The environment that is meant.",
)


@dataclass(frozen=True, slots=True)
class Opened:
    settings: Settings
    database: Database


def open_database() -> Opened:
    settings = Settings.from_env()
    return Opened(settings, Database(settings.database_url))


def actor() -> str:
    """Who the audit names for what is done on the command line."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container whose user has no name
        return "cli"
