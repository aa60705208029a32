"""Intervals and p-values that stay valid however often and whenever one looks.

Asymptotic confidence sequences with a Gaussian mixture (Waudby-Smith, Arbour, Sinha, Kennedy &
Ramdas 2021), for a difference of means and, by the argument of Fieller, for a lift.
"""

import numpy as np
import scipy.special as sc
from numpy.typing import ArrayLike

from stats.errors import positive, probability
from stats.lift import Lift, fieller_ends, lift_record
from stats.moments import Moments
from stats.records import Array, Interval, plain, unless
from stats.welch import Difference, satterthwaite


def confidence_sequence(
    control: Moments, treatment: Moments, *, planned_n: ArrayLike, alpha: ArrayLike = 0.05
) -> Difference:
    """Bound the difference at every look at once.

    d ± s·√((1 + 1/(nρ²))·log((nρ² + 1)/α²)), s the unpooled standard error and n the units of
    both arms; ρ makes the interval narrowest at `planned_n` units of both arms. The p-value is
    min(1, 1/e-value) and may be stopped on at any look; the smallest so far stays valid. Holds
    asymptotically, so not for the first few units. `df` is NaN: the method has none. Raises
    `not_positive`, `not_a_probability`.

    >>> look = confidence_sequence(
    ...     Moments(500, 10.0, 4.5e3), Moments(500, 10.9, 4.5e3), planned_n=10_000)
    >>> round(look.interval.lower, 4), round(look.interval.upper, 4), round(look.p_value, 6)
    (0.1739, 1.6261, 0.008541)
    """
    error, _, reason = satterthwaite(control, treatment)
    n = np.asarray(control.n) + treatment.n
    mass = n * tuning(planned_n, alpha)
    estimate = np.asarray(treatment.mean) - control.mean
    reach = sequence_critical(mass, alpha) * error
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z2 = np.square(np.where(error > 0, estimate / error, np.nan))
    p = np.exp(np.minimum(0.0, np.log1p(mass) / 2 - z2 / 2 * mass / (mass + 1)))
    return Difference(
        estimate=plain(estimate),
        standard_error=plain(error),
        df=plain(np.full_like(estimate, np.nan)),
        interval=Interval(unless(reason, estimate - reach), unless(reason, estimate + reach)),
        level=plain(1 - np.asarray(alpha, dtype=np.float64)),
        p_value=unless(reason, p),
        n=plain(n),
        method="asymptotic confidence sequence",
        reason=reason,
    )


def lift_sequence(
    control: Moments, treatment: Moments, *, planned_n: ArrayLike, alpha: ArrayLike = 0.05
) -> Lift:
    """Bound the lift at every look at once: all L whose m_t − (1 + L)·m_c the sequence allows.

    Excludes 0 exactly when `confidence_sequence` does; reasons as for `fieller_lift`. Raises
    `not_positive`, `not_a_probability`.

    >>> lift_sequence(
    ...     Moments(500, 10.0, 4.5e3), Moments(500, 10.9, 4.5e3), planned_n=10_000).interval
    Interval(lower=0.0..., upper=0.1...)
    """
    n = np.asarray(control.n) + treatment.n
    critical = sequence_critical(n * tuning(planned_n, alpha), alpha)
    ends, reason = fieller_ends(control, treatment, critical)
    return lift_record(control, treatment, ends, alpha, "fieller confidence sequence", reason)


def tuning(planned_n: ArrayLike, alpha: ArrayLike) -> Array:
    """Return the ρ² that makes the interval narrowest at `planned_n`.

    nρ² = x minimises (1 + 1/x)·log((x + 1)/α²); setting the derivative to 0 gives
    x = −W₋₁(−α²/e) − 1 (Waudby-Smith et al. 2021, appendix B).
    """
    a = probability("alpha", alpha)
    best = -sc.lambertw(-np.square(a) / np.e, -1).real - 1
    return np.asarray(best / positive("planned_n", planned_n))


def sequence_critical(mass: Array, alpha: ArrayLike) -> Array:
    """Return how many standard errors the interval reaches; `mass` is nρ²."""
    safe = np.where(mass > 0, mass, np.nan)
    return np.asarray(np.sqrt((1 + 1 / safe) * (np.log1p(safe) - 2 * np.log(alpha))))
