"""What an experiment measures, and how it is analysed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.definitions.errors import Problem

ROLES = ("goal", "guardrail", "secondary")
BASES = ("sequential", "fixed", "bayesian")
CORRECTIONS = (
    "holm",
    "hochberg",
    "bonferroni",
    "benjamini-hochberg",
    "benjamini-yekutieli",
    "none",
)


@dataclass(frozen=True, slots=True)
class MetricUse:
    """A metric in an experiment. `margin`: the loss a guardrail may show, a positive lift."""

    metric: str
    role: str
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How the experiment is analysed.

    `alpha` and `power` are fractions, `planned_units` counts all arms together,
    `minimum_effect` is a positive lift (a fraction of the control's mean). On the basis
    `sequential` a report may be read, and decided on, at any time; metrics without a window are
    read at a fixed horizon all the same.
    """

    basis: str = "sequential"
    alpha: float = 0.05
    correction: str = "holm"
    planned_units: int | None = None
    power: float = 0.8
    minimum_effect: float | None = None


def metric_use_problems(uses: Iterable[MetricUse]) -> list[Problem]:
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, use in enumerate(uses):
        path = f"metrics.{index}"
        if use.role not in ROLES:
            problems.append(
                Problem(f"{path}.role", "ROLE_UNKNOWN", f"use one of {', '.join(ROLES)}")
            )
        if use.metric in seen:
            problems.append(
                Problem(f"{path}.metric", "METRIC_DUPLICATE", f"{use.metric!r} is named twice")
            )
        seen.add(use.metric)
        if use.margin is not None and not 0 < use.margin < 1:
            problems.append(
                Problem(
                    f"{path}.margin",
                    "MARGIN_INVALID",
                    "a margin is a positive lift below 1, such as 0.02 for a loss of 2 %",
                )
            )
        if use.margin is not None and use.role != "guardrail":
            problems.append(
                Problem(f"{path}.margin", "MARGIN_INVALID", "only a guardrail has a margin")
            )
    return problems


def plan_problems(plan: Plan) -> list[Problem]:
    problems: list[Problem] = []
    if plan.basis not in BASES:
        problems.append(Problem("plan.basis", "BASIS_UNKNOWN", f"use one of {', '.join(BASES)}"))
    if plan.correction not in CORRECTIONS:
        problems.append(
            Problem("plan.correction", "CORRECTION_UNKNOWN", f"use one of {', '.join(CORRECTIONS)}")
        )
    for name, share in (("alpha", plan.alpha), ("power", plan.power)):
        if not 0 < share < 1:
            problems.append(Problem(f"plan.{name}", "PLAN_INVALID", f"{name} lies between 0 and 1"))
    if plan.planned_units is not None and plan.planned_units < 1:
        problems.append(
            Problem("plan.planned_units", "PLAN_INVALID", "planned_units is at least 1")
        )
    if plan.minimum_effect is not None and not plan.minimum_effect > 0:
        problems.append(
            Problem("plan.minimum_effect", "PLAN_INVALID", "minimum_effect is a positive lift")
        )
    return problems
