"""What a report lets the clock do: roll back, or raise the traffic.

A report that is read each few seconds is read very often. A metric that is judged by a sequence
may be: its verdict holds at any look. Any other metric is judged at one look, and rolls back only
where its p-value is below alpha / LOOKS, which keeps the chance of a false roll-back below alpha
over as many looks, whatever they have in common (Bonferroni's inequality).
"""

from __future__ import annotations

from typing import Any

from experiments.analysis.decision import Decision, Evidence, decide
from experiments.definitions.lifecycle import Standing
from experiments.definitions.time import parse_instant

LOOKS = 1_000_000  # one each 15 seconds for almost half a year

ROLL_BACK, UNHEALTHY = "roll_back", "unhealthy"

# Without numbers, so that a step that is held for one reason is said once.
_REASONS = {
    "sample_ratio_mismatch": "the arms do not hold the shares of the units that were promised",
    "crossovers": "too many units met more than one variant",
}

Document = dict[str, Any]


def harm(standing: Standing, results: Document) -> Decision | None:
    """The decision to roll back of a results document that `standing` gave, at any look."""
    phase, plan = standing.phase, standing.experiment.plan
    decision = decide(
        Evidence(
            started_at=None if phase is None else phase.started_at,
            ended=False,
            as_of=parse_instant(results["as_of"]),
            plan=plan,
            units=results["units"],
            names={variant["key"]: variant["name"] for variant in results["variants"]},
            health=results["health"],
            metrics=[_at_any_look(metric, plan.alpha) for metric in results["metrics"]],
            is_holdout=standing.experiment.holdout is not None,
        )
    )
    return decision if decision.recommendation == ROLL_BACK else None


def distrust(results: Document) -> str | None:
    """Why the numbers cannot be trusted, None where they can."""
    decision = results["decision"]
    if decision["recommendation"] != UNHEALTHY:
        return None
    return _REASONS.get(decision["rule"], "the report says that its numbers cannot be trusted")


def objection(standing: Standing, results: Document) -> str | None:
    """Why more units must not enter now, None where they may.

    A step that is held is looked at again, so that here the report's own verdicts count too.
    """
    shown = harm(standing, results)
    decision = results["decision"] if shown is None else shown.to_document()
    if decision["recommendation"] != ROLL_BACK:
        return distrust(results)
    metric = next(one for one in results["metrics"] if one["metric"] == decision["facts"]["metric"])
    arm = next(one for one in results["variants"] if one["key"] == decision["variant"])
    return f"{metric['name']} is significantly worse in {arm['name']}"


def _at_any_look(metric: Document, alpha: float) -> Document:
    if metric["basis"] == "sequential":
        return metric
    comparisons = [_beyond_doubt(metric, one, alpha) for one in metric["comparisons"]]
    return {**metric, "basis": "fixed", "comparisons": comparisons}


def _beyond_doubt(metric: Document, comparison: Document, alpha: float) -> Document:
    """The comparison with the verdict that all the looks may share; it has no family here."""
    difference = comparison["difference"]
    p_value, increased = difference["p_value"], (difference["estimate"] or 0) > 0
    shown = p_value is not None and p_value < alpha / LOOKS
    is_worse = shown and increased != (metric["direction"] == "increase")
    return {
        **comparison,
        "difference": {**difference, "family": None},
        "verdict": "worse" if is_worse else None,
    }
