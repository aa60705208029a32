"""Posterior of the lift under a normal prior: chance to win and what each decision may cost."""

from dataclasses import dataclass

import numpy as np
import scipy.special as sc
from numpy.typing import ArrayLike, NDArray

from stats.errors import Reason, finite, positive, probability, refuse
from stats.lift import LARGEST_ERROR, LEAST_ERROR, relative, relative_error
from stats.moments import Moments
from stats.records import Array, Interval, Real, Reasons, Record, holds, plain, reasons, unless
from stats.welch import satterthwaite


@dataclass(frozen=True, slots=True)
class Posterior(Record):
    """What is believed of an effect after the data: the lift, 0.02 being +2 % of |control|.

    (`effect_posterior` speaks of the difference in the unit of the metric instead.) `estimate`
    and `standard_deviation` are the posterior's; `interval` is equal-tailed with probability
    `level`, and for a normal posterior also the one of highest density. `chance_to_win` is the
    probability that treatment is better in the metric's direction. `expected_loss_ship` is the
    effect given up on average by shipping a treatment that may be worse, `expected_loss_keep` by
    keeping a control that may be worse. `in_rope` is the probability of an effect within `rope`,
    the region of practical equivalence. `prior` is (mean, sd) of a normal prior on the effect, or
    (a, b) of a beta prior on each rate. `n` counts the units of both arms.
    """

    estimate: Real
    standard_deviation: Real
    interval: Interval
    level: Real
    chance_to_win: Real
    expected_loss_ship: Real
    expected_loss_keep: Real
    n: Real
    prior: tuple[float, float]
    method: str
    rope: tuple[float, float] | None = None
    in_rope: Real | None = None
    reason: Reasons = None


def lift_posterior(
    control: Moments,
    treatment: Moments,
    *,
    prior_mean: float = 0.0,
    prior_sd: float = 0.3,
    level: ArrayLike = 0.95,
    increase_is_better: ArrayLike = True,
    rope: tuple[float, float] | None = None,
) -> Posterior:
    """Combine N(prior_mean, prior_sd²) on the lift with its delta-method likelihood.

    Precisions add: 1/s² = 1/prior_sd² + 1/se². The likelihood is a poor one where the baseline
    is within its own `level` interval of 0, so there the reason is `BASELINE_NEAR_ZERO`, and none
    where the treatment is 0 for every unit: `ZERO_VARIANCE` (`beta_binomial` has one). `rope`
    is a pair of lifts. Raises `non_finite`, `not_positive`, `not_a_probability`, `rope_invalid`.

    >>> p = lift_posterior(Moments(1000, 10.0, 9e3), Moments(1000, 10.2, 9e3))
    >>> round(p.estimate, 6), round(p.chance_to_win, 6), round(p.expected_loss_ship, 9)
    (0.019959, 0.92971, 0.000421408)
    """
    _, _, why = satterthwaite(control, treatment)
    near = _near_zero(control, probability("level", level))
    lift, error = relative(control, treatment), relative_error(control, treatment)
    lost = near | ~(np.maximum(error, np.abs(lift)) < LARGEST_ERROR)
    return _posterior(
        lift,
        error,
        np.asarray(control.n) + treatment.n,
        (prior_mean, prior_sd),
        level,
        increase_is_better,
        rope,
        "normal posterior on the lift",
        reasons(
            np.shape(lost),
            (lost, Reason.BASELINE_NEAR_ZERO),
            (error < LEAST_ERROR, Reason.ZERO_VARIANCE),
            known=[why],
        ),
    )


def effect_posterior(
    control: Moments,
    treatment: Moments,
    *,
    prior_sd: float,
    prior_mean: float = 0.0,
    level: ArrayLike = 0.95,
    increase_is_better: ArrayLike = True,
    rope: tuple[float, float] | None = None,
) -> Posterior:
    """Combine N(prior_mean, prior_sd²) on the difference with its normal likelihood.

    Everything, also `rope` and the losses, is in the unit of the metric; no baseline is too near
    0. Raises `non_finite`, `not_positive`, `not_a_probability`, `rope_invalid`.

    >>> p = effect_posterior(Moments(1000, 0.0, 9e3), Moments(1000, 0.2, 9e3), prior_sd=1.0)
    >>> round(p.estimate, 6), round(p.chance_to_win, 6)
    (0.19646, 0.930125)
    """
    probability("level", level)
    error, _, why = satterthwaite(control, treatment)
    return _posterior(
        np.asarray(treatment.mean) - control.mean,
        error,
        np.asarray(control.n) + treatment.n,
        (prior_mean, prior_sd),
        level,
        increase_is_better,
        rope,
        "normal posterior on the difference",
        why,
    )


def _near_zero(control: Moments, level: Array) -> NDArray[np.bool_]:
    reach = -sc.ndtri((1 - level) / 2) * np.sqrt(control.squared_error)
    return np.asarray(~(np.abs(control.mean) > reach))


def _posterior(
    effect: Array,
    error: Array,
    n: Array,
    prior: tuple[float, float],
    level: ArrayLike,
    increase_is_better: ArrayLike,
    rope: tuple[float, float] | None,
    method: str,
    reason: Reasons,
) -> Posterior:
    centre, width = float(finite("prior_mean", prior[0])), float(positive("prior_sd", prior[1]))
    region = check_rope(rope)
    # Where there is a reason any number does: it is never shown.
    error = np.where(holds(reason), width, error)
    # The prior's share of the precision, 1/width² of 1/width² + 1/error².
    share = np.square(error / np.hypot(error, width))
    mean = effect + share * (centre - effect)
    deviation = width * np.sqrt(share)
    reach = -sc.ndtri((1 - np.asarray(level, dtype=np.float64)) / 2) * deviation
    win, ship, keep = normal_decision(np.where(increase_is_better, mean, -mean), deviation)
    inside = None
    if region is not None:
        low, high = ((end - mean) / deviation for end in region)
        # Φ(high) − Φ(low) on the side of the mean where it does not cancel.
        flip = np.where(low + high > 0, -1.0, 1.0)
        inside = unless(reason, np.abs(sc.ndtr(flip * high) - sc.ndtr(flip * low)))
    return Posterior(
        estimate=unless(reason, mean),
        standard_deviation=unless(reason, deviation),
        interval=Interval(unless(reason, mean - reach), unless(reason, mean + reach)),
        level=plain(level),
        chance_to_win=unless(reason, win),
        expected_loss_ship=unless(reason, ship),
        expected_loss_keep=unless(reason, keep),
        n=plain(n),
        prior=(centre, width),
        method=method,
        rope=region,
        in_rope=inside,
        reason=reason,
    )


def check_rope(rope: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return the region as floats; raises `rope_invalid` unless its ends are finite and rise."""
    if rope is None:
        return None
    low, high = (float(end) for end in rope)
    if not -np.inf < low < high < np.inf:
        refuse("rope_invalid", "rope is a pair of finite effects, lower before upper")
    return low, high


def normal_decision(mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
    """Return P(X > 0), E[max(0, −X)] and E[max(0, X)] for X ~ N(mean, deviation²)."""
    z = mean / deviation
    return sc.ndtr(z), deviation * _shortfall(z), deviation * _shortfall(-z)


def _shortfall(z: Array) -> Array:
    """E[max(0, −Z)] for Z ~ N(z, 1): φ(z) − z·Φ(−z), by erfcx so that it never cancels."""
    above = np.maximum(z, 0)
    with np.errstate(over="ignore"):
        density = np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi)
    tail = density * (1 - above * np.sqrt(np.pi / 2) * sc.erfcx(above / np.sqrt(2)))
    return np.asarray(np.where(z > 0, tail, density - z * sc.ndtr(-z)))
