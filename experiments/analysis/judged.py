"""By what each metric is judged: the one reading of a comparison for whoever decides or draws.

A sequential plan judges a metric with a window by its confidence sequence. Without a window a
unit's value goes on changing after it was counted, so that the information falls while units age
and no look counts as later than another: such a metric is read once, at a fixed horizon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments.definitions.metric import Metric
from experiments.definitions.plan import Plan

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """The evidence of a comparison on its metric's basis, None where it is missing.

    `interval` bounds the difference, in the unit of the metric, `lift_interval` the lift, a
    fraction; both at `level`. `reason` says why a lift has no interval. Only a Bayesian metric
    has a `chance_to_win`, and no p-value.
    """

    interval: list[float] | None
    lift_interval: list[float] | None
    level: float
    p_value: float | None
    adjusted_p_value: float | None
    family: int | None
    chance_to_win: float | None
    method: str
    lift_method: str
    reason: str | None

    @property
    def decisive_p_value(self) -> float | None:
        """The p-value that alpha is compared with: the adjusted one inside a family."""
        return self.p_value if self.family is None else self.adjusted_p_value


def basis_of(plan: Plan, metric: Metric) -> str:
    """sequential, fixed or bayesian."""
    if plan.basis == "sequential" and metric.window_hours is None:
        return "fixed"
    return plan.basis


def judged(basis: str, comparison: Document) -> Judged:
    """Read one of the `comparisons` of a metric with this basis."""
    difference, lift = comparison["difference"], comparison["lift"]
    if basis == "sequential":
        sequence = comparison["sequential"]
        return Judged(
            interval=sequence["interval"],
            lift_interval=sequence["lift_interval"],
            level=sequence["level"],
            p_value=sequence["p_value"],
            adjusted_p_value=sequence["adjusted_p_value"],
            family=difference["family"],
            chance_to_win=None,
            method=sequence["method"],
            lift_method=sequence["method"],
            reason=sequence["reason"],
        )
    belief = comparison["bayesian"] if basis == "bayesian" else None
    relative = belief or lift
    return Judged(
        interval=difference["interval"],
        lift_interval=relative["interval"],
        level=difference["level"],
        p_value=None if belief else difference["p_value"],
        adjusted_p_value=None if belief else difference["adjusted_p_value"],
        family=None if belief else difference["family"],
        chance_to_win=belief and belief["chance_to_win"],
        method=difference["method"],
        lift_method=relative["method"],
        reason=relative["reason"],
    )


def at_any_time(metrics: list[Document]) -> bool:
    """Whether a look may decide before the planned size.

    The primary goal and every guardrail that can stand against it are judged sequentially.
    """
    goals = [metric["basis"] for metric in metrics if metric["role"] == "goal"][:1]
    margins = [metric["basis"] for metric in metrics if metric["margin"] is not None]
    return bool(goals) and all(basis == "sequential" for basis in goals + margins)
