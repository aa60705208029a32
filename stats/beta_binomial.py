"""Posterior of a conversion's lift under beta priors."""

import numpy as np
from numpy.typing import ArrayLike

from stats.errors import Reason, finite, probability, refuse
from stats.moments import check_successes
from stats.posterior import Posterior, check_rope
from stats.rate_ratio import log_ratio, ratio_log_density, ratio_quantile, ratio_tail
from stats.records import Array, Interval, plain, reasons

_WEAKEST_PRIOR = 0.1
_HALVINGS = 40


def beta_binomial(
    successes_c: ArrayLike,
    n_c: ArrayLike,
    successes_t: ArrayLike,
    n_t: ArrayLike,
    *,
    prior: tuple[float, float] = (1.0, 1.0),
    level: float = 0.95,
    increase_is_better: ArrayLike = True,
    rope: tuple[float, float] | None = None,
) -> Posterior:
    """Compare two rates, each with a Beta(a, b) prior; the lift is p_t/p_c − 1.

    Every figure is an integral over the two beta posteriors, accurate to about 1e-12 also at 10⁷
    units. Where the control's posterior has no mean of 1/p (no success and a ≤ 1) the lift has no
    mean either: `estimate`, `standard_deviation` and both losses are NaN with
    `BASELINE_NEAR_ZERO`; the chance to win and the interval stay. `standard_deviation` also needs
    a second moment (two successes under a flat prior). Raises `negative_count`,
    `more_successes_than_units`, `prior_too_weak`, `not_a_probability`, `rope_invalid`.

    >>> p = beta_binomial(1_000_000, 10_000_000, 1_001_500, 10_000_000)
    >>> round(p.chance_to_win, 12)
    0.868144158619
    """
    a_c, b_c, a_t, b_t = beta_shapes(successes_c, n_c, successes_t, n_t, prior)
    region = check_rope(rope)
    outside = (1 - float(probability("level", level))) / 2
    # The mean of 1/p needs a > 1, and its quadrature a little room above.
    unbounded = a_c < 1 + _WEAKEST_PRIOR
    lower_a = np.where(unbounded, 1.0, a_c - 1)
    mean = a_t / (a_t + b_t) * np.where(unbounded, np.nan, (a_c + b_c - 1) / lower_a)
    # Of both tails the smaller is summed and the other is the rest. E[T/C; T < C] is a
    # probability under Beta(a_t + 1, b_t) and Beta(a_c − 1, b_c).
    ones, lower = np.ones(a_c.shape), log_ratio(a_c, b_c, a_t, b_t)[0] > 0
    tail = ratio_tail(a_c, b_c, a_t, b_t, ones, lower)
    tilted = mean * ratio_tail(lower_a, b_c, a_t + 1, b_t, ones, lower)
    above = np.where(lower, 1 - tail, tail)
    loss = np.where(lower, tail - tilted, 1 - mean + tilted - tail)
    gain = np.where(lower, mean - 1 + tail - tilted, tilted - tail)
    up = np.broadcast_to(np.asarray(increase_is_better, dtype=bool), a_c.shape)
    ends = [ratio_quantile(a_c, b_c, a_t, b_t, np.asarray(q)) - 1 for q in (outside, 1 - outside)]
    return Posterior(
        estimate=plain(mean - 1),
        standard_deviation=plain(_deviation(a_c, b_c, a_t, b_t, mean)),
        interval=Interval(plain(ends[0]), plain(ends[1])),
        level=plain(level),
        chance_to_win=plain(np.where(up, above, np.where(lower, tail, 1 - tail))),
        expected_loss_ship=plain(np.where(up, loss, gain)),
        expected_loss_keep=plain(np.where(up, gain, loss)),
        n=plain(a_c + b_c + a_t + b_t - 2 * sum(check_beta_prior(prior))),
        prior=check_beta_prior(prior),
        method="beta-binomial",
        rope=region,
        in_rope=None if region is None else plain(_inside(a_c, b_c, a_t, b_t, region)),
        reason=reasons(a_c.shape, (unbounded, Reason.BASELINE_NEAR_ZERO)),
    )


def beta_binomial_highest_density(
    successes_c: ArrayLike,
    n_c: ArrayLike,
    successes_t: ArrayLike,
    n_t: ArrayLike,
    *,
    prior: tuple[float, float] = (1.0, 1.0),
    level: float = 0.95,
) -> Interval:
    """Return the shortest interval of the lift that holds `level` of its beta posterior.

    The density is equal at both ends; where it falls from a lift of −1 on, the interval starts
    there. (A normal posterior's equal-tailed interval is its shortest already.) Raises as
    `beta_binomial`.

    >>> ends = beta_binomial_highest_density(3, 10, 6, 12)
    >>> round(ends.lower, 4), round(ends.upper, 4)
    (-0.608, 2.9911)
    """
    given = beta_shapes(successes_c, n_c, successes_t, n_t, prior)
    a_c, b_c, a_t, b_t = (np.ravel(v) for v in given)
    inside = float(probability("level", level))
    low, high = np.zeros(a_c.shape), np.full(a_c.shape, 1 - inside)
    # Bisect the probability below the interval until the densities at its ends meet.
    for _ in range(_HALVINGS):
        below = (low + high) / 2
        lower, upper = (ratio_quantile(a_c, b_c, a_t, b_t, q) for q in (below, below + inside))
        falls_short = ratio_log_density(a_c, b_c, a_t, b_t, lower) < ratio_log_density(
            a_c, b_c, a_t, b_t, upper
        )
        low, high = np.where(falls_short, below, low), np.where(falls_short, high, below)
    shape = given[0].shape
    return Interval(plain(np.reshape(lower - 1, shape)), plain(np.reshape(upper - 1, shape)))


def beta_shapes(
    successes_c: ArrayLike,
    n_c: ArrayLike,
    successes_t: ArrayLike,
    n_t: ArrayLike,
    prior: tuple[float, float],
) -> tuple[Array, Array, Array, Array]:
    """Return a and b of the control's and the treatment's posterior, broadcast to one shape."""
    prior_a, prior_b = check_beta_prior(prior)
    k_c, total_c = check_successes(successes_c, n_c)
    k_t, total_t = check_successes(successes_t, n_t)
    shapes = (k_c + prior_a, total_c - k_c + prior_b, k_t + prior_a, total_t - k_t + prior_b)
    a_c, b_c, a_t, b_t = np.broadcast_arrays(*shapes)
    return a_c, b_c, a_t, b_t


def check_beta_prior(prior: tuple[float, float]) -> tuple[float, float]:
    a, b = (float(v) for v in finite("prior", prior))
    if min(a, b) < _WEAKEST_PRIOR:
        refuse("prior_too_weak", f"the prior's a and b are each {_WEAKEST_PRIOR} or more")
    return a, b


def _inside(a_c: Array, b_c: Array, a_t: Array, b_t: Array, rope: tuple[float, float]) -> Array:
    """Probability of a lift between the ends of the region, by the tails on its far side."""
    middle = 1 + (rope[0] + rope[1]) / 2
    lower = log_ratio(a_c, b_c, a_t, b_t)[0] > np.log(max(middle, 1e-300))
    low, high = (
        ratio_tail(a_c, b_c, a_t, b_t, np.full(a_c.shape, max(1 + end, 1e-300)), lower)
        for end in rope
    )
    return np.abs(high - low)


def _deviation(a_c: Array, b_c: Array, a_t: Array, b_t: Array, mean: Array) -> Array:
    """Standard deviation of T/C through relative variances, which do not cancel."""
    relative_t = b_t / (a_t * (a_t + b_t + 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative_c = np.where(a_c > 2, b_c / ((a_c - 2) * (a_c + b_c - 1)), np.nan)
    return mean * np.sqrt(relative_t + relative_c + relative_t * relative_c)
