"""The statistics of all comparisons at once: one array of metrics × treatments per quantity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.analysis.judged import basis_of
from experiments.definitions.experiment import Experiment, Variant
from experiments.definitions.metric import Metric
from experiments.definitions.plan import Plan
from stats import (
    Difference,
    Lift,
    MarginTest,
    Moments,
    Posterior,
    adjust,
    confidence_sequence,
    family_size,
    fieller_lift,
    lift_posterior,
    lift_sequence,
    non_inferiority,
    welch,
)
from stats.multiplicity import Method

# Units of both arms at which a sequence is narrowest where the plan names no size.
DEFAULT_PLANNED_UNITS = 10_000

# One-sided, so that half is where a bound meets the estimate.
_HALF = 0.499_999


@dataclass(frozen=True, slots=True)
class Sequences:
    """Confidence sequences of all comparisons.

    `bound` is the lift's with either end one-sided at alpha. `adjusted` corrects the p-values by
    which the goals are judged, sequential or not, as one family.
    """

    difference: Difference
    lift: Lift
    bound: Lift
    adjusted: NDArray[np.float64]
    planned_units: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Inference:
    """The records of all comparisons, their fields arrays of metrics × treatments.

    `sequences` is None where the plan is not sequential. `adjusted` belongs to the fixed-horizon
    p-values: over all of them for a metric that they do not judge, else over those that judge.
    """

    difference: Difference
    lift: Lift
    posterior: Posterior
    margin: MarginTest
    sequences: Sequences | None
    adjusted: NDArray[np.float64]
    family: int
    unusable: NDArray[np.bool_]


def infer(
    experiment: Experiment,
    metrics: tuple[Metric, ...],
    moments: Moments,
    too_large: NDArray[np.bool_],
) -> Inference:
    """Compare every treatment with the control; `moments` are metrics × variants."""
    plan = experiment.plan
    control = experiment.variants.index(experiment.control)
    others = [experiment.variants.index(variant) for variant in treatments(experiment)]
    base, treated = _columns(moments, [control]), _columns(moments, others)
    increase = np.array([[metric.increase_is_better] for metric in metrics])
    unusable = too_large[:, [control]] | too_large[:, others]
    goals = np.array([[use.role == "goal"] for use in experiment.metrics]) & ~unusable
    method: Method = plan.correction  # type: ignore[assignment]  # one of CORRECTIONS
    difference = welch(base, treated, alpha=plan.alpha)
    fixed = np.where(goals, difference.p_value, np.nan)
    adjusted = adjust(fixed, method)
    sequences = None
    if plan.basis == "sequential":
        sequential = np.array([[basis_of(plan, metric) == "sequential"] for metric in metrics])
        sequences = _sequences(experiment, base, treated, goals & sequential, fixed)
        adjusted = np.where(sequential, adjusted, sequences.adjusted)
    return Inference(
        difference=difference,
        lift=fieller_lift(base, treated, alpha=plan.alpha),
        posterior=lift_posterior(base, treated, level=1 - plan.alpha, increase_is_better=increase),
        margin=non_inferiority(
            base,
            treated,
            # Where there is no margin any will do: nobody reads the answer.
            margin=np.array([[use.margin or 1.0] for use in experiment.metrics]),
            relative_margin=True,
            increase_is_better=increase,
            alpha=min(plan.alpha, _HALF),
        ),
        sequences=sequences,
        adjusted=adjusted,
        family=family_size(fixed),
        unusable=unusable,
    )


def treatments(experiment: Experiment) -> list[Variant]:
    return [variant for variant in experiment.variants if not variant.control]


def _sequences(
    experiment: Experiment,
    base: Moments,
    treated: Moments,
    sequential: NDArray[np.bool_],
    fixed: NDArray[np.float64],
) -> Sequences:
    """`sequential` marks the goals that are judged so; `fixed` holds the p-values of the others."""
    plan = experiment.plan
    planned = _planned_units(plan, experiment)
    difference = confidence_sequence(base, treated, planned_n=planned, alpha=plan.alpha)
    method: Method = plan.correction  # type: ignore[assignment]  # one of CORRECTIONS
    return Sequences(
        difference=difference,
        lift=lift_sequence(base, treated, planned_n=planned, alpha=plan.alpha),
        bound=lift_sequence(base, treated, planned_n=planned, alpha=2 * min(plan.alpha, _HALF)),
        adjusted=adjust(np.where(sequential, difference.p_value, fixed), method),
        planned_units=np.broadcast_to(planned, np.shape(difference.estimate)),
    )


def _planned_units(plan: Plan, experiment: Experiment) -> NDArray[np.float64]:
    """The planned units of the two arms of each comparison, at least one of each."""
    if plan.planned_units is None:
        return np.full((1, len(treatments(experiment))), float(DEFAULT_PLANNED_UNITS))
    shares = [experiment.control.weight + one.weight for one in treatments(experiment)]
    return np.array([[max(2.0, plan.planned_units * share) for share in shares]])


def _columns(moments: Moments, columns: list[int]) -> Moments:
    reason = moments.reason
    return Moments(
        np.asarray(moments.n)[:, columns],
        np.asarray(moments.mean)[:, columns],
        np.asarray(moments.m2)[:, columns],
        None if reason is None else np.asarray(reason, dtype=object)[:, columns],
    )
