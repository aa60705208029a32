"""Posterior of the lift under a normal prior: chance to win and what each decision may cost."""

from dataclasses import dataclass

import numpy as np
import scipy.special as sc
from numpy.typing import ArrayLike

from stats.errors import Reason, finite, positive, probability
from stats.lift import relative, relative_error
from stats.moments import Moments
from stats.records import Array, Interval, Real, Reasons, Record, plain, reasons, unless
from stats.welch import satterthwaite


@dataclass(frozen=True, slots=True)
class Posterior(Record):
    """What is believed of the lift (0.02 is +2 % of |control|) after the data.

    `estimate` and `standard_deviation` are the posterior's; `interval` is equal-tailed with
    probability `level`. `chance_to_win` is the probability that treatment is better in the
    metric's direction. `expected_loss_ship` is the lift given up on average by shipping a
    treatment that may be worse, `expected_loss_keep` by keeping a control that may be worse.
    `prior` is (mean, sd) of a normal prior on the lift, or (a, b) of a beta prior on each rate.
    """

    estimate: Real
    standard_deviation: Real
    interval: Interval
    level: Real
    chance_to_win: Real
    expected_loss_ship: Real
    expected_loss_keep: Real
    prior: tuple[float, float]
    method: str
    reason: Reasons = None


def lift_posterior(
    control: Moments,
    treatment: Moments,
    *,
    prior_mean: float = 0.0,
    prior_sd: float = 0.3,
    level: ArrayLike = 0.95,
    increase_is_better: ArrayLike = True,
) -> Posterior:
    """Combine N(prior_mean, prior_sd²) on the lift with its delta-method likelihood.

    Precisions add: 1/s² = 1/prior_sd² + 1/se². The likelihood is a poor one where the baseline
    is within its own `level` interval of 0, so there the reason is `BASELINE_NEAR_ZERO`. Raises
    `non_finite`, `not_positive`, `not_a_probability`.

    >>> p = lift_posterior(Moments(1000, 10.0, 9e3), Moments(1000, 10.2, 9e3))
    >>> round(p.estimate, 6), round(p.chance_to_win, 6), round(p.expected_loss_ship, 9)
    (0.019959, 0.92971, 0.000421408)
    """
    centre, width = float(finite("prior_mean", prior_mean)), float(positive("prior_sd", prior_sd))
    reach = -sc.ndtri((1 - probability("level", level)) / 2)
    _, _, why = satterthwaite(control, treatment)
    near = ~(np.abs(control.mean) > reach * np.sqrt(control.squared_error))
    reason = reasons(np.shape(near), (near, Reason.BASELINE_NEAR_ZERO), known=[why])
    with np.errstate(divide="ignore", invalid="ignore"):
        data = 1 / np.square(relative_error(control, treatment))
        precision = data + 1 / width**2
        mean = (relative(control, treatment) * data + centre / width**2) / precision
    deviation = 1 / np.sqrt(precision)
    sign = np.where(increase_is_better, 1.0, -1.0)
    win, ship, keep = normal_decision(sign * mean, deviation)
    return Posterior(
        estimate=unless(reason, mean),
        standard_deviation=unless(reason, deviation),
        interval=Interval(
            unless(reason, mean - reach * deviation), unless(reason, mean + reach * deviation)
        ),
        level=plain(level),
        chance_to_win=unless(reason, win),
        expected_loss_ship=unless(reason, ship),
        expected_loss_keep=unless(reason, keep),
        prior=(centre, width),
        method="normal posterior on the lift",
        reason=reason,
    )


def normal_decision(mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
    """Return P(X > 0), E[max(0, −X)] and E[max(0, X)] for X ~ N(mean, deviation²)."""
    z = mean / deviation
    return sc.ndtr(z), deviation * _shortfall(z), deviation * _shortfall(-z)


def _shortfall(z: Array) -> Array:
    """E[max(0, −Z)] for Z ~ N(z, 1): φ(z) − z·Φ(−z), by erfcx so that it never cancels."""
    above = np.maximum(z, 0)
    density = np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi)
    tail = density * (1 - above * np.sqrt(np.pi / 2) * sc.erfcx(above / np.sqrt(2)))
    return np.asarray(np.where(z > 0, tail, density - z * sc.ndtr(-z)))
