"""Posterior of a conversion's lift with beta priors, by quadrature in log space.

Closed forms through the beta function underflow at 10⁷ units or lose eight digits. In logits a
beta density is smooth and decays exponentially on both sides, where the trapezoidal rule
converges exponentially; relative to its mode its logarithm needs no beta function.
"""

from collections.abc import Callable

import numpy as np
import scipy.special as sc
from numpy.typing import ArrayLike

from stats.errors import Reason, finite, probability, refuse
from stats.moments import check_successes
from stats.posterior import Posterior
from stats.records import Array, Interval, plain, reasons

_LOG_NEGLIGIBLE = -45.0
_LARGE_SHAPE = 30.0
_WIDEST = 600.0
_MOST_STEPS = 100
_WEAKEST_PRIOR = 0.1


def beta_binomial(
    successes_c: ArrayLike,
    n_c: ArrayLike,
    successes_t: ArrayLike,
    n_t: ArrayLike,
    *,
    prior: tuple[float, float] = (1.0, 1.0),
    level: float = 0.95,
    increase_is_better: ArrayLike = True,
) -> Posterior:
    """Compare two rates, each with a Beta(a, b) prior; the lift is p_t/p_c − 1.

    Every figure is an integral over the two beta posteriors, accurate to about 1e-12 also at 10⁷
    units. Where the control's posterior has no mean of 1/p (no success and a ≤ 1) the lift has no
    mean either: `estimate`, `standard_deviation` and both losses are NaN with
    `BASELINE_NEAR_ZERO`; the chance to win and the interval stay. `standard_deviation` also needs
    a second moment (two successes under a flat prior). Raises `negative_count`,
    `more_successes_than_units`, `prior_too_weak`, `not_a_probability`.

    >>> p = beta_binomial(1_000_000, 10_000_000, 1_001_500, 10_000_000)
    >>> round(p.chance_to_win, 12)
    0.868144158619
    """
    prior_a, prior_b = (float(v) for v in finite("prior", prior))
    if min(prior_a, prior_b) < _WEAKEST_PRIOR:
        refuse("prior_too_weak", f"the prior's a and b are each {_WEAKEST_PRIOR} or more")
    probability("level", level)
    k_c, total_c = check_successes(successes_c, n_c)
    k_t, total_t = check_successes(successes_t, n_t)
    shapes = (k_c + prior_a, total_c - k_c + prior_b, k_t + prior_a, total_t - k_t + prior_b)
    a_c, b_c, a_t, b_t = np.broadcast_arrays(*shapes)
    above, below = ratio_tails(a_c, b_c, a_t, b_t, np.ones(a_c.shape))
    unbounded = a_c <= 1
    lower_a = np.where(unbounded, 1.0, a_c - 1)
    mean = a_t / (a_t + b_t) * np.where(unbounded, np.nan, (a_c + b_c - 1) / lower_a)
    # E[T/C; T > C] is a probability under Beta(a_t + 1, b_t) and Beta(a_c − 1, b_c).
    tilted_above, tilted_below = ratio_tails(lower_a, b_c, a_t + 1, b_t, np.ones(a_c.shape))
    gain, loss = mean * tilted_above - above, below - mean * tilted_below
    up = np.broadcast_to(np.asarray(increase_is_better, dtype=bool), a_c.shape)
    tail = (1 - level) / 2
    ends = [ratio_quantile(a_c, b_c, a_t, b_t, q) - 1 for q in (tail, 1 - tail)]
    return Posterior(
        estimate=plain(mean - 1),
        standard_deviation=plain(_deviation(a_c, b_c, a_t, b_t, mean)),
        interval=Interval(plain(ends[0]), plain(ends[1])),
        level=plain(level),
        chance_to_win=plain(np.where(up, above, below)),
        expected_loss_ship=plain(np.where(up, loss, gain)),
        expected_loss_keep=plain(np.where(up, gain, loss)),
        prior=(prior_a, prior_b),
        method="beta-binomial",
        reason=reasons(a_c.shape, (unbounded, Reason.BASELINE_NEAR_ZERO)),
    )


def _deviation(a_c: Array, b_c: Array, a_t: Array, b_t: Array, mean: Array) -> Array:
    """Standard deviation of T/C through relative variances, which do not cancel."""
    relative_t = b_t / (a_t * (a_t + b_t + 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative_c = np.where(a_c > 2, b_c / ((a_c - 2) * (a_c + b_c - 1)), np.nan)
    return mean * np.sqrt(relative_t + relative_c + relative_t * relative_c)


def ratio_tails(
    a_c: Array, b_c: Array, a_t: Array, b_t: Array, ratio: Array
) -> tuple[Array, Array]:
    """Return P(T > ratio·C) and P(T < ratio·C) for T ~ Beta(a_t, b_t), C ~ Beta(a_c, b_c).

    All arguments have one shape. Each probability is a sum of positive terms.
    """
    width_c, width_t = (np.sqrt(sc.zeta(2, a) + sc.zeta(2, b)) for a, b in ((a_c, b_c), (a_t, b_t)))
    # The narrower density carries the sum. But a rate cut off at 1 leaves a kink in the other's
    # distribution function unless the sum runs over the arm that is cut first.
    kinked = (np.minimum(b_c, b_t) < _LARGE_SHAPE) & (ratio != 1)
    over_t = np.where(kinked, ratio > 1, width_t <= width_c)
    above, below = np.empty(ratio.shape), np.empty(ratio.shape)
    smooth = min(float(v.min(initial=np.inf)) for v in (a_c, b_c, a_t, b_t)) >= _LARGE_SHAPE
    for chosen, own, other, scale, beyond, within in (
        (over_t, (a_t, b_t, width_t), (a_c, b_c, width_c), 1 / ratio, above, below),
        (~over_t, (a_c, b_c, width_c), (a_t, b_t, width_t), ratio, below, above),
    ):
        if not chosen.any():
            continue
        finer = float((own[2] / other[2])[chosen].max())
        count = (64 if smooth else 192) * min(64, max(1, int(np.ceil(finer))))
        x, weight = logit_nodes(own[0][chosen], own[1][chosen], count)
        point = np.minimum(x * scale[chosen][:, None], 1.0)
        a, b = other[0][chosen][:, None], other[1][chosen][:, None]
        beyond[chosen] = (weight * sc.betainc(a, b, point)).sum(axis=-1)
        within[chosen] = (weight * sc.betaincc(a, b, point)).sum(axis=-1)
    return above, below


def ratio_quantile(a_c: Array, b_c: Array, a_t: Array, b_t: Array, q: float) -> Array:
    """Return r with P(T/C < r) = q, by a bracketed secant in log r against the normal score."""
    target = sc.ndtri(q)
    shapes = tuple(np.ravel(v) for v in (a_c, b_c, a_t, b_t))
    mean_c, variance_c = _log_rate(shapes[0], shapes[1])
    mean_t, variance_t = _log_rate(shapes[2], shapes[3])
    slope = 1 / np.sqrt(variance_c + variance_t)
    v = mean_t - mean_c + target / slope
    low, high = np.full(v.shape, -_WIDEST), np.full(v.shape, _WIDEST)
    before, error_before = v, np.full(v.shape, np.nan)
    active = np.ones(v.shape, dtype=bool)
    for _ in range(_MOST_STEPS):
        a_1, b_1, a_2, b_2 = (s[active] for s in shapes)
        above, below = ratio_tails(a_1, b_1, a_2, b_2, np.exp(v[active]))
        error = np.full(v.shape, np.nan)
        error[active] = np.where(below < 0.5, sc.ndtri(below), -sc.ndtri(above)) - target
        low, high = np.where(error < 0, v, low), np.where(error > 0, v, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            steepness = (error - error_before) / (v - before)
            step = error / np.where(steepness > 0, steepness, slope)
        guess = v - step
        guess = np.where((guess > low) & (guess < high), guess, (low + high) / 2)
        before, error_before = v, error
        v = np.where(active, guess, v)
        active = active & (np.abs(v - before) > 1e-13 * np.maximum(1 / slope, 1e-3))
        if not active.any():
            break
    return np.asarray(np.exp(v).reshape(a_c.shape))


def _log_rate(a: Array, b: Array) -> tuple[Array, Array]:
    """Mean and variance of log p for p ~ Beta(a, b)."""
    # ψ′(x) = ζ(2, x); zeta is the faster of the two.
    return sc.digamma(a) - sc.digamma(a + b), sc.zeta(2, a) - sc.zeta(2, a + b)


def logit_nodes(a: Array, b: Array, count: int) -> tuple[Array, Array]:
    """Return points of Beta(a, b) and weights that sum to 1, along a new last axis."""
    a, b = a[..., None], b[..., None]
    p, q = a / (a + b), b / (a + b)

    def log_density(h: Array) -> Array:
        return np.asarray(-a * np.log1p(q * np.expm1(-h)) - b * np.log1p(p * np.expm1(h)))

    low, high = _reach(log_density, -1, a.shape), _reach(log_density, 1, a.shape)
    h = low + (high - low) * np.linspace(0, 1, count)
    weight = np.exp(log_density(h))
    # p·eʰ/(q + p·eʰ) keeps the digits of a rate near 0.
    grown = p * np.exp(h)
    return grown / (q + grown), weight / weight.sum(axis=-1, keepdims=True)


def _reach(log_density: Callable[[Array], Array], sign: int, shape: tuple[int, ...]) -> Array:
    """Return the signed distance from the mode at which the density is negligible."""
    low, high = np.full(shape, np.log(1e-9)), np.full(shape, np.log(_WIDEST))
    for _ in range(14):
        middle = (low + high) / 2
        inside = log_density(sign * np.exp(middle)) > _LOG_NEGLIGIBLE
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.asarray(sign * np.exp(high))
