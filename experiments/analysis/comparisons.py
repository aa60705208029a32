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
from experiments.definitions.experiment import Experiment, MetricUse, Plan, Variant
from experiments.definitions.metric import Metric
from stats import (
    Difference,
    Interval,
    Lift,
    MarginTest,
    Moments,
    PairMoments,
    Posterior,
    adjust,
    family_size,
    fieller_lift,
    lift_posterior,
    linearise,
    non_inferiority,
    welch,
)
from stats.multiplicity import Method

# Stands for every number of an arm that holds a value too large to be squared.
TOO_LARGE = "VALUE_TOO_LARGE"
# A number that the data gave, but that a double cannot hold.
OUT_OF_RANGE = "OUT_OF_RANGE"

BETTER, WORSE, INCONCLUSIVE = "better", "worse", "inconclusive"

Document = dict[str, Any]


_NOBODY = Measured(0, 0, None, None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Tests:
    """The records of all comparisons, their fields arrays of metrics × treatments."""

    difference: Difference
    lift: Lift
    posterior: Posterior
    margin: MarginTest
    adjusted: NDArray[np.float64]
    family: int
    too_large: NDArray[np.bool_]


def compare(experiment: Experiment, metrics: tuple[Metric, ...], found: Findings) -> list[Document]:
    """The `metrics` part of the results document, in the order of the experiment's metrics."""
    if not metrics:
        return []
    keys = [variant.key for variant in experiment.variants]
    arms = {arm.variant: arm for arm in found.arms}
    measured = [
        [arms[key].measured[row] if key in arms else _NOBODY for key in keys]
        for row in range(len(metrics))
    ]
    too_large = np.array([[one.beyond > 0 for one in row] for row in measured])
    moments = _moments(measured, too_large)
    tests = _tests(experiment, metrics, moments, too_large)
    means, variances = np.asarray(moments.mean), np.asarray(moments.variance)
    units = sum(arms[key].units for key in keys if key in arms)
    return [
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
                    "n": measured[row][arm].n,
                    "mean": _number(means[row, arm]),
                    "variance": _number(variances[row, arm]),
                }
                for arm, key in enumerate(keys)
            ],
            "comparisons": [
                {
                    "variant": variant.key,
                    "against": experiment.control.key,
                    **_comparison(tests, (row, column), use, metric, experiment.plan),
                }
                for column, variant in enumerate(_treatments(experiment))
            ],
        }
        for row, (use, metric) in enumerate(zip(experiment.metrics, metrics, strict=True))
    ]


def _tests(
    experiment: Experiment,
    metrics: tuple[Metric, ...],
    moments: Moments,
    too_large: NDArray[np.bool_],
) -> Tests:
    alpha = experiment.plan.alpha
    control = experiment.variants.index(experiment.control)
    others = [experiment.variants.index(variant) for variant in _treatments(experiment)]
    base, treatments = _columns(moments, [control]), _columns(moments, others)
    increase = np.array([[metric.increase_is_better] for metric in metrics])
    difference = welch(base, treatments, alpha=alpha)
    goals = np.array([[use.role == "goal"] for use in experiment.metrics])
    unusable = too_large[:, [control]] | too_large[:, others]
    p_values = np.where(goals & ~unusable, difference.p_value, np.nan)
    method: Method = experiment.plan.correction  # type: ignore[assignment]  # one of CORRECTIONS
    return Tests(
        difference=difference,
        lift=fieller_lift(base, treatments, alpha=alpha),
        posterior=lift_posterior(base, treatments, level=1 - alpha, increase_is_better=increase),
        margin=non_inferiority(
            base,
            treatments,
            # Where there is no margin any will do: nobody reads the answer.
            margin=np.array([[use.margin or 1.0] for use in experiment.metrics]),
            relative_margin=True,
            increase_is_better=increase,
            # One-sided, so that half is where the bound meets the estimate.
            alpha=min(alpha, 0.499_999),
        ),
        adjusted=adjust(p_values, method),
        family=family_size(p_values),
        too_large=unusable,
    )


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


def _treatments(experiment: Experiment) -> list[Variant]:
    return [variant for variant in experiment.variants if not variant.control]


def _columns(moments: Moments, columns: list[int]) -> Moments:
    reason = moments.reason
    return Moments(
        np.asarray(moments.n)[:, columns],
        np.asarray(moments.mean)[:, columns],
        np.asarray(moments.m2)[:, columns],
        None if reason is None else np.asarray(reason, dtype=object)[:, columns],
    )


def _comparison(
    tests: Tests, at: tuple[int, int], use: MetricUse, metric: Metric, plan: Plan
) -> Document:
    unusable, goal = bool(tests.too_large[at]), use.role == "goal"
    difference, lift = tests.difference.at(at), tests.lift.at(at)
    posterior, margin = tests.posterior.at(at), tests.margin.at(at)
    comparison: Document = {
        "reason": _reason(difference, unusable=unusable),
        "difference": {
            "estimate": _number(difference.estimate),
            "standard_error": _number(difference.standard_error),
            "df": _number(difference.df),
            "interval": _ends(difference.interval),
            "level": difference.level,
            "p_value": _number(difference.p_value),
            "adjusted_p_value": _number(tests.adjusted[at]) if goal else None,
            "family": tests.family if goal else None,
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
        "non_inferior": None,
    }
    p_value = _number(margin.p_value)
    if use.margin is not None and p_value is not None:
        comparison["non_inferior"] = p_value < plan.alpha
    comparison["verdict"] = _verdict(comparison, metric, plan)
    return comparison


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


def _ends(interval: Interval) -> list[float] | None:
    lower, upper = _number(interval.lower), _number(interval.upper)
    return None if lower is None or upper is None else [lower, upper]


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
