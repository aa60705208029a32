"""Relative effects: (treatment − control)/|control|."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stats.errors import Reason
from stats.moments import Moments
from stats.records import Array, Interval, Real, Reasons, Record, holds, plain, reasons, unless
from stats.welch import critical_tail, critical_value, satterthwaite

_WIDEST_LOG = 100.0
# Relative figures beyond these are no data: their squares leave the range of a double.
LEAST_ERROR, LARGEST_ERROR = 1e-100, 1e100


@dataclass(frozen=True, slots=True)
class Lift(Record):
    """Change as a fraction of |control mean|: 0.02 is +2 %.

    `interval` has confidence `level`, with lower ≤ upper also for a negative baseline; it is NaN
    where `reason` stands. `estimate` and its delta-method `standard_error` stay while the control
    mean is not 0. `n` counts the units of both arms.
    """

    estimate: Real
    standard_error: Real
    interval: Interval
    level: Real
    n: Real
    method: str
    reason: Reasons = None


def fieller_lift(control: Moments, treatment: Moments, *, alpha: ArrayLike = 0.05) -> Lift:
    """Bound the lift by Fieller (1954) with Welch's critical value.

    The interval holds every L with (d − L·m_c)² ≤ t²(v_t + (1 + L)²·v_c), d = m_t − m_c; for a
    negative baseline the ends are those of −L. It excludes 0 exactly when `welch` does. Where the
    set is unbounded (|m_c| within t standard errors of 0) the reason is `BASELINE_NEAR_ZERO`; a
    treatment that is 0 for every unit has a lift of −1 whose error nothing shows: `ZERO_VARIANCE`.
    Raises `not_a_probability`.

    >>> down, up = Moments.from_values([-12, -10, -8]), Moments.from_values([-10, -9, -8])
    >>> lift = fieller_lift(down, up)
    >>> round(lift.estimate, 6), lift.interval.lower < lift.interval.upper
    (0.1, True)
    """
    _, df, _ = satterthwaite(control, treatment)
    critical = critical_value(df, critical_tail(alpha, "two-sided"))
    ends, reason = fieller_ends(control, treatment, critical)
    return lift_record(control, treatment, ends, alpha, "fieller", reason)


def linear_lift(control: Moments, treatment: Moments, *, alpha: ArrayLike = 0.05) -> Lift:
    """Bound the lift by estimate ± t·se with the delta-method standard error.

    Covers a little less than `fieller_lift` where the lift is large; refused on the same
    baselines. Raises `not_a_probability`.

    >>> linear_lift(Moments(300, 2.0, 900.0), Moments(300, 2.5, 900.0)).interval
    Interval(lower=0.09254..., upper=0.40745...)
    """
    critical, reason = _reachable(control, treatment, alpha)
    lift, reach = relative(control, treatment), critical * relative_error(control, treatment)
    ends = Interval(unless(reason, lift - reach), unless(reason, lift + reach))
    return lift_record(control, treatment, ends, alpha, "linear delta", reason)


def log_lift(control: Moments, treatment: Moments, *, alpha: ArrayLike = 0.05) -> Lift:
    """Bound the lift by exp(log(m_t/m_c) ± t·√(v_t/m_t² + v_c/m_c²)) − 1.

    Means of different signs have no log ratio: `SIGNS_DIFFER`. Raises `not_a_probability`.

    >>> log_lift(Moments(300, 2.0, 900.0), Moments(300, 2.5, 900.0)).interval
    Interval(lower=0.10205..., upper=0.41780...)
    """
    critical, near = _reachable(control, treatment, alpha)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.asarray(treatment.mean) / control.mean
        reach = critical * relative_error(control, treatment) / ratio
    # Where the treatment's own sign is this uncertain its logarithm spans every number.
    unsure = ~(ratio > 0) | ~(reach < _WIDEST_LOG)
    reason = reasons(np.shape(reach), (unsure, Reason.SIGNS_DIFFER), known=[near])
    gone = holds(reason)
    middle, spread = np.where(gone, 1.0, ratio), np.exp(np.where(gone, 0.0, reach))
    sign = np.sign(control.mean)
    ends = sign * (middle / spread - 1), sign * (middle * spread - 1)
    within = Interval(unless(reason, np.minimum(*ends)), unless(reason, np.maximum(*ends)))
    return lift_record(control, treatment, within, alpha, "log delta", reason)


def lift_record(
    control: Moments,
    treatment: Moments,
    ends: Interval,
    alpha: ArrayLike,
    method: str,
    reason: Reasons,
) -> Lift:
    """Return the record of an interval that covers with 1 − alpha."""
    return Lift(
        estimate=plain(relative(control, treatment)),
        standard_error=plain(relative_error(control, treatment)),
        interval=ends,
        level=plain(1 - np.asarray(alpha, dtype=np.float64)),
        n=plain(np.asarray(control.n) + treatment.n),
        method=method,
        reason=reason,
    )


def _reachable(control: Moments, treatment: Moments, alpha: ArrayLike) -> tuple[Array, Reasons]:
    """Return the critical value, and the reasons for which no lift has an interval."""
    _, df, _ = satterthwaite(control, treatment)
    critical = critical_value(df, critical_tail(alpha, "two-sided"))
    return critical, fieller_ends(control, treatment, critical)[1]


def fieller_ends(
    control: Moments, treatment: Moments, critical: ArrayLike
) -> tuple[Interval, Reasons]:
    """Return every lift within `critical` standard errors, and why the set may be unbounded."""
    _, _, why = satterthwaite(control, treatment)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # All in units of the control mean, where nothing overflows: errors u and v, effect r − 1.
        base = np.asarray(control.mean)
        u = np.square(critical * np.sqrt(control.squared_error) / base)
        v = np.square(critical * np.sqrt(treatment.squared_error) / base)
        change = (np.asarray(treatment.mean) - base) / base
        curvature = 1 - u
        # Roots of curvature·L² − 2·middle·L + product, by the form that never cancels.
        middle, product = change + u, np.square(change) - u - v
        inside = np.square(1 + change) * u + v * curvature
        outer = middle + np.copysign(np.sqrt(np.where(inside > 0, inside, 0.0)), middle)
        far, near = outer / curvature, np.where(outer == 0, 0.0, product / outer)
        ends = np.sign(base) * far, np.sign(base) * near
        bounded = (curvature > 0) & np.isfinite(far) & np.isfinite(near)
    reason = reasons(
        bounded.shape,
        (~bounded, Reason.BASELINE_NEAR_ZERO),
        (relative_error(control, treatment) == 0, Reason.ZERO_VARIANCE),
        known=[why],
    )
    return Interval(unless(reason, np.minimum(*ends)), unless(reason, np.maximum(*ends))), reason


def relative(control: Moments, treatment: Moments) -> Array:
    """Return (m_t − m_c)/|m_c|, NaN where the control mean is 0 or missing."""
    base = np.abs(control.mean)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        change = (np.asarray(treatment.mean) - control.mean) / base
    return np.asarray(np.where(np.isfinite(change), change, np.nan))


def relative_error(control: Moments, treatment: Moments) -> Array:
    """Return the lift's delta-method standard error, √(v_t/m_c² + m_t²·v_c/m_c⁴)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.asarray(treatment.mean) / control.mean
        spread = np.square(ratio) * control.squared_error + np.asarray(treatment.squared_error)
        error = np.sqrt(spread) / np.abs(control.mean)
    return np.asarray(np.where(np.isfinite(error), error, np.nan))
