"""Each metric of each treatment against the control: moments → stats → the results document.

Everything is one array of metrics × arms, so that a report of a hundred metrics costs a few calls.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.analysis.inference import Inference, infer, treatments
from experiments.analysis.judged import basis_of, judged
from experiments.analysis.task import Findings, Measured
from experiments.definitions.experiment import Experiment
from experiments.definitions.metric import Metric
from experiments.definitions.plan import MetricUse, Plan
from stats import Difference, Interval, Lift, Moments, PairMoments, Posterior, linearise

# Stands for every number of an arm that holds a value too large to be squared.
TOO_LARGE = "VALUE_TOO_LARGE"
# A number that the data gave, but that a double cannot hold.
OUT_OF_RANGE = "OUT_OF_RANGE"

BETTER, WORSE, INCONCLUSIVE = "better", "worse", "inconclusive"

Document = dict[str, Any]


_NOBODY = Measured(0, 0, None, None, None, None, None, None)


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
    inference = infer(experiment, metrics, moments, too_large)
    means, variances = np.asarray(moments.mean), np.asarray(moments.variance)
    units = sum(arms[key].units for key in keys if key in arms)
    return [
        {
            "metric": metric.key,
            "name": metric.name,
            "role": use.role,
            "kind": metric.kind,
            "direction": metric.direction,
            "basis": basis_of(experiment.plan, metric),
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
                    **_comparison(inference, (row, column), use, metric, experiment.plan),
                }
                for column, variant in enumerate(treatments(experiment))
            ],
        }
        for row, (use, metric) in enumerate(zip(experiment.metrics, metrics, strict=True))
    ]


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


def _comparison(
    inference: Inference, at: tuple[int, int], use: MetricUse, metric: Metric, plan: Plan
) -> Document:
    unusable, goal = bool(inference.unusable[at]), use.role == "goal"
    difference, lift = inference.difference.at(at), inference.lift.at(at)
    posterior, basis = inference.posterior.at(at), basis_of(plan, metric)
    comparison: Document = {
        "reason": _reason(difference, unusable=unusable),
        "difference": {
            "estimate": _number(difference.estimate),
            "standard_error": _number(difference.standard_error),
            "df": _number(difference.df),
            "interval": _ends(difference.interval),
            "level": difference.level,
            "p_value": _number(difference.p_value),
            "adjusted_p_value": _number(inference.adjusted[at]) if goal else None,
            "family": inference.family if goal else None,
            "method": difference.method,
        },
        "lift": {
            "estimate": _number(lift.estimate),
            "interval": _ends(lift.interval),
            "level": lift.level,
            "method": lift.method,
            "reason": _reason(lift, unusable=unusable),
        },
        "sequential": _sequential(inference, at, goal=goal) if basis == "sequential" else None,
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
    comparison["non_inferior"] = _non_inferior(inference, at, use, metric, plan)
    comparison["verdict"] = _verdict(basis, comparison, metric, plan.alpha)
    return comparison


def _sequential(inference: Inference, at: tuple[int, int], *, goal: bool) -> Document | None:
    sequences = inference.sequences
    if sequences is None:
        raise AssertionError("a sequential plan has sequences")
    difference, lift = sequences.difference.at(at), sequences.lift.at(at)
    return {
        "interval": _ends(difference.interval),
        "p_value": _number(difference.p_value),
        "adjusted_p_value": _number(sequences.adjusted[at]) if goal else None,
        "lift_interval": _ends(lift.interval),
        "level": difference.level,
        "planned_units": round(float(sequences.planned_units[at])),
        "method": difference.method,
        "reason": _reason(lift, unusable=bool(inference.unusable[at])),
    }


def _non_inferior(
    inference: Inference, at: tuple[int, int], use: MetricUse, metric: Metric, plan: Plan
) -> bool | None:
    """Whether a loss as large as the margin is excluded, None where that cannot be said."""
    if use.margin is None:
        return None
    if basis_of(plan, metric) == "sequential" and inference.sequences is not None:
        ends = _ends(inference.sequences.bound.at(at).interval)
        if ends is None:
            return None
        return ends[0] > -use.margin if metric.increase_is_better else ends[1] < use.margin
    p_value = _number(inference.margin.at(at).p_value)
    return None if p_value is None else p_value < plan.alpha


def _reason(record: Difference | Lift | Posterior, *, unusable: bool) -> str | None:
    if unusable:
        return TOO_LARGE
    if record.reason is not None:
        return str(record.reason).upper()
    return None if _ends(record.interval) is not None else OUT_OF_RANGE


def _verdict(basis: str, comparison: Document, metric: Metric, alpha: float) -> str | None:
    """Better or worse in the metric's direction, on the metric's basis."""
    evidence = judged(basis, comparison)
    if basis == "bayesian":
        chance = evidence.chance_to_win
        if chance is None:
            return None
        if chance >= 1 - alpha:
            return BETTER
        return WORSE if chance <= alpha else INCONCLUSIVE
    p_value = evidence.decisive_p_value
    if p_value is None:
        return None
    if not p_value < alpha:
        return INCONCLUSIVE
    increased = comparison["difference"]["estimate"] > 0
    return BETTER if increased == metric.increase_is_better else WORSE


def _ends(interval: Interval) -> list[float] | None:
    lower, upper = _number(interval.lower), _number(interval.upper)
    return None if lower is None or upper is None else [lower, upper]


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
