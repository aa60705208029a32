"""Means of values below the unit of randomisation: sessions of a user, orders of a shop."""

import numpy as np
from numpy.typing import ArrayLike

from stats.errors import finite, refuse
from stats.moments import Moments, PairMoments, linearise
from stats.records import Array


def cluster_mean(values: ArrayLike, unit: ArrayLike) -> Moments:
    """Return moments of the mean of all values, with a variance robust to clusters of one unit.

    The mean is a ratio, Σ values/Σ rows over units, so its delta-method variance is the
    cluster-robust one: G/(G − 1)·Σ_g(Σ_i e_gi)²/N² for G units and N rows (Liang & Zeger 1986).
    `n` counts units. Where a query returns a sum and a count per unit, or their co-moments, give
    those to `linearise` instead. Raises `non_finite`, `shapes_differ`.

    >>> m = cluster_mean([1.0, 3.0, 5.0, 5.0], ["a", "a", "b", "c"])
    >>> m.n, m.mean
    (3.0, 3.5)
    """
    sums, sizes = unit_totals(finite("values", values), unit)
    return linearise(PairMoments.from_values(sums, sizes))


def unit_totals(values: Array, unit: ArrayLike) -> tuple[Array, Array]:
    """Return the sum and the number of values of every unit."""
    row, owner = np.ravel(values), np.ravel(np.asarray(unit))
    if row.shape != owner.shape:
        refuse("shapes_differ", "give one unit for every value")
    names, index = np.unique(owner, return_inverse=True)
    sums = np.bincount(index, weights=row, minlength=names.size)
    sizes = np.bincount(index, minlength=names.size)
    return sums.astype(np.float64), sizes.astype(np.float64)
