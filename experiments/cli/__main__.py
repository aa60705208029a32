"""`python -m experiments.cli` is `evenhand`."""

from experiments.cli.main import main

main(prog_name="evenhand")
