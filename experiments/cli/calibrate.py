"""`evenhand calibrate`."""

from __future__ import annotations

import sys
from typing import Any

import click

from stats.calibration import SCENARIOS, Calibration, calibrate

BROKEN = 3  # the exit status where a promise does not hold


@click.command("calibrate")
@click.option(
    "--simulations",
    default=20_000,
    show_default=True,
    type=click.IntRange(100, 10_000_000),
    help="Of each scenario.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--method", default="", help="Only methods whose name holds this text.")
def calibrate_methods(simulations: int, seed: int, method: str) -> None:
    """Simulate every statistical method where the truth is known, and print how often it errs.

    A/A tests for rejection rates, known lifts for coverage, up to 100 looks for the sequential
    methods; naive ways stand beside them for comparison. Exits with 3 where a method's promise
    lies outside a 99.9 % interval of its rate.

    \b
    Examples:
      evenhand calibrate                                20,000 simulations, some minutes
      evenhand calibrate --simulations 2000 --seed 7
      evenhand calibrate --method welch
    """
    chosen = [one for one in SCENARIOS if method.lower() in one.method.lower()]
    if not chosen:
        known = ", ".join(dict.fromkeys(one.method for one in SCENARIOS))
        raise click.BadParameter(f"no method is called so; there are: {known}", param_hint="method")
    bar: Any = click.progressbar(
        length=simulations * len(chosen),
        label="Simulating",
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    )
    with bar:
        lines = calibrate(
            simulations,
            seed=seed,
            scenarios=chosen,
            progress=lambda done, _total, _method: bar.update(done - bar.pos),
        )
    for line in table(lines):
        click.echo(line)
    if any(line.holds is False for line in lines):
        raise SystemExit(BROKEN)


def table(lines: tuple[Calibration, ...]) -> list[str]:
    """The lines as columns, widths fitted."""
    head = ("method", "setting", "", "promise", "rate", "95 % interval", "KS D (p)", "holds")
    rows = [head, *(_row(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(line: Calibration) -> tuple[str, ...]:
    promised = "shown" if line.promise == "shown" else f"{line.promise} {line.target:.1%}"
    distance = "" if line.ks is None else f"{line.ks:.4f} ({line.ks_p_value:.3f})"
    holds = {True: "yes", False: "NO", None: "–"}[line.holds]
    interval = f"{line.lower:.2%}–{line.upper:.2%}"
    return (
        line.method, line.setting, line.quantity, promised, f"{line.rate:.2%}", interval,
        distance, holds,
    )  # fmt: skip
