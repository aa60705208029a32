"""The root of the command, and how an error becomes one clear line."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from experiments.definitions.errors import EvenhandError
from experiments.settings import VERSION

# Loaded when it is called: a key should not wait for SciPy, nor a report for Parquet.
_COMMANDS = {
    "apply": "experiments.cli.as_code:apply",
    "assign": "experiments.cli.assign:assign",
    "calibrate": "experiments.cli.calibrate:calibrate_methods",
    "compact": "experiments.cli.archive:compact",
    "dead-letters": "experiments.cli.dead_letters:dead_letters",
    "demo": "experiments.cli.demo.command:demo",
    "experiment": "experiments.cli.experiment:experiment",
    "export": "experiments.cli.exporting.command:export",
    "export-definitions": "experiments.cli.as_code:export_definitions",
    "import": "experiments.cli.importing.command:import_file",
    "init": "experiments.cli.service:init",
    "key": "experiments.cli.key:key",
    "power": "experiments.cli.power:power",
    "promote": "experiments.cli.as_code:promote",
    "report": "experiments.cli.report:report",
    "serve": "experiments.cli.service:serve",
    "tail": "experiments.cli.tail:tail",
    "tick": "experiments.cli.tick:tick",
    "verify": "experiments.cli.archive:verify",
}


class _Root(click.Group):
    """Loads commands by name; turns errors of the domain into one line and exit status 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EvenhandError as error:
            raise click.ClickException(f"{error.detail} [{error.code}]") from error


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="evenhand")
def main() -> None:
    """Evenhand: A/B experiments, from assignment to decision.

    The database is the one that EVENHAND_DATABASE_URL names; without it, SQLite in the folder
    EVENHAND_DATA_DIR (default: ./data).

    \b
    Examples:
      evenhand init
      evenhand key create --kind server
      EVENHAND_SECRET_KEY=… evenhand serve
      evenhand report checkout-button
    """
