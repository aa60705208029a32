"""Quantiles by order statistics, clustered by unit where a unit has several values.

The standard error comes from the two order statistics that bound the quantile, so no density is
estimated and a query that can return values by rank is enough. Values of one unit move together:
the rank interval then uses the delta-method variance of the share below the quantile (Deng,
Knoblich & Lu 2018, section 4).
"""

from dataclasses import dataclass

import numpy as np
import scipy.special as sc
from numpy.typing import ArrayLike

from stats.cluster import unit_totals
from stats.errors import Reason, finite, positive, probability
from stats.moments import Moments, PairMoments, linearise
from stats.records import Array, Real, Record, plain, reasons


@dataclass(frozen=True, slots=True)
class QuantileRanks(Record):
    """1-based ranks of the sorted values that bound a quantile and of the quantile itself.

    A `lower` below 1 or an `upper` beyond the number of values means that the sample is too small
    for the quantile.
    """

    lower: Real
    centre: Real
    upper: Real


def quantile_ranks(
    values: ArrayLike, q: ArrayLike, *, share_error: ArrayLike | None = None
) -> QuantileRanks:
    """Return the ranks to fetch for quantile `q` of so many `values`.

    centre = ⌈n·q⌉; the bounds lie 1.96 standard errors of the share below it apart on each side,
    √(q(1 − q)/n) for independent values or `share_error` for clustered ones. Raises
    `not_a_probability`, `not_positive`.

    >>> quantile_ranks(1000, 0.9)
    QuantileRanks(lower=881.0, centre=900.0, upper=919.0)
    """
    n, level = positive("values", values), probability("q", q)
    error = np.sqrt(level * (1 - level) / n) if share_error is None else np.asarray(share_error)
    reach = _Z * error
    return QuantileRanks(
        plain(np.floor(n * (level - reach))),
        plain(np.ceil(n * level)),
        plain(np.ceil(n * (level + reach))),
    )


def quantile_moments(
    units: ArrayLike,
    values: ArrayLike,
    q: ArrayLike,
    *,
    lower: ArrayLike,
    estimate: ArrayLike,
    upper: ArrayLike,
    share_error: ArrayLike | None = None,
) -> Moments:
    """Turn the values at `quantile_ranks` into moments, so that `welch` and every lift take them.

    standard error = share error·(upper − lower)/(distance of their ranks/values): the error of
    the share below, times what the quantile moves per share between the two. `units` counts the
    randomised units, `values` the sorted values. For clustered values `share_error` is the root of
    `linearise(pair).squared_error`, the pair over units of (values ≤ estimate, values). Ranks
    outside the sample give `TOO_FEW_UNITS`. Raises `not_a_probability`,
    `non_finite`, `not_positive`.

    >>> m = quantile_moments(1000, 1000, 0.9, lower=8.8, estimate=9.0, upper=9.2)
    >>> m.mean, round(m.squared_error**0.5, 4)
    (9.0, 0.0999)
    """
    ranks = quantile_ranks(values, q, share_error=share_error)
    n, level = np.asarray(values, dtype=np.float64), np.asarray(q, dtype=np.float64)
    error = np.sqrt(level * (1 - level) / n) if share_error is None else np.asarray(share_error)
    few = (np.asarray(ranks.lower) < 1) | (np.asarray(ranks.upper) > n)
    ends = [np.where(few, 0.0, end) for end in (lower, upper)]
    finite("order statistics", np.stack(np.broadcast_arrays(*ends)))
    distance = (np.asarray(ranks.upper) - ranks.lower) / n
    squared = np.square((ends[1] - ends[0]) * error / np.where(distance > 0, distance, 1.0))
    k = np.asarray(units, dtype=np.float64)
    why = reasons(np.shape(squared), (few, Reason.TOO_FEW_UNITS))
    m2 = squared * k * np.maximum(k - 1, 0)
    return Moments(plain(k), plain(estimate), plain(m2), why)


def quantile(values: ArrayLike, q: float, *, unit: ArrayLike | None = None) -> Moments:
    """Return moments of the `q` quantile of one arm's rows; `unit` names each row's unit.

    The quantile is the ⌈n·q⌉-th smallest value. Raises `non_finite`, `shapes_differ`,
    `not_a_probability`, `not_positive`.

    >>> m = quantile(np.arange(1.0, 1001.0), 0.5)
    >>> m.mean, round(m.squared_error**0.5, 2)
    (500.0, 15.81)
    """
    row = np.sort(finite("values", values), axis=None)
    centre = row[int(np.asarray(quantile_ranks(row.size, q).centre)) - 1]
    units, error = row.size, None
    if unit is not None:
        below, sizes = unit_totals((np.ravel(values) <= centre).astype(np.float64), unit)
        units = sizes.size
        share = linearise(PairMoments.from_values(below, sizes))
        error = np.sqrt(share.squared_error)
    if units < 2:
        return Moments(units, centre, 0.0)
    ranks = quantile_ranks(row.size, q, share_error=error)
    at = [_value(row, rank) for rank in (ranks.lower, ranks.upper)]
    return quantile_moments(
        units, row.size, q, lower=at[0], estimate=centre, upper=at[1], share_error=error
    )


def _value(row: Array, rank: Real) -> float:
    return float(row[min(max(int(rank), 1), row.size) - 1])


_Z = float(-sc.ndtri(0.025))
