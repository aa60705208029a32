"""The root of the command, and how an error becomes one clear line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from experiments.cli.calibrate import calibrate_methods
from experiments.cli.demo import demo
from experiments.cli.experiment import experiment
from experiments.cli.importing import import_file
from experiments.cli.key import key
from experiments.cli.report import report
from experiments.cli.service import init, serve
from experiments.definitions.errors import EvenhandError
from experiments.settings import VERSION


class _OneLine(click.Group):
    """Turns errors of the domain into one line on standard error and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EvenhandError as error:
            raise click.ClickException(f"{error.detail} [{error.code}]") from error


@click.group(cls=_OneLine, context_settings={"help_option_names": ["-h", "--help"]})
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


_COMMANDS: tuple[Callable[..., Any], ...] = (
    calibrate_methods,
    demo,
    experiment,
    import_file,
    init,
    key,
    report,
    serve,
)
for _command in _COMMANDS:
    main.add_command(_command)  # type: ignore[arg-type]

if __name__ == "__main__":
    sys.exit(main())
