"""Which of several arms is best, and what choosing each would cost."""

from dataclasses import dataclass

import numpy as np
import scipy.special as sc
from numpy.typing import ArrayLike

from stats.beta_binomial import check_beta_prior
from stats.errors import Reason, finite, positive, refuse
from stats.lift import LARGEST_ERROR, LEAST_ERROR, relative, relative_error
from stats.moments import Moments, check_successes
from stats.rate_ratio import logit_nodes, node_count
from stats.records import Array, Reasons, holds, reasons

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_EDGE = 6.5
_FINEST = 8
_REACH = float(sc.ndtri(0.975))


@dataclass(frozen=True, slots=True)
class BestArm:
    """Chances and costs per arm, on the last axis, control first.

    `probability` sums to 1. `expected_loss` is what choosing the arm gives up against the best
    one on average, as a fraction of the control (0.01 is 1 % of |control mean|). NaN where
    `reason` stands.
    """

    probability: Array
    expected_loss: Array
    prior: tuple[float, float]
    method: str
    reason: Reasons = None


def best_lift(
    control: Moments,
    treatments: Moments,
    *,
    prior_mean: float = 0.0,
    prior_sd: float = 0.3,
    increase_is_better: ArrayLike = True,
) -> BestArm:
    """Compare treatments (last axis) with each other and the control through their lifts.

    Each lift has the prior N(prior_mean, prior_sd²) and the likelihood of `lift_posterior`; all
    share the control's error, so given that error they are independent. Probability and loss are
    integrals over it and over the best lift, to about 1e-9 (1e-5 where the arms' standard errors
    differ more than eightfold): with one treatment the figures are those of `lift_posterior`.
    `control` has the treatments' shape without its last axis. Raises
    `non_finite`, `not_positive`, `shapes_differ`.

    >>> arms = Moments([900, 900], [10.3, 10.5], [9e3, 9e3])
    >>> best_lift(Moments(900, 10.0, 9e3), arms).probability.round(4).tolist()
    [0.0002, 0.0901, 0.9097]
    """
    centre, width = float(finite("prior_mean", prior_mean)), float(positive("prior_sd", prior_sd))
    if np.ndim(treatments.mean) == 0:
        refuse("shapes_differ", "the last axis of the treatments runs over the arms")
    n, mean, m2 = (np.asarray(v)[..., None] for v in (control.n, control.mean, control.m2))
    base = Moments(n, mean, m2, np.asarray(control.reason, dtype=object)[..., None])
    lift = relative(base, treatments)
    error = relative_error(base, treatments)
    near = ~(np.abs(base.mean) > _REACH * np.sqrt(base.squared_error)) | ~(error < LARGEST_ERROR)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        own_error = np.sqrt(treatments.squared_error) / np.abs(base.mean)
    few = (np.asarray(base.n) < 2) | (np.asarray(treatments.n) < 2)
    reason = reasons(
        (few | near).shape[:-1],
        (few.any(axis=-1), Reason.TOO_FEW_UNITS),
        (near.any(axis=-1), Reason.BASELINE_NEAR_ZERO),
        ((own_error < LEAST_ERROR).any(axis=-1), Reason.ZERO_VARIANCE),
        known=[_first_reason(base.reason), _first_reason(treatments.reason)],
    )
    gone = holds(reason)[..., None]
    below = np.where(gone, 1.0, base.mean)
    ratio = np.where(gone, 1.0, treatments.mean) / below
    own = np.square(np.where(gone, 1.0, own_error))
    shared = np.square(np.where(gone, 1.0, np.sqrt(base.squared_error)) / below)
    sign = np.where(increase_is_better, 1.0, -1.0)[..., None]
    seen = sign * np.where(gone, 0.0, lift)
    lifts, deviation, weights = _given_the_control(seen, ratio, own, shared, (sign * centre, width))
    chance, best = _maximum_above_zero(lifts, deviation)
    # Average over the control's error, which runs along the axis before the arms.
    chance, best = weights @ chance, (weights * best).sum(axis=-1)
    expected = _with_control(np.zeros(gone.shape), weights @ lifts)
    kept = weights @ sc.ndtr(-lifts / deviation).prod(axis=-1)[..., None]
    each = _with_control(kept, chance)
    return BestArm(
        np.where(gone, np.nan, each / each.sum(axis=-1, keepdims=True)),
        np.where(gone, np.nan, np.maximum(best[..., None] - expected, 0.0)),
        (centre, width),
        "normal posteriors on the lifts",
        reason,
    )


def best_rate(
    successes: ArrayLike, n: ArrayLike, *, prior: tuple[float, float] = (1.0, 1.0)
) -> BestArm:
    """Compare the rates of all arms (last axis, control first) under Beta(a, b) priors.

    P(arm best) = ∫ f_i·Π_{j≠i} F_j over the posteriors, in log space. A loss is the expected
    shortfall in rate over the control's expected rate. Raises `negative_count`,
    `more_successes_than_units`, `prior_too_weak`, `shapes_differ`.

    >>> best_rate([100, 110, 130], [1000, 1000, 1000]).probability.round(4).tolist()
    [0.013, 0.0821, 0.9049]
    """
    a0, b0 = check_beta_prior(prior)
    k, total = np.broadcast_arrays(*check_successes(successes, n))
    if k.ndim == 0:
        refuse("shapes_differ", "the last axis runs over the arms, control first")
    a, b = k + a0, total - k + b0
    chance, most = np.empty(a.shape), np.zeros(a.shape[:-1])
    for arm in range(a.shape[-1]):
        others = np.arange(a.shape[-1]) != arm
        own = a[..., arm, None], b[..., arm, None]
        count = node_count(own, (a[..., others], b[..., others]))
        x, weight = logit_nodes(a[..., arm], b[..., arm], count)
        for other in np.flatnonzero(others):
            weight = weight * sc.betainc(a[..., other, None], b[..., other, None], x)
        chance[..., arm] = weight.sum(axis=-1)
        most = most + (weight * x).sum(axis=-1)
    mean = a / (a + b)
    loss = np.maximum(most[..., None] - mean, 0.0) / mean[..., :1]
    return BestArm(chance, loss, (a0, b0), "beta posteriors of the rates")


def _first_reason(given: Reasons) -> Reasons:
    """Reduce the arms' axis to the first reason on it."""
    if given is None or isinstance(given, Reason):
        return given
    listed = np.asarray(given, dtype=object)
    first = np.argmax(holds(listed), axis=-1)
    return np.asarray(np.take_along_axis(listed, first[..., None], axis=-1)[..., 0], dtype=object)


def _with_control(control: Array, arms: Array) -> Array:
    return np.concatenate([np.broadcast_to(control, (*arms.shape[:-1], 1)), arms], axis=-1)


def _given_the_control(
    seen: Array, ratio: Array, own: Array, shared: Array, prior: tuple[Array, float]
) -> tuple[Array, Array, Array]:
    """Return mean and deviation of each lift given the control's error at nodes (…, node, arm).

    seen = lift + own error + ratio·(the control's relative error). Also returns the weights of
    the nodes.
    """
    centre, prior_variance = prior[0], prior[1] ** 2
    spread = own + prior_variance
    pull = (ratio * (seen - centre) / spread).sum(axis=-1, keepdims=True)
    variance = shared / (1 + shared * (np.square(ratio) / spread).sum(axis=-1, keepdims=True))
    deviation = np.sqrt(own * prior_variance / spread)
    # Nodes are half a standard deviation apart, or half of what an arm's own error resolves.
    slope = np.abs(ratio) * np.sqrt(variance) * prior_variance / spread
    z = np.linspace(-6.5, 6.5, 24 * _finer(slope / deviation) + 1)
    weights = np.exp(-np.square(z) / 2)
    error = variance * pull + np.sqrt(variance) * z
    corrected = seen[..., None, :] - error[..., None] * ratio[..., None, :]
    own, spread = own[..., None, :], spread[..., None, :]
    mean = (corrected * prior_variance + centre[..., None] * own) / spread
    return mean, np.broadcast_to(deviation[..., None, :], mean.shape), weights / weights.sum()


def _finer(ratio: Array) -> int:
    """Return how many times finer the nodes must be for scales that differ by `ratio`."""
    return int(np.clip(np.ceil(ratio.max(initial=1.0) - 0.5), 1, _FINEST))


def _maximum_above_zero(mean: Array, deviation: Array) -> tuple[Array, Array]:
    """Return P(X_i above 0 and every other), and E[max(0, X_1, …)], for independent normals."""
    lowest = np.clip(-mean / deviation, -_EDGE, _EDGE)
    panels = _finer(deviation.max(axis=-1) / deviation.min(axis=-1))
    half = (_EDGE - lowest)[..., None] / 2 / panels
    starts = (2 * np.arange(panels)[:, None] + 1 + _NODES).ravel()
    z = lowest[..., None] + half * starts
    mass = half * np.tile(_WEIGHTS, panels) * np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi)
    beyond = deviation[..., None] * z
    arms = mean.shape[-1]
    for other in range(arms):
        rest = np.arange(arms) != other
        # Differences of means first: deviations may be far below the means' own rounding.
        ahead = (mean[..., rest] - mean[..., other, None])[..., None] + beyond[..., rest, :]
        mass[..., rest, :] *= sc.ndtr(ahead / deviation[..., other, None, None])
    x = mean[..., None] + beyond
    return mass.sum(axis=-1), (mass * x).sum(axis=(-1, -2))
