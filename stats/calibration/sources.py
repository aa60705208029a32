"""Simulated arms: units one by one, or moments drawn from their exact distribution."""

import numpy as np
from numpy.typing import ArrayLike

from stats.moments import Moments
from stats.records import Array


def normal_moments(
    rng: np.random.Generator, shape: tuple[int, ...], n: ArrayLike, mean: Array | float = 0.0
) -> Moments:
    """Draw moments of n normal units of variance 1: mean and centred sum are independent."""
    size = np.broadcast_to(np.asarray(n, dtype=np.float64), shape)
    deviation = rng.standard_normal(shape) / np.sqrt(np.maximum(size, 1))
    m2 = np.where(size > 1, 2 * rng.standard_gamma(np.maximum(size - 1, 1) / 2), 0.0)
    return Moments(size, mean + deviation, m2)


def lognormal(
    rng: np.random.Generator, simulations: int, n: int, sigma: float = 1.0, lift: float = 0.0
) -> Moments:
    """Draw moments of n lognormal units, their mean raised by `lift`."""
    return Moments.from_values(np.exp(sigma * rng.standard_normal((simulations, n))) * (1 + lift))


def conversions(rng: np.random.Generator, simulations: int, n: int, rate: float) -> Moments:
    """Draw moments of n zeros and ones."""
    return Moments.from_successes(rng.binomial(n, rate, simulations), n)
