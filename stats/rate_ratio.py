"""The distribution of a ratio of two beta variables, by quadrature in log space.

Closed forms through the beta function underflow at 10⁷ units or lose eight digits. In logits a
beta density is smooth and decays exponentially on both sides, where the trapezoidal rule
converges exponentially; relative to its mode its logarithm needs no beta function.
"""

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import scipy.special as sc
from numpy.typing import NDArray

from stats.records import Array

_LOG_NEGLIGIBLE = -45.0
_LARGE_SHAPE = 30.0
_WIDEST = 600.0
_MOST_STEPS = 100


def ratio_tail(
    a_c: Array, b_c: Array, a_t: Array, b_t: Array, ratio: Array, lower: NDArray[np.bool_]
) -> Array:
    """Return P(T < ratio·C) where `lower`, else P(T > ratio·C), for beta variables T and C.

    T ~ Beta(a_t, b_t), C ~ Beta(a_c, b_c); all arguments have one shape. Each probability is a
    sum of positive terms, so that of the smaller tail keeps its digits.
    """
    # The density that is narrower in log p carries the sum, unless its points, scaled, pass 1:
    # there the other's distribution function ends in a kink, and the sum runs over the other.
    over_t = _log_width(a_t, b_t) <= _log_width(a_c, b_c)
    top_t, top_c = _top(a_t, b_t), _top(a_c, b_c)
    kinked = np.where(over_t, (ratio < 1) & (top_t >= ratio), (ratio > 1) & (top_c * ratio >= 1))
    over_t = np.where(kinked, ratio > 1, over_t)
    out = np.empty(ratio.shape)
    for summed_t, want_lower in product((True, False), repeat=2):
        chosen = (over_t == summed_t) & (lower == want_lower)
        if not chosen.any():
            continue
        one, other = ((a_t, b_t), (a_c, b_c)) if summed_t else ((a_c, b_c), (a_t, b_t))
        (a, b), (c, d) = ((v[chosen] for v in pair) for pair in (one, other))
        x, weight = logit_nodes(a, b, node_count((a, b), (c, d)))
        scale = ratio[chosen][:, None]
        point = np.minimum(x / scale if summed_t else x * scale, 1.0)
        tail = sc.betaincc if summed_t == want_lower else sc.betainc
        out[chosen] = (weight * tail(c[:, None], d[:, None], point)).sum(axis=-1)
    return np.minimum(out, 1.0)


def ratio_quantile(a_c: Array, b_c: Array, a_t: Array, b_t: Array, q: Array) -> Array:
    """Return r with P(T/C < r) = q, by a bracketed secant in log r against the normal score."""
    shapes = tuple(np.ravel(v) for v in (a_c, b_c, a_t, b_t))
    target = np.broadcast_to(sc.ndtri(q), shapes[0].shape)
    centre, spread = log_ratio(*shapes)
    v = centre + target * spread
    low, high = np.full(v.shape, -_WIDEST), np.full(v.shape, _WIDEST)
    before, error_before, last = v, np.full(v.shape, np.nan), np.ones(v.shape)
    active = np.ones(v.shape, dtype=bool)
    for _ in range(_MOST_STEPS):
        a_1, b_1, a_2, b_2 = (s[active] for s in shapes)
        lower = target[active] < 0
        score = sc.ndtri(ratio_tail(a_1, b_1, a_2, b_2, np.exp(v[active]), lower))
        error = np.full(v.shape, np.nan)
        error[active] = np.where(lower, score, -score)
        error -= target
        low, high = np.where(error < 0, v, low), np.where(error > 0, v, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            steepness = (error - error_before) / (v - before)
            usable = (steepness > 0) & np.isfinite(steepness)
            step = error / np.where(usable, steepness, 1 / spread)
        guess = v - step
        secant = (guess >= low) & (guess <= high)
        guess = np.where(secant, guess, (low + high) / 2)
        before, error_before = v, error
        v = np.where(active, guess, v)
        # A secant's next step is of the order of the product of its last two.
        moved = np.where(secant, np.minimum(np.abs(v - before) / spread, 1.0), 1.0)
        active = active & ~(secant & (moved * last <= 1e-12))
        last = moved
        if not active.any():
            break
    return np.asarray(np.exp(v).reshape(a_c.shape))


def log_ratio(a_c: Array, b_c: Array, a_t: Array, b_t: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation of log(T/C)."""
    mean = sc.digamma(a_t) - sc.digamma(a_t + b_t) - sc.digamma(a_c) + sc.digamma(a_c + b_c)
    return mean, np.hypot(_log_width(a_c, b_c), _log_width(a_t, b_t))


def ratio_log_density(a_c: Array, b_c: Array, a_t: Array, b_t: Array, ratio: Array) -> Array:
    """Return the log density of T/C at `ratio`; all arguments are vectors of one length."""
    out = np.empty(ratio.shape)
    over_t = ratio > 1
    for chosen, own, other in (
        (over_t, (a_t, b_t), (a_c, b_c)),
        (~over_t, (a_c, b_c), (a_t, b_t)),
    ):
        if not chosen.any():
            continue
        (a, b), (c, d) = ((v[chosen] for v in pair) for pair in (own, other))
        x, weight = logit_nodes(a, b, node_count((a, b), (c, d)))
        r = ratio[chosen][:, None]
        # ∫ f_T(y)·f_C(y/r)·y/r² dy, or ∫ f_C(x)·f_T(rx)·x dx: whichever argument stays below 1.
        point, scale = (x / r, x / r**2) if own[0] is a_t else (x * r, x)
        with np.errstate(divide="ignore"):
            terms = np.log(weight) + np.log(scale) + _log_beta(c[:, None], d[:, None], point)
        out[chosen] = sc.logsumexp(terms, axis=-1)
    return out


def _log_beta(a: Array, b: Array, x: Array) -> Array:
    """Log density of Beta(a, b), its exponents taken relative to the mean."""
    p = a / (a + b)
    at_mean = (a - 1) * np.log(p) + (b - 1) * np.log1p(-p) - sc.betaln(a, b)
    return np.asarray(at_mean + (a - 1) * np.log(x / p) + (b - 1) * np.log1p(-(x - p) / (1 - p)))


def _top(a: Array, b: Array) -> Array:
    """Return a rate above which nothing of Beta(a, b) matters."""
    return np.asarray(sc.expit(np.log(a / b) + 12 * _logit_width(a, b)))


def _logit_width(a: Array, b: Array) -> Array:
    """Standard deviation of log(p/(1 − p)); ψ′(x) = ζ(2, x), and zeta is faster."""
    return np.asarray(np.sqrt(sc.zeta(2, a) + sc.zeta(2, b)))


def _log_width(a: Array, b: Array) -> Array:
    """Standard deviation of log p for p ~ Beta(a, b)."""
    return np.asarray(np.sqrt(sc.zeta(2, a) - sc.zeta(2, a + b)))


def node_count(own: tuple[Array, Array], other: tuple[Array, Array]) -> int:
    """Return how many nodes of `own` resolve both distributions to rounding."""
    smallest = min(float(v.min(initial=np.inf)) for v in (*own, *other))
    # The nodes lie in logits, and a ratio shifts log p: both scales must be resolved.
    finer = max(
        float((width(*own) / width(*other)).max(initial=1.0))
        for width in (_log_width, _logit_width)
    )
    # Up to half as wide again, the nodes of the narrower one serve both.
    base = 40 if smallest >= _LARGE_SHAPE else 192
    return base * min(64, max(1, math.ceil(finer - 0.5)))


def logit_nodes(a: Array, b: Array, count: int) -> tuple[Array, Array]:
    """Return points of Beta(a, b) and weights that sum to 1, along a new last axis."""
    a, b = a[..., None], b[..., None]
    p, q = a / (a + b), b / (a + b)

    def log_density(h: Array) -> Array:
        return np.asarray(-a * np.log1p(q * np.expm1(-h)) - b * np.log1p(p * np.expm1(h)))

    low, high = _reach(log_density, -1, a.shape), _reach(log_density, 1, a.shape)
    h = low + (high - low) * np.linspace(0, 1, count)
    weight = np.exp(log_density(h))
    # p·eʰ/(q + p·eʰ) keeps the digits of a rate near 0.
    grown = p * np.exp(h)
    return grown / (q + grown), weight / weight.sum(axis=-1, keepdims=True)


def _reach(log_density: Callable[[Array], Array], sign: int, shape: tuple[int, ...]) -> Array:
    """Return the signed distance from the mode at which the density is negligible."""
    low, high = np.full(shape, np.log(1e-9)), np.full(shape, np.log(_WIDEST))
    for _ in range(14):
        middle = (low + high) / 2
        inside = log_density(sign * np.exp(middle)) > _LOG_NEGLIGIBLE
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.asarray(sign * np.exp(high))
