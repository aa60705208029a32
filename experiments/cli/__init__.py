"""The command `evenhand`."""

from experiments.cli.main import main

__all__ = ["main"]
