"""Tests against a margin: treatment not worse (non-inferior), treatment the same (equivalent)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stats.errors import positive, probability, refuse
from stats.lift import fieller_lift, relative
from stats.moments import Moments
from stats.records import Array, Interval, Real, Reasons, Record, plain, unless
from stats.welch import satterthwaite, tail_probability, welch


@dataclass(frozen=True, slots=True)
class MarginTest(Record):
    """A one-sided or two one-sided tests against a margin.

    `estimate`, `margin` and `interval` are in the unit of the metric, or fractions of |control|
    for a relative margin. `interval` has confidence `level` and lies beyond the margin exactly
    when p < alpha; `p_value` is NaN where `reason` stands.
    """

    estimate: Real
    margin: Real
    interval: Interval
    level: Real
    p_value: Real
    n: Real
    method: str
    reason: Reasons = None


def non_inferiority(
    control: Moments,
    treatment: Moments,
    *,
    margin: ArrayLike,
    relative_margin: bool = False,
    increase_is_better: ArrayLike = True,
    alpha: ArrayLike = 0.05,
) -> MarginTest:
    """Test that treatment is worse than control by less than `margin`; one-sided at `alpha`.

    The null is m_t − m_c ≤ −margin (≥ margin where an increase is worse), or the same with
    margin·|m_c|. The one-sided interval shuts it out exactly when p < alpha: Welch's bound, or
    Fieller's for a relative margin. Raises `not_positive`, `not_a_probability`.

    >>> test = non_inferiority(Moments(900, 10.0, 9e3), Moments(900, 10.1, 9e3), margin=0.2)
    >>> round(test.p_value, 6), round(test.interval.lower, 6)
    (0.022219, -0.145463)
    """
    limit = positive("margin", margin)
    width, effect, reason, level = _interval(
        control, treatment, alpha, relative_margin=relative_margin
    )
    side = np.where(increase_is_better, 1.0, -1.0)
    p = _beyond(control, treatment, limit, side, relative_margin=relative_margin)
    lower = np.where(side > 0, width.lower, -np.inf)
    upper = np.where(side > 0, np.inf, width.upper)
    kind = "fieller" if relative_margin else "welch"
    return MarginTest(
        estimate=plain(effect),
        margin=plain(limit),
        interval=Interval(unless(reason, lower), unless(reason, upper)),
        level=plain((1 + np.asarray(level)) / 2),
        p_value=unless(reason, p),
        n=plain(np.asarray(control.n) + treatment.n),
        method=f"non-inferiority, {kind}",
        reason=reason,
    )


def equivalence(
    control: Moments,
    treatment: Moments,
    *,
    margin: ArrayLike,
    relative_margin: bool = False,
    alpha: ArrayLike = 0.05,
) -> MarginTest:
    """Test that the effect lies within ±`margin` by two one-sided tests (Schuirmann 1987).

    p is the larger of the two; the interval of level 1 − 2·alpha lies within the margins exactly
    when p < alpha. Raises `not_positive`, `not_a_probability`.

    >>> test = equivalence(Moments(900, 10.0, 9e3), Moments(900, 10.1, 9e3), margin=0.4)
    >>> round(test.p_value, 6)
    0.022219
    """
    limit = positive("margin", margin)
    width, effect, reason, level = _interval(
        control, treatment, alpha, relative_margin=relative_margin
    )
    p = np.maximum(
        _beyond(control, treatment, limit, np.array(1.0), relative_margin=relative_margin),
        _beyond(control, treatment, limit, np.array(-1.0), relative_margin=relative_margin),
    )
    kind = "fieller" if relative_margin else "welch"
    return MarginTest(
        estimate=plain(effect),
        margin=plain(limit),
        interval=width,
        level=level,
        p_value=unless(reason, p),
        n=plain(np.asarray(control.n) + treatment.n),
        method=f"equivalence by two one-sided tests, {kind}",
        reason=reason,
    )


def _interval(
    control: Moments, treatment: Moments, alpha: ArrayLike, *, relative_margin: bool
) -> tuple[Interval, Array, Reasons, Real]:
    """Return the two-sided interval of level 1 − 2·alpha, the estimate, the reason, the level."""
    both = 2 * probability("alpha", alpha)
    if (both >= 1).any():
        refuse("not_a_probability", "alpha of a one-sided test must lie below 0.5")
    if relative_margin:
        lift = fieller_lift(control, treatment, alpha=both)
        return lift.interval, relative(control, treatment), lift.reason, lift.level
    difference = welch(control, treatment, alpha=both)
    return difference.interval, np.asarray(difference.estimate), difference.reason, difference.level


def _beyond(
    control: Moments, treatment: Moments, margin: Array, side: Array, *, relative_margin: bool
) -> Array:
    """P-value that the effect lies above −margin (side 1), or below +margin (side −1)."""
    error, df, _ = satterthwaite(control, treatment)
    change = side * (np.asarray(treatment.mean) - control.mean)
    if relative_margin:
        # m_t − w·m_c is 0 on the margin; its df are Welch's, so that Fieller's bound agrees.
        weight = 1 - side * margin * np.sign(control.mean)
        squared = np.square(weight) * np.asarray(control.squared_error)
        error = np.sqrt(squared + np.asarray(treatment.squared_error))
        margin = margin * np.abs(control.mean)
    return tail_probability(change + margin, error, df, "greater")
