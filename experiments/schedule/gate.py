"""Whether a report lets an experiment go on: the decision itself, by what may be read at any look.

A metric that is judged at a fixed horizon is left out: a look each few seconds would be many looks
at a test that is made for one.
"""

from __future__ import annotations

from typing import Any

from experiments.analysis.decision import Decision, Evidence, decide
from experiments.definitions.lifecycle import Standing
from experiments.definitions.time import parse_instant

ROLL_BACK, UNHEALTHY = "roll_back", "unhealthy"

# Without numbers, so that a step that is held for one reason is said once.
_REASONS = {
    "sample_ratio_mismatch": "the arms do not hold the shares of the units that were promised",
    "crossovers": "too many units met more than one variant",
}


def verdict(standing: Standing, results: dict[str, Any]) -> Decision:
    """The decision of a results document that `standing` gave, by its sequential metrics only."""
    phase = standing.phase
    return decide(
        Evidence(
            started_at=None if phase is None else phase.started_at,
            ended=False,
            as_of=parse_instant(results["as_of"]),
            plan=standing.experiment.plan,
            units=results["units"],
            names={variant["key"]: variant["name"] for variant in results["variants"]},
            health=results["health"],
            metrics=[one for one in results["metrics"] if one["basis"] == "sequential"],
            is_holdout=standing.experiment.holdout is not None,
        )
    )


def why_held(decision: Decision) -> str:
    return _REASONS.get(decision.rule, "the report says that its numbers cannot be trusted")
