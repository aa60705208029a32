"""The difference of two means by Welch's t with Satterthwaite's degrees of freedom."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import scipy.special as sc
from numpy.typing import ArrayLike

from stats.errors import Reason, probability, refuse
from stats.moments import Moments
from stats.records import Array, Interval, Real, Reasons, Record, plain, reasons, unless

Alternative: TypeAlias = Literal["two-sided", "greater", "less"]


@dataclass(frozen=True, slots=True)
class Difference(Record):
    """Treatment minus control, in the unit of the metric.

    `interval` has confidence `level` (1 − alpha); `n` counts the units of both arms. Where
    `reason` stands, whatever the data could not give is NaN; `estimate` stays when both arms have
    a mean.
    """

    estimate: Real
    standard_error: Real
    df: Real
    interval: Interval
    level: Real
    p_value: Real
    n: Real
    method: str
    reason: Reasons = None


def welch(
    control: Moments,
    treatment: Moments,
    *,
    alpha: ArrayLike = 0.05,
    alternative: Alternative = "two-sided",
) -> Difference:
    """Test treatment mean = control mean without assuming equal variances.

    t = d/√(s_c²/n_c + s_t²/n_t), df by Satterthwaite (Welch 1947). `alternative="greater"` asks
    whether treatment exceeds control and gives a lower bound; "less" the reverse. The interval
    excludes 0 exactly when p < alpha. Raises `not_a_probability`, `unknown_alternative`.

    >>> d = welch(Moments.from_values([1, 2, 3, 4]), Moments.from_values([3, 5, 6, 8]))
    >>> d.estimate, round(d.df, 4), round(d.p_value, 6)
    (3.0, 5.0103, 0.057871)
    >>> same = welch(Moments.from_values([5, 5, 5]), Moments.from_values([6, 6, 6]))
    >>> same.estimate, same.p_value, same.reason
    (1.0, nan, <Reason.ZERO_VARIANCE: 'zero_variance'>)
    """
    tail = critical_tail(alpha, alternative)
    error, df, reason = satterthwaite(control, treatment)
    estimate = np.asarray(treatment.mean) - control.mean
    reach = critical_value(df, tail) * error
    lower = estimate - reach if alternative != "less" else np.full_like(reach, -np.inf)
    upper = estimate + reach if alternative != "greater" else np.full_like(reach, np.inf)
    return Difference(
        estimate=plain(estimate),
        standard_error=plain(error),
        df=unless(reason, df),
        interval=Interval(unless(reason, lower), unless(reason, upper)),
        level=plain(1 - np.asarray(alpha, dtype=np.float64)),
        p_value=unless(reason, tail_probability(estimate, error, df, alternative)),
        n=plain(np.asarray(control.n) + treatment.n),
        method="welch",
        reason=reason,
    )


def critical_tail(alpha: ArrayLike, alternative: Alternative) -> Array:
    """Return the probability beyond one critical value."""
    if alternative not in ("two-sided", "greater", "less"):
        refuse("unknown_alternative", "alternative is 'two-sided', 'greater' or 'less'")
    return probability("alpha", alpha) / (2 if alternative == "two-sided" else 1)


def critical_value(df: Array, tail: Array) -> Array:
    """Return the t quantile that leaves `tail` above it."""
    return np.asarray(-sc.stdtrit(df, tail))


def tail_probability(estimate: Array, error: Array, df: Array, alternative: Alternative) -> Array:
    """Return the p-value of estimate/error; NaN where the error is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(error > 0, estimate / error, np.nan)
    if alternative == "two-sided":
        return np.asarray(2 * sc.stdtr(df, -np.abs(t)))
    return np.asarray(sc.stdtr(df, -t if alternative == "greater" else t))


def satterthwaite(control: Moments, treatment: Moments) -> tuple[Array, Array, Reasons]:
    """Return standard error and df of the difference, and why they may be missing."""
    n_c, n_t = np.asarray(control.n), np.asarray(treatment.n)
    v_c, v_t = np.asarray(control.squared_error), np.asarray(treatment.squared_error)
    with np.errstate(divide="ignore", invalid="ignore"):
        share_c, share_t = v_c / (v_c + v_t), v_t / (v_c + v_t)
        df = 1 / (np.square(share_c) / (n_c - 1) + np.square(share_t) / (n_t - 1))
    few = (n_c < 2) | (n_t < 2)
    reason = reasons(
        np.shape(v_c + v_t),
        (few, Reason.TOO_FEW_UNITS),
        (v_c + v_t == 0, Reason.ZERO_VARIANCE),
        known=[control.reason, treatment.reason],
    )
    return np.sqrt(v_c + v_t), df, reason
