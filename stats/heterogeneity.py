"""Whether an effect differs between segments, or between the arms of another experiment."""

from dataclasses import dataclass

import numpy as np
import scipy.special as sc
from numpy.typing import ArrayLike

from stats.errors import Reason, refuse
from stats.moments import Moments
from stats.multiplicity import Method, adjust
from stats.records import Array, Interval, Real, Reasons, plain, reasons, unless
from stats.welch import Difference, critical_tail, critical_value, tail_probability, welch


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """Effects per segment and one test that they are all the same.

    `effects` has the segments on its last axis and unadjusted p-values; `adjusted` their p-values
    adjusted by `method` over `family_size` segments. `statistic` is Welch's F on `df` and
    `df_error` degrees of freedom and `p_value` its tail; `pooled` is the effect that all would
    share.
    """

    effects: Difference
    adjusted: Array
    family_size: int
    pooled: Real
    statistic: Real
    df: Real
    df_error: Real
    p_value: Real
    method: str
    reason: Reasons = None


def by_segment(
    control: Moments,
    treatment: Moments,
    *,
    alpha: ArrayLike = 0.05,
    method: Method = "benjamini-hochberg",
) -> Heterogeneity:
    """Compare the arms within segments (last axis) and test for interaction.

    Q = Σ w_s(d_s − d̄)² with w_s = 1/se_s² (Cochran 1954), divided into an F that allows for
    weights estimated from small segments (Welch 1951, with Satterthwaite's df per segment): for
    two segments it is the square of `interaction`'s t. Segments without a standard error stand
    outside, and with fewer than two left the reason is `TOO_FEW_UNITS`. Adjusted p-values have
    one family per call. Raises `shapes_differ`, `not_a_probability`, `unknown_method`.

    >>> control = Moments([400, 400], [10.0, 10.0], [1600.0, 1600.0])
    >>> treatment = Moments([400, 400], [10.1, 10.9], [1600.0, 1600.0])
    >>> result = by_segment(control, treatment)
    >>> round(result.statistic, 4), round(result.p_value, 6)
    (15.96, 6.8e-05)
    """
    effects = welch(control, treatment, alpha=alpha)
    error, estimate = np.broadcast_arrays(effects.standard_error, effects.estimate)
    if error.ndim == 0:
        refuse("shapes_differ", "the last axis of both arms runs over the segments")
    known = error > 0
    weight = np.where(known, 1 / np.square(np.where(known, error, 1.0)), 0.0)
    effect = np.where(known, estimate, 0.0)
    total = weight.sum(axis=-1)
    df = known.sum(axis=-1) - 1.0
    few = df < 1
    pooled = (weight * effect).sum(axis=-1) / np.where(total > 0, total, np.nan)
    spread = (weight * np.square(effect - pooled[..., None])).sum(axis=-1)
    reason = reasons(np.shape(few), (few, Reason.TOO_FEW_UNITS))
    k = np.where(few, 2.0, df + 1)
    share = weight / np.where(few, np.nan, total)[..., None]
    unsure = (known * np.square(1 - share) / np.where(known, effects.df, 1.0)).sum(axis=-1)
    df_error = (k**2 - 1) / 3 / unsure
    statistic = spread / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * unsure)
    p = sc.fdtrc(k - 1, df_error, statistic)
    p_values = np.asarray(effects.p_value)
    return Heterogeneity(
        effects=effects,
        adjusted=adjust(p_values, method),
        family_size=int((~np.isnan(p_values)).sum()),
        pooled=plain(pooled),
        statistic=unless(reason, statistic),
        df=plain(np.maximum(df, 0.0)),
        df_error=unless(reason, df_error),
        p_value=unless(reason, p),
        method=f"welch's F of effects; {method}",
        reason=reason,
    )


def interaction(
    neither: Moments,
    first: Moments,
    second: Moments,
    both: Moments,
    *,
    alpha: ArrayLike = 0.05,
) -> Difference:
    """Test whether two experiments that ran at once change each other's effect.

    The cells hold units by what they were treated with. The estimate is
    (both − second) − (first − neither): the first experiment's effect with the second on, less
    that with it off. t on Satterthwaite's df over four cells. Raises `not_a_probability`.

    >>> cells = [Moments(100, m, 99.0) for m in (1.0, 1.5, 1.2, 2.5)]
    >>> result = interaction(*cells)
    >>> round(result.estimate, 3), round(result.standard_error, 3), round(result.df, 6)
    (0.8, 0.2, 396.0)
    """
    cells = (neither, first, second, both)
    signs = (1.0, -1.0, -1.0, 1.0)
    estimate = sum(s * np.asarray(cell.mean) for s, cell in zip(signs, cells, strict=True))
    squared = [np.asarray(cell.squared_error) for cell in cells]
    total = np.asarray(sum(squared))
    n = np.asarray(sum(np.asarray(cell.n) for cell in cells))
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = zip(squared, cells, strict=True)
        df = 1 / sum(np.square(v / total) / (np.asarray(c.n) - 1) for v, c in pairs)
    few = np.any(np.stack(np.broadcast_arrays(*(np.asarray(c.n) < 2 for c in cells))), axis=0)
    reason = reasons(
        total.shape,
        (few, Reason.TOO_FEW_UNITS),
        (total == 0, Reason.ZERO_VARIANCE),
        known=[cell.reason for cell in cells],
    )
    error = np.sqrt(total)
    reach = critical_value(df, critical_tail(alpha, "two-sided")) * error
    change = np.asarray(estimate)
    return Difference(
        estimate=plain(change),
        standard_error=plain(error),
        df=unless(reason, df),
        interval=Interval(unless(reason, change - reach), unless(reason, change + reach)),
        level=plain(1 - np.asarray(alpha, dtype=np.float64)),
        p_value=unless(reason, tail_probability(change, error, df, "two-sided")),
        n=plain(n),
        method="interaction, welch",
        reason=reason,
    )
