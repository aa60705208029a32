"""Variance reduction by what was known of a unit before its first exposure.

CUPED (Deng, Xu, Kohavi & Walker 2013) with one or several covariates, for means and for ratios.
θ comes from both arms together; a unit without a covariate keeps its place by an imputed value
and an indicator, so that nobody is dropped and 5 % of A/A tests reject also where 30 % have none.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.errors import Reason, finite, refuse
from stats.moments import Moments
from stats.records import Array, Real, plain, reasons


@dataclass(frozen=True, slots=True)
class JointMoments:
    """Units, means of d columns and their scatter matrix Σ(v − mean)(v − mean)ᵀ of one arm.

    `n` has shape (...), `mean` (..., d) and `scatter` (..., d, d); `+` merges. Column 0 is the
    outcome (columns 0 and 1 numerator and denominator for a ratio), the others are covariates.
    Raises `StatsError`: `negative_count`, `non_finite`, `shapes_differ`.
    """

    n: Array
    mean: Array
    scatter: Array

    def __post_init__(self) -> None:
        n, mean, scatter = (finite(k, getattr(self, k)) for k in ("n", "mean", "scatter"))
        if (n < 0).any():
            refuse("negative_count", "n counts units and cannot be negative")
        if mean.ndim < 1 or scatter.shape[-2:] != (mean.shape[-1],) * 2:
            refuse(
                "shapes_differ", "mean is (..., d) and scatter (..., d, d) over the same columns"
            )
        for name, value in (("n", n), ("mean", mean), ("scatter", scatter)):
            object.__setattr__(self, name, value)

    @classmethod
    def from_values(cls, columns: ArrayLike) -> Self:
        """Reduce rows of units: shape (..., units, d). Raises `non_finite`, `shapes_differ`.

        >>> JointMoments.from_values([[1.0, 2.0], [3.0, 6.0]]).scatter.tolist()
        [[2.0, 4.0], [4.0, 8.0]]
        """
        rows = finite("columns", columns)
        if rows.ndim < 2:
            refuse("shapes_differ", "columns has one row per unit and one column per value")
        *outer, units, width = rows.shape
        mean = rows.mean(axis=-2) if units else np.zeros((*outer, width))
        centred = rows - mean[..., None, :]
        scatter = np.swapaxes(centred, -1, -2) @ centred
        return cls(np.full(outer, float(units)), mean, scatter)

    def __add__(self, other: Self) -> Self:
        total = self.n + other.n
        delta = other.mean - self.mean
        share = (other.n / np.where(total > 0, total, 1.0))[..., None]
        cross = delta[..., :, None] * delta[..., None, :] * (self.n[..., None] * share)[..., None]
        return type(self)(total, self.mean + delta * share, self.scatter + other.scatter + cross)


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Both arms as plain moments of the adjusted outcome, ready for every test and interval.

    `theta` has one coefficient per covariate on its last axis; `variance_reduction` is
    1 − (adjusted/unadjusted) squared standard error of the difference, 0.3 meaning 30 % less.
    """

    control: Moments
    treatment: Moments
    theta: Array
    variance_reduction: Real
    method: str


def cuped(control: JointMoments, treatment: JointMoments, *, ratio: bool = False) -> Adjusted:
    """Subtract from each arm's outcome what its covariates predict.

    mean_adj = mean_y − θᵀ(mean_x − pooled mean_x), m2_adj = S_yy − 2θᵀS_xy + θᵀS_xxθ with
    θ = S_xx⁻¹S_xy of the merged arms, times (N − 1)/(N − 1 − rank of S_xx) for having fitted it.
    A ratio is linearised first (Deng, Knoblich & Lu 2018). A
    constant or collinear covariate gets the least-norm θ and does no harm. Covariates must be
    measured before exposure: one that the treatment moved eats the effect. Raises
    `shapes_differ`, `no_covariates`.

    >>> rows = np.column_stack([[1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 3.0, 4.0]])
    >>> arm = JointMoments.from_values(rows)
    >>> adjusted = cuped(arm, arm)
    >>> adjusted.theta.round(3).tolist(), round(adjusted.variance_reduction, 4)
    ([1.3], 0.96)
    """
    if control.mean.shape[-1] != treatment.mean.shape[-1]:
        refuse("shapes_differ", "both arms carry the same columns")
    outcomes = 2 if ratio else 1
    if control.mean.shape[-1] <= outcomes:
        refuse("no_covariates", "give at least one covariate column beside the outcome")
    zero = np.zeros(control.n.shape, bool), np.zeros(treatment.n.shape, bool)
    if ratio:
        (control, zero_c), (treatment, zero_t) = _linearised(control), _linearised(treatment)
        zero = zero_c, zero_t
    pooled = control + treatment
    theta, rank = _coefficients(pooled.scatter[..., 1:, 1:], pooled.scatter[..., 1:, 0])
    # Fitting θ takes its degrees of freedom from what is left of the spread.
    freed = (pooled.n - 1) / np.maximum(pooled.n - 1 - rank, 1.0)
    arms = [
        (_plain_outcome(arm, none), _adjust(arm, theta, pooled.mean[..., 1:], freed, none))
        for arm, none in ((control, zero[0]), (treatment, zero[1]))
    ]
    before = sum(np.asarray(raw.squared_error) for raw, _ in arms)
    after = sum(np.asarray(adjusted.squared_error) for _, adjusted in arms)
    reduction = np.where(before > 0, 1 - after / np.where(before > 0, before, 1.0), np.nan)
    return Adjusted(
        arms[0][1], arms[1][1], theta, plain(reduction), "cuped, θ from both arms together"
    )


def impute_missing(control: ArrayLike, treatment: ArrayLike) -> tuple[Array, Array]:
    """Fill NaN covariates with the pooled mean and append an indicator per column that had any.

    Takes covariates of shape (units, k) per arm. Beside its indicator the filled value does not
    change the result, so a query may fill with any constant near the mean. Raises
    `shapes_differ`, `non_finite` (an infinity), `no_covariates` (a column without any value).

    >>> impute_missing([[1.0], [np.nan]], [[3.0], [5.0]])[0].tolist()
    [[1.0, 0.0], [3.0, 1.0]]
    """
    arms = [np.asarray(arm, dtype=np.float64) for arm in (control, treatment)]
    if any(a.ndim != 2 for a in arms) or arms[0].shape[1] != arms[1].shape[1]:
        refuse(
            "shapes_differ", "covariates have one row per unit and the same columns in both arms"
        )
    rows = np.concatenate(arms)
    missing = np.isnan(rows)
    if missing.all(axis=0).any():
        refuse("no_covariates", "a covariate has no value at all; leave the column out")
    finite("covariates", np.where(missing, 0.0, rows))
    filled = np.where(missing, np.nanmean(rows, axis=0), rows)
    indicators = missing[:, missing.any(axis=0)].astype(np.float64)
    whole = np.concatenate([filled, indicators], axis=1)
    return whole[: len(arms[0])], whole[len(arms[0]) :]


def _linearised(arm: JointMoments) -> tuple[JointMoments, NDArray[np.bool_]]:
    """Replace numerator and denominator by the ratio's linearised value per unit."""
    zero = arm.mean[..., 1] == 0
    below = np.where(zero, 1.0, arm.mean[..., 1])
    value = arm.mean[..., 0] / below
    columns = arm.mean.shape[-1]
    change = np.zeros((*np.shape(value), columns - 1, columns))
    change[..., 0, 0], change[..., 0, 1] = 1 / below, -value / below
    change[..., np.arange(1, columns - 1), np.arange(2, columns)] = 1.0
    scatter = change @ arm.scatter @ np.swapaxes(change, -1, -2)
    mean = np.concatenate([np.asarray(value)[..., None], arm.mean[..., 2:]], axis=-1)
    return JointMoments(arm.n, mean, scatter), zero


def _coefficients(square: Array, cross: Array) -> tuple[Array, Array]:
    """Solve square·θ = cross by least norm, on covariates scaled to unit spread; add the rank."""
    spread = np.sqrt(np.diagonal(square, axis1=-2, axis2=-1))
    scale = np.where(spread > 0, spread, 1.0)
    correlation = square / (scale[..., :, None] * scale[..., None, :])
    inverse = np.linalg.pinv(correlation, rcond=1e-10, hermitian=True)
    rank = np.rint(np.trace(inverse @ correlation, axis1=-2, axis2=-1))
    return np.asarray((inverse @ (cross / scale)[..., None])[..., 0] / scale), rank


def _plain_outcome(arm: JointMoments, zero: NDArray[np.bool_]) -> Moments:
    why = reasons(np.shape(zero), (zero & (arm.n > 0), Reason.ZERO_DENOMINATOR))
    return Moments(plain(arm.n), plain(arm.mean[..., 0]), plain(arm.scatter[..., 0, 0]), why)


def _adjust(
    arm: JointMoments, theta: Array, centre: Array, freed: Array, zero: NDArray[np.bool_]
) -> Moments:
    shift = (theta * (arm.mean[..., 1:] - centre)).sum(axis=-1)
    predicted = (arm.scatter[..., 1:, 1:] @ theta[..., None])[..., 0]
    left = (theta * (predicted - 2 * arm.scatter[..., 1:, 0])).sum(axis=-1)
    m2 = np.maximum(arm.scatter[..., 0, 0] + left, 0.0) * freed
    why = reasons(np.shape(zero), (zero & (arm.n > 0), Reason.ZERO_DENOMINATOR))
    return Moments(plain(arm.n), plain(arm.mean[..., 0] - shift), plain(m2), why)
