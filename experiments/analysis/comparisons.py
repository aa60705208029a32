"""Each metric of each treatment against the control: moments → stats → the results document.

Everything is one array of metrics × arms, so that a report of a hundred metrics costs a few calls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.analysis.task import Findings, Measured
from experiments.definitions.experiment import Experiment, Plan
from experiments.definitions.metric import Metric
from stats import (
    Difference,
    Interval,
    Lift,
    Moments,
    PairMoments,
    Posterior,
    adjust,
    family_size,
    fieller_lift,
    lift_posterior,
    linearise,
    welch,
)
from stats.multiplicity import Method

# Stands for every number of an arm that holds a value too large to be squared.
TOO_LARGE = "VALUE_TOO_LARGE"
# A number that the data gave, but that a double cannot hold.
OUT_OF_RANGE = "OUT_OF_RANGE"

BETTER, WORSE, INCONCLUSIVE = "better", "worse", "inconclusive"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Moments of metrics × variants, the control's column apart from the treatments'."""

    means: Moments
    control: Moments
    treatments: Moments
    too_large: NDArray[np.bool_]


def compare(experiment: Experiment, metrics: tuple[Metric, ...], found: Findings) -> list[Document]:
    """The `metrics` part of the results document, in the order of the experiment's metrics."""
    if not metrics:
        return []
    keys = [variant.key for variant in experiment.variants]
    control = keys.index(experiment.control.key)
    treatments = [index for index in range(len(keys)) if index != control]
    arms = {arm.variant: arm for arm in found.arms}
    measured = [
        [arms[key].measured[row] if key in arms else _NOBODY for key in keys]
        for row in range(len(metrics))
    ]
    too_large = np.array([[one.beyond > 0 for one in row] for row in measured])
    means = _moments(measured, too_large)
    base, others = _columns(means, [control]), _columns(means, treatments)
    plan = experiment.plan
    increase = np.array([[metric.increase_is_better] for metric in metrics])
    difference = welch(base, others, alpha=plan.alpha)
    lift = fieller_lift(base, others, alpha=plan.alpha)
    # One-sided at alpha is one end of a two-sided interval at 2·alpha; from 0.5 on it is the
    # estimate itself.
    bound = fieller_lift(base, others, alpha=min(2 * plan.alpha, 1 - 1e-9))
    posterior = lift_posterior(base, others, level=1 - plan.alpha, increase_is_better=increase)
    adjusted, family = _adjusted(experiment, difference)
    documents = []
    units = sum(arm.units for arm in found.arms if arm.variant in keys)
    for row, (use, metric) in enumerate(zip(experiment.metrics, metrics, strict=True)):
        comparisons = []
        for column, index in enumerate(treatments):
            unusable = bool(too_large[row, control] or too_large[row, index])
            comparison = _comparison(
                difference.at((row, column)),
                lift.at((row, column)),
                posterior.at((row, column)),
                unusable=unusable,
            )
            goal = use.role == "goal"
            p_value = _number(adjusted[row, column]) if goal and not unusable else None
            comparison["difference"]["adjusted_p_value"] = p_value
            comparison["difference"]["family"] = family if goal else None
            comparisons.append(
                {
                    "variant": keys[index],
                    "against": keys[control],
                    **comparison,
                    "verdict": _verdict(comparison, metric, plan),
                    "non_inferior": None
                    if use.margin is None or unusable
                    else _non_inferior(bound.at((row, column)), metric, use.margin),
                }
            )
        documents.append(
            {
                "metric": metric.key,
                "name": metric.name,
                "role": use.role,
                "kind": metric.kind,
                "direction": metric.direction,
                "margin": use.margin,
                "window_hours": metric.window_hours,
                "delay_hours": metric.delay_hours,
                "waiting": units - sum(one.n for one in measured[row]),
                "variants": [
                    {
                        "variant": key,
                        "n": measured[row][index].n,
                        "mean": _number(np.asarray(means.mean)[row, index]),
                        "variance": _number(np.asarray(means.variance)[row, index]),
                    }
                    for index, key in enumerate(keys)
                ],
                "comparisons": comparisons,
            }
        )
    return documents


_NOBODY = Measured(0, 0, None, None, None, None, None, None)


def _moments(measured: list[list[Measured]], too_large: NDArray[np.bool_]) -> Moments:
    """Every metric as a ratio: what is divided by nothing is divided by one per unit."""

    def field(name: str, missing: float) -> NDArray[np.float64]:
        values = [[getattr(one, name) for one in row] for row in measured]
        return np.array([[missing if v is None else v for v in row] for row in values], dtype=float)

    return linearise(
        PairMoments(
            n=np.where(too_large, 0.0, field("n", 0.0)),
            mean_x=field("mean_x", 0.0),
            mean_y=field("mean_y", 1.0),
            m2_x=field("m2_x", 0.0),
            m2_y=field("m2_y", 0.0),
            cxy=field("cxy", 0.0),
        )
    )


def _columns(moments: Moments, columns: list[int]) -> Moments:
    reason = moments.reason
    return Moments(
        np.asarray(moments.n)[:, columns],
        np.asarray(moments.mean)[:, columns],
        np.asarray(moments.m2)[:, columns],
        None if reason is None else np.asarray(reason, dtype=object)[:, columns],
    )


def _adjusted(experiment: Experiment, difference: Difference) -> tuple[NDArray[np.float64], int]:
    """Goals × treatments are one family; what is no goal stands outside of it."""
    goals = np.array([[use.role == "goal"] for use in experiment.metrics])
    p_values = np.where(goals, difference.p_value, np.nan)
    method: Method = experiment.plan.correction  # type: ignore[assignment]  # one of CORRECTIONS
    return adjust(p_values, method), family_size(p_values)


def _comparison(
    difference: Difference, lift: Lift, posterior: Posterior, *, unusable: bool
) -> Document:
    reason = _reason(difference, unusable=unusable)
    return {
        "reason": reason,
        "difference": {
            "estimate": _number(difference.estimate),
            "standard_error": _number(difference.standard_error),
            "df": _number(difference.df),
            "interval": _ends(difference.interval),
            "level": difference.level,
            "p_value": _number(difference.p_value),
            "method": difference.method,
        },
        "lift": {
            "estimate": _number(lift.estimate),
            "interval": _ends(lift.interval),
            "level": lift.level,
            "method": lift.method,
            "reason": _reason(lift, unusable=unusable),
        },
        "bayesian": {
            "chance_to_win": _number(posterior.chance_to_win),
            "expected_loss_ship": _number(posterior.expected_loss_ship),
            "expected_loss_keep": _number(posterior.expected_loss_keep),
            "interval": _ends(posterior.interval),
            "level": posterior.level,
            "prior": {"mean": posterior.prior[0], "sd": posterior.prior[1]},
            "method": posterior.method,
            "reason": _reason(posterior, unusable=unusable),
        },
    }


def _reason(record: Difference | Lift | Posterior, *, unusable: bool) -> str | None:
    if unusable:
        return TOO_LARGE
    if record.reason is not None:
        return str(record.reason).upper()
    return None if _ends(record.interval) is not None else OUT_OF_RANGE


def _verdict(comparison: Document, metric: Metric, plan: Plan) -> str | None:
    """Better or worse in the metric's direction, by the basis of the plan."""
    if plan.basis == "bayesian":
        chance = comparison["bayesian"]["chance_to_win"]
        if chance is None:
            return None
        if chance >= 1 - plan.alpha:
            return BETTER
        return WORSE if chance <= plan.alpha else INCONCLUSIVE
    difference = comparison["difference"]
    p_value = (
        difference["p_value"] if difference["family"] is None else difference["adjusted_p_value"]
    )
    if p_value is None:
        return None
    if not p_value < plan.alpha:
        return INCONCLUSIVE
    return BETTER if (difference["estimate"] > 0) == metric.increase_is_better else WORSE


def _non_inferior(bound: Lift, metric: Metric, margin: float) -> bool | None:
    """Whether a loss as large as the margin is excluded, one-sided at the plan's alpha."""
    ends = _ends(bound.interval)
    if ends is None:
        return None
    return ends[0] > -margin if metric.increase_is_better else ends[1] < margin


def _ends(interval: Interval) -> list[float] | None:
    lower, upper = _number(interval.lower), _number(interval.upper)
    return None if lower is None or upper is None else [lower, upper]


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
