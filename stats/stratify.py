"""Post-stratification: compare like with like inside strata known before exposure."""

from dataclasses import dataclass

import numpy as np

from stats.errors import Reason, refuse
from stats.moments import Moments
from stats.records import Array, Real, plain, reasons


@dataclass(frozen=True, slots=True)
class Stratified:
    """Both arms as plain moments of the stratified mean, ready for every test and interval.

    `weights` are the strata's shares of the units of both arms, on the last axis;
    `variance_reduction` compares the squared standard error of the difference with and without.
    """

    control: Moments
    treatment: Moments
    weights: Array
    variance_reduction: Real
    method: str = "post-stratification"


def post_stratify(control: Moments, treatment: Moments) -> Stratified:
    """Weigh each stratum (last axis) by its share of all units, the same in both arms.

    mean = Σ w_s·mean_s, squared error = Σ w_s²·variance_s/n_s (Miratrix, Sekhon & Yu 2013),
    conditional on the strata's sizes. A stratum with fewer than two units in an arm leaves that
    arm without a variance: `TOO_FEW_UNITS`. Raises `shapes_differ`.

    >>> light, heavy = Moments([50, 50], [1.0, 9.0], [50.0, 50.0]), Moments(
    ...     [60, 40], [1.5, 9.5], [60.0, 40.0])
    >>> result = post_stratify(light, heavy)
    >>> round(result.treatment.mean - result.control.mean, 6), result.weights.tolist()
    (0.5, [0.55, 0.45])
    """
    n_c, n_t = np.broadcast_arrays(control.n, treatment.n)
    if n_c.ndim == 0:
        refuse("shapes_differ", "the last axis of both arms runs over the strata")
    both = n_c + n_t
    weights = both / np.maximum(both.sum(axis=-1, keepdims=True), 1.0)
    arms = [_stratified(arm, weights) for arm in (control, treatment)]
    before = sum(
        np.asarray(_merged(arm, weights.shape).squared_error) for arm in (control, treatment)
    )
    after = sum(np.asarray(arm.squared_error) for arm in arms)
    reduction = np.where(before > 0, 1 - after / np.where(before > 0, before, 1.0), np.nan)
    return Stratified(arms[0], arms[1], weights, plain(reduction))


def _stratified(arm: Moments, weights: Array) -> Moments:
    used = weights > 0
    n = np.broadcast_to(np.asarray(arm.n), weights.shape)
    few = (used & (n < 2)).any(axis=-1)
    mean = np.where(used & (n > 0), arm.mean, 0.0)
    error = np.where(used & (n > 1), arm.squared_error, 0.0)
    total = n.sum(axis=-1)
    squared = (np.square(weights) * error).sum(axis=-1)
    # Moments whose squared standard error, m2/(n − 1)/n, is the stratified one.
    m2 = squared * total * np.maximum(total - 1, 0)
    why = reasons(few.shape, (few, Reason.TOO_FEW_UNITS))
    return Moments(plain(total), plain((weights * mean).sum(axis=-1)), plain(m2), why)


def _merged(arm: Moments, shape: tuple[int, ...]) -> Moments:
    n, mean, m2 = (np.broadcast_to(v, shape) for v in (arm.n, arm.mean, arm.m2))
    whole = Moments(plain(n[..., 0]), plain(mean[..., 0]), plain(m2[..., 0]))
    for s in range(1, shape[-1]):
        whole = whole + Moments(plain(n[..., s]), plain(mean[..., s]), plain(m2[..., s]))
    return whole
