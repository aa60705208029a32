"""`evenhand power`."""

from __future__ import annotations

import json
from typing import Any

import click

from experiments.analysis.power import BASES, KINDS, question_from_document, solve
from experiments.definitions.metric import DIRECTIONS
from experiments.definitions.plan import CORRECTIONS


@click.command()
@click.option("--kind", type=click.Choice(KINDS), default="conversion", show_default=True)
@click.option("--baseline", type=float, required=True, help="The control's rate or mean.")
@click.option("--sd", "standard_deviation", type=float, help="Of a unit's value; not for rates.")
@click.option("--lift", type=float, help="A fraction of the baseline: 0.05 is +5 %.")
@click.option("--units", type=int, help="Of all variants together.")
@click.option("--power", "power_", type=float, help="Default 0.8 where units or lift is sought.")
@click.option("--alpha", type=float, help="Default 0.05; one-sided with a margin.")
@click.option("--variants", type=click.IntRange(2, 50), help="With equal shares; default 2.")
@click.option("--shares", help="Of the variants, the control's first: 0.5,0.25,0.25.")
@click.option("--correction", type=click.Choice(CORRECTIONS), help="Default holm.")
@click.option("--comparisons", type=int, help="Goals × treatments; default: one goal.")
@click.option("--basis", type=click.Choice(BASES), help="Default sequential.")
@click.option("--direction", type=click.Choice(DIRECTIONS), help="Which way is better.")
@click.option("--margin", type=float, help="The loss to be excluded: 0.02 is 2 %.")
@click.option("--correlation", "covariate_correlation", type=float, help="Of a CUPED covariate.")
@click.option("--per-day", "units_per_day", type=float, help="Units that enter on a day.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, as the HTTP API has it.")
def power(*, power_: float | None, shares: str | None, as_json: bool, **given: Any) -> None:
    """Solve for units, lift or power, whichever is left out, and count the days.

    With --lift: how many units. With --units: how small a lift shows. With both: how probably.

    \b
    Examples:
      evenhand power --baseline 0.10 --lift 0.05 --per-day 4000
      evenhand power --kind mean --baseline 42 --sd 30 --units 50000
      evenhand power --baseline 0.10 --lift 0.05 --units 60000 --basis fixed
      evenhand power --baseline 0.10 --margin 0.02 --direction decrease
    """
    document = {"power": power_, **given}
    if shares is not None:
        try:
            document["shares"] = [float(share) for share in shares.split(",")]
        except ValueError as error:
            raise click.BadParameter("use fractions such as 0.5,0.25,0.25") from error
    answer = solve(question_from_document(document))
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    for name, text in _lines(answer):
        mark = "  ← solved" if name.lower() == answer["solved"] else ""
        click.echo(f"{name:8}  {text}{mark}")


def _lines(answer: dict[str, Any]) -> list[tuple[str, str]]:
    parts = " + ".join(f"{units:,}" for units in answer["units_per_variant"])
    lines = [
        ("Units", f"{answer['units']:,} ({parts})"),
        ("Lift", f"{100 * answer['lift']:+.4g} % ({answer['effect']:+.4g} absolute)"),
        ("Power", f"{100 * answer['power']:.4g} %"),
    ]
    if answer["days"] is not None:
        lines.append(("Days", f"{answer['days']:,}, and the metric's window on top"))
    sure = f"{answer['test']}, alpha {answer['alpha_per_comparison']:.4g}"
    return [*lines, ("Test", sure), ("Formula", answer["formula"])]
