"""Numbers of an arm that merge: counts, means and centred sums, never raw sums of squares.

`Σx² − (Σx)²/n` loses every digit when the mean is large against the spread: for a thousand values
near 1e9 with variance 1 it returns −131. Centred sums keep them, and two summaries merge exactly
(Chan, Golub & LeVeque 1983).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from stats.errors import Reason, finite, refuse
from stats.records import Array, Real, Reasons, Record, holds, plain, reasons

_DUST = 64 * np.finfo(np.float64).eps


def _counts(n: ArrayLike) -> Array:
    array = finite("n", n)
    if (array < 0).any():
        refuse("negative_count", "n counts units and cannot be negative")
    return array


def _means(name: str, mean: ArrayLike, n: Array, reason: Reasons = None) -> Array:
    array = np.asarray(mean, dtype=np.float64)
    excused = (n == 0) | holds(reason)
    finite(name, np.where(excused, 0.0, array))
    return np.where(excused, np.nan, array)


def _squares(name: str, m2: ArrayLike, n: Array, reason: Reasons = None) -> Array:
    array = np.where((n == 0) | holds(reason), 0.0, m2)
    finite(name, array)
    if (array < 0).any():
        refuse("negative_squares", f"{name} is a sum of squared deviations and cannot be negative")
    return array


def _merged_mean(n_a: Array, a: ArrayLike, n_b: Array, b: ArrayLike) -> tuple[Array, Array]:
    """Return the merged mean and b − a, taken as 0 where either side is empty."""
    empty = (n_a == 0) | (n_b == 0)
    delta = np.where(empty, 0.0, np.subtract(b, a))
    base = np.where(n_a == 0, b, a)
    return base + delta * _share(n_b, n_a + n_b), delta


def _share(part: Array, whole: Array) -> Array:
    return part / np.where(whole > 0, whole, 1.0)


@dataclass(frozen=True, slots=True)
class Moments(Record):
    """Units, their mean and Σ(x − mean)² of one arm, or of many metrics and arms at once.

    `n` counts units, `mean` is in the unit of the metric and `m2` in its square; all broadcast.
    `reason` says element by element why there is no mean (a ratio over a zero denominator); such
    an element has a NaN mean, and everything computed from it carries the reason on.
    Raises `StatsError`: `negative_count`, `negative_squares`, `non_finite`.

    >>> Moments.from_values([1.0, 2.0]) + Moments.from_values([6.0])
    Moments(n=3.0, mean=3.0, m2=14.0, reason=None)
    """

    n: Real
    mean: Real
    m2: Real
    reason: Reasons = None

    def __post_init__(self) -> None:
        n = _counts(self.n)
        object.__setattr__(self, "n", plain(n))
        object.__setattr__(self, "mean", plain(_means("mean", self.mean, n, self.reason)))
        object.__setattr__(self, "m2", plain(_squares("m2", self.m2, n, self.reason)))

    @classmethod
    def from_values(cls, values: ArrayLike, axis: int = -1) -> Self:
        """Reduce `axis` of per-unit values.

        Raises `non_finite`, also where a square of the values exceeds what a double holds.

        >>> values = np.random.default_rng(3).normal(0, 1, 1000) + 1e9
        >>> round(Moments.from_values(values).variance, 7)
        1.0145358
        """
        array = np.moveaxis(finite("values", values), axis, -1)
        n = np.full(array.shape[:-1], array.shape[-1], dtype=np.float64)
        if array.shape[-1] == 0:
            return cls(plain(n), plain(np.full_like(n, np.nan)), plain(np.zeros_like(n)))
        # Deviations from the first value: a constant column has a spread of exactly 0.
        pivot = array[..., :1]
        with np.errstate(over="ignore", invalid="ignore"):
            shifted = array - pivot
            centre = shifted.mean(axis=-1, keepdims=True)
            m2 = np.square(shifted - centre).sum(axis=-1)
        return cls(plain(n), plain((pivot + centre)[..., 0]), plain(m2))

    @classmethod
    def from_successes(cls, successes: ArrayLike, n: ArrayLike) -> Self:
        """Return the moments of `n` zeros and ones: a conversion is a mean of 0/1.

        >>> Moments.from_successes(3, 4)
        Moments(n=4.0, mean=0.75, m2=0.75, reason=None)
        """
        k, total = check_successes(successes, n)
        mean = _share(k, total)
        return cls(plain(total), plain(mean), plain(k * (1 - mean)))

    @property
    def variance(self) -> Real:
        """Unbiased variance of one unit, m2/(n − 1); NaN below two units."""
        n = np.asarray(self.n)
        some = (n > 1) & ~holds(self.reason)
        spread = np.where(some, self.m2, np.nan) / np.where(some, n - 1, 1.0)
        # Below rounding of the mean itself a spread is arithmetic, not data.
        dust = np.square(_DUST * np.where(some, self.mean, 0.0))
        return plain(np.where(spread <= dust, 0.0, spread))

    @property
    def squared_error(self) -> Real:
        """Squared standard error of the mean, variance/n; NaN below two units."""
        return plain(np.asarray(self.variance) / np.maximum(self.n, 1.0))

    def __add__(self, other: Self) -> Self:
        a, b = np.asarray(self.n), np.asarray(other.n)
        mean, delta = _merged_mean(a, self.mean, b, other.mean)
        m2 = np.asarray(self.m2) + other.m2 + np.square(delta) * a * _share(b, a + b)
        known = reasons(np.shape(m2), known=[self.reason, other.reason])
        return type(self)(plain(a + b), plain(mean), plain(m2), known)


def check_successes(successes: ArrayLike, n: ArrayLike) -> tuple[Array, Array]:
    """Return both as float64; raises `negative_count`, `more_successes_than_units`."""
    k, total = _counts(successes), _counts(n)
    if (k > total).any():
        refuse("more_successes_than_units", "successes cannot exceed n; count each unit once")
    return k, total


@dataclass(frozen=True, slots=True)
class PairMoments(Record):
    """Co-moments of two values per unit: a ratio's numerator x and denominator y.

    `m2_x`, `m2_y` are sums of squared deviations and `cxy` is Σ(x − mean_x)(y − mean_y).
    Raises `StatsError`: `negative_count`, `negative_squares`, `non_finite`.
    """

    n: Real
    mean_x: Real
    mean_y: Real
    m2_x: Real
    m2_y: Real
    cxy: Real

    def __post_init__(self) -> None:
        n = _counts(self.n)
        object.__setattr__(self, "n", plain(n))
        for name in ("mean_x", "mean_y"):
            object.__setattr__(self, name, plain(_means(name, getattr(self, name), n)))
        for name in ("m2_x", "m2_y"):
            object.__setattr__(self, name, plain(_squares(name, getattr(self, name), n)))
        object.__setattr__(self, "cxy", plain(finite("cxy", np.where(n == 0, 0.0, self.cxy))))

    @classmethod
    def from_values(cls, x: ArrayLike, y: ArrayLike, axis: int = -1) -> Self:
        """Reduce `axis` of two arrays of the same shape. Raises `non_finite`, `shapes_differ`."""
        first, second = finite("x", x), finite("y", y)
        if first.shape != second.shape:
            refuse("shapes_differ", "x and y hold one value each per unit; give equal shapes")
        a, b = Moments.from_values(first, axis), Moments.from_values(second, axis)
        if first.shape[axis] == 0:
            return cls(a.n, a.mean, b.mean, a.m2, b.m2, a.m2)
        dx = first - np.expand_dims(a.mean, axis)
        dy = second - np.expand_dims(b.mean, axis)
        return cls(a.n, a.mean, b.mean, a.m2, b.m2, plain((dx * dy).sum(axis=axis)))

    def __add__(self, other: Self) -> Self:
        a, b = np.asarray(self.n), np.asarray(other.n)
        mean_x, dx = _merged_mean(a, self.mean_x, b, other.mean_x)
        mean_y, dy = _merged_mean(a, self.mean_y, b, other.mean_y)
        weight = a * _share(b, a + b)
        return type(self)(
            plain(a + b),
            plain(mean_x),
            plain(mean_y),
            plain(np.asarray(self.m2_x) + other.m2_x + np.square(dx) * weight),
            plain(np.asarray(self.m2_y) + other.m2_y + np.square(dy) * weight),
            plain(np.asarray(self.cxy) + other.cxy + dx * dy * weight),
        )


def linearise(pair: PairMoments) -> Moments:
    """Turn a ratio of means into plain moments of its linearised value per unit.

    mean = r = mean_x/mean_y and variance = var(x − r·y)/mean_y² (delta method; Deng, Knoblich &
    Lu 2018). A difference, a lift or a posterior then takes it like any mean. Where mean_y is 0
    the reason is `ZERO_DENOMINATOR`, also where it is so small that the ratio overflows.

    >>> linearise(PairMoments.from_values([1.0, 2.0, 6.0], [1.0, 2.0, 3.0]))
    Moments(n=3.0, mean=1.5, m2=0.875, reason=None)
    """
    n, mean_y = np.asarray(pair.n), np.asarray(pair.mean_y)
    below = np.where(mean_y == 0, np.nan, mean_y)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        ratio = np.asarray(pair.mean_x) / below
        size = np.asarray(pair.m2_x) + np.square(ratio) * pair.m2_y
        m2 = size - 2 * ratio * pair.cxy
        m2 = np.where(m2 <= _DUST * size, 0.0, m2) / below / below
    zero = (n > 0) & ~(np.isfinite(ratio) & np.isfinite(m2))
    return Moments(
        plain(n), plain(ratio), plain(m2), reasons(ratio.shape, (zero, Reason.ZERO_DENOMINATOR))
    )
