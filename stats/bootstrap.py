"""Bootstrap of any statistic: units resampled with all their rows, within each arm."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.errors import Reason, finite, probability, refuse
from stats.records import Array, Interval, interval

Statistic = Callable[[Array, Array], float]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Estimate on the data, standard deviation over resamples and their percentile interval.

    All in the unit of the statistic; `n` counts the units of both arms.
    """

    estimate: float
    standard_error: float
    interval: Interval
    level: float
    n: int
    resamples: int
    seed: int
    method: str
    reason: Reason | None = None


def bootstrap(
    control: ArrayLike,
    treatment: ArrayLike,
    statistic: Statistic,
    *,
    seed: int,
    unit_control: ArrayLike | None = None,
    unit_treatment: ArrayLike | None = None,
    resamples: int = 2000,
    alpha: float = 0.05,
) -> Bootstrap:
    """Bound `statistic(control rows, treatment rows)` (Efron 1979, percentile interval).

    Each arm has rows of shape (rows,) or (rows, k), resampled on its own. Where a unit has
    several rows, `unit_…` names the unit of each: a drawn unit brings all of them. Aggregates
    cannot be resampled. Raises `needs_rows`, `non_finite`, `shapes_differ`, `not_positive`,
    `not_a_probability`.

    >>> def gap(c, t):
    ...     return float(np.median(t) - np.median(c))
    >>> result = bootstrap(np.arange(50.0), np.arange(50.0) + 5, gap, seed=7, resamples=500)
    >>> result.estimate, result.interval.lower < 5 < result.interval.upper
    (5.0, True)
    """
    probability("alpha", alpha)
    if resamples < 1:
        refuse("not_positive", "resamples must be 1 or more")
    arms = [_Units.of(control, unit_control), _Units.of(treatment, unit_treatment)]
    n = sum(arm.count for arm in arms)
    method = "bootstrap of units within arms, percentile"
    if min(arm.count for arm in arms) < 2:
        gone = interval(np.nan, np.nan)
        why = Reason.TOO_FEW_UNITS
        return Bootstrap(np.nan, np.nan, gone, 1 - alpha, n, resamples, seed, method, why)
    rng = np.random.default_rng(seed)
    drawn = np.array([statistic(arms[0].draw(rng), arms[1].draw(rng)) for _ in range(resamples)])
    # Rank (resamples + 1)·q, so that few resamples do not shorten the interval.
    ends = np.quantile(finite("the statistic", drawn), [alpha / 2, 1 - alpha / 2], method="weibull")
    estimate = float(statistic(arms[0].rows, arms[1].rows))
    spread = float(drawn.std(ddof=1)) if resamples > 1 else np.nan
    return Bootstrap(estimate, spread, interval(*ends), 1 - alpha, n, resamples, seed, method)


@dataclass(frozen=True, slots=True)
class _Units:
    """Rows of an arm sorted by unit, with where each unit's rows start and how many they are."""

    rows: Array
    starts: NDArray[np.intp]
    sizes: NDArray[np.intp]

    @classmethod
    def of(cls, rows: ArrayLike, unit: ArrayLike | None) -> "_Units":
        if not isinstance(rows, np.ndarray | list | tuple):
            refuse("needs_rows", "a bootstrap resamples rows of units; it cannot run on aggregates")
        values = finite("rows", rows)
        if values.ndim not in (1, 2):
            refuse("shapes_differ", "an arm has shape (rows,) or (rows, k)")
        if unit is None:
            return cls(values, np.arange(len(values), dtype=np.intp), np.ones(len(values), np.intp))
        owner = np.asarray(unit)
        if owner.shape != values.shape[:1]:
            refuse("shapes_differ", "give one unit for every row")
        order = np.argsort(owner, kind="stable")
        _, starts, sizes = np.unique(owner[order], return_index=True, return_counts=True)
        return cls(values[order], starts.astype(np.intp), sizes.astype(np.intp))

    @property
    def count(self) -> int:
        return len(self.starts)

    def draw(self, rng: np.random.Generator) -> Array:
        chosen = rng.integers(self.count, size=self.count)
        if self.count == len(self.rows):
            return np.asarray(self.rows[chosen])
        sizes = self.sizes[chosen]
        first = np.repeat(self.starts[chosen] - (np.cumsum(sizes) - sizes), sizes)
        return np.asarray(self.rows[first + np.arange(sizes.sum())])
