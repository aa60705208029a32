"""Sample size, detectable effect and power: whichever of the three is left out.

All for a difference of means at a normal approximation with the two arms' own variances
("unpooled"); proportions may name another formula. Ratios give the variance of `linearise`, CUPED
its variance reduction, a non-inferiority test its margin, a sequential plan its `Test`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
import scipy.special as sc
from numpy.typing import ArrayLike, NDArray

from stats.confidence_sequence import sequence_critical, tuning
from stats.errors import finite, positive, probability, refuse
from stats.group_sequential import Looks, exit_probability
from stats.records import Array, Real, Record, plain

Formula: TypeAlias = Literal["unpooled", "pooled", "arcsine", "continuity"]


class Test(Protocol):
    """A test as power sees it: how large the mean of Z must be at the end."""

    def power(self, drift: Array) -> Array:
        """Return the chance to reject in the right direction when Z has this mean."""

    def drift(self, power: Array) -> Array:
        """Return the mean of Z at which that chance is `power`."""


@dataclass(frozen=True, slots=True)
class FixedHorizon:
    """One look at the end. Raises `not_a_probability`."""

    alpha: float = 0.05
    sides: Literal[1, 2] = 2

    def power(self, drift: Array) -> Array:
        return np.asarray(sc.ndtr(drift + self._quantile()))

    def drift(self, power: Array) -> Array:
        return np.asarray(sc.ndtri(power) - self._quantile())

    def _quantile(self) -> float:
        return float(sc.ndtri(probability("alpha", self.alpha) / self.sides))


@dataclass(frozen=True, slots=True)
class AlwaysValid:
    """An asymptotic confidence sequence tuned at the planned size, judged at that size.

    Looks before it can only add power, so the size is an upper bound. Raises `not_a_probability`.
    """

    alpha: float = 0.05

    def power(self, drift: Array) -> Array:
        return np.asarray(sc.ndtr(drift - self._critical()))

    def drift(self, power: Array) -> Array:
        return np.asarray(sc.ndtri(power) + self._critical())

    def _critical(self) -> Array:
        return sequence_critical(tuning(1.0, self.alpha), self.alpha)


@dataclass(frozen=True, slots=True)
class GroupSequential:
    """A group sequential test with the bounds of `looks`; sizes are those of the last look."""

    looks: Looks

    def power(self, drift: Array) -> Array:
        one = [sum(exit_probability(self.looks, float(d))[0]) for d in np.ravel(drift)]
        return np.reshape(np.asarray(one), np.shape(drift))

    def drift(self, power: Array) -> Array:
        target = np.asarray(power)
        low, high = np.zeros(target.shape), np.full(target.shape, 20.0)
        return _bisect(lambda d: self.power(d) < target, low, high)


@dataclass(frozen=True, slots=True)
class Power(Record):
    """A plan of a two-arm comparison.

    `n_control` and `n_treatment` are units per arm: whole ones when they were solved for.
    `effect` is in the unit of the metric, `power` the chance to reject in its direction.
    """

    n_control: Real
    n_treatment: Real
    effect: Real
    power: Real
    formula: str


def plan_means(
    *,
    variance: ArrayLike,
    n: ArrayLike | None = None,
    effect: ArrayLike | None = None,
    power: ArrayLike | None = None,
    variance_treatment: ArrayLike | None = None,
    share: ArrayLike = 0.5,
    margin: ArrayLike = 0.0,
    variance_reduction: ArrayLike = 0.0,
    test: Test | None = None,
) -> Power:
    """Solve for the one of `n` (both arms), `effect` and `power` that is left out.

    n = (drift of the test)²·(σ_c²/(1 − share) + σ_t²/share)/(effect + margin)². `variance` is
    per unit (a ratio's that of `linearise`); CUPED leaves (1 − variance_reduction) of it. `share`
    is the treatment's part of the units. For non-inferiority give the `margin`, the true `effect`
    in the good direction (often 0) and a one-sided test. `test` is `FixedHorizon()` (two-sided,
    0.05) unless given. Raises `leave_one_out`, `not_positive`, `not_a_probability`, `no_effect`.

    >>> plan_means(variance=100.0, effect=1.0, power=0.8)
    Power(n_control=1570.0, n_treatment=1570.0, effect=1.0, power=0.8, formula='normal, unpooled')
    """
    total, change, chance = _two_of(n, effect, power)
    judge = FixedHorizon() if test is None else test
    part, left = probability("share", share), _left(variance_reduction)
    v_c = positive("variance", variance)
    v_t = v_c if variance_treatment is None else positive("variance_treatment", variance_treatment)
    spread = left * (v_c / (1 - part) + v_t / part)
    room = finite("margin", margin)
    label = "normal, unpooled"
    distance = np.abs(change + room)
    if effect is not None and not (distance > 0).all():
        refuse("no_effect", "effect + margin must differ from 0 to be detectable")
    if n is None:
        size = np.square(judge.drift(chance) / distance) * spread
        return _sized(size, part, change, chance, label)
    if effect is None:
        change = judge.drift(chance) * np.sqrt(spread / total) - room
    else:
        chance = judge.power(distance / np.sqrt(spread / total))
    return _given(total, part, change, chance, label)


def plan_proportions(
    *,
    baseline: ArrayLike,
    n: ArrayLike | None = None,
    effect: ArrayLike | None = None,
    power: ArrayLike | None = None,
    share: ArrayLike = 0.5,
    formula: Formula = "unpooled",
    test: Test | None = None,
) -> Power:
    """Solve for the one of `n` (both arms), `effect` and `power` that is left out.

    `baseline` is the control's rate and baseline + effect the treatment's. "unpooled": the arms'
    own variances; "pooled": the test's standard error from the pooled rate, for a fixed horizon
    (Fleiss, Levin & Paik 2003); "continuity": pooled with Fleiss's correction; "arcsine": Cohen's
    h. A missing effect is the smallest rise. Raises `leave_one_out`, `not_a_probability`,
    `not_positive`, `no_effect`, `unknown_formula`, `out_of_reach`.

    >>> plan_proportions(baseline=0.1, effect=0.01, power=0.8).n_control
    14749.0
    """
    total, change, chance = _two_of(n, effect, power)
    if formula not in ("unpooled", "pooled", "arcsine", "continuity"):
        refuse("unknown_formula", "formula is 'unpooled', 'pooled', 'arcsine' or 'continuity'")
    judge = FixedHorizon() if test is None else test
    if formula in ("pooled", "continuity") and not isinstance(judge, FixedHorizon):
        refuse("unknown_formula", "a sequential test takes 'unpooled' or 'arcsine'")
    part, rate = probability("share", share), probability("baseline", baseline)
    label = f"proportions, {formula}"
    if effect is not None:
        if (change == 0).any():
            refuse("no_effect", "effect must differ from 0 to be detectable")
        probability("baseline + effect", rate + change)

    def needed(difference: Array, reached: Array) -> Array:
        return _units(rate, difference, reached, part, formula, judge)

    shape = np.broadcast_shapes(*(v.shape for v in (total, change, chance, rate, part)))
    if n is None:
        return _sized(needed(change, chance), part, change, chance, label)
    if effect is None:
        # Stay inside 0…1: a rate of exactly 1 has no variance to plan with.
        most = np.broadcast_to((1 - rate) * (1 - 1e-9), shape)
        if (needed(most, chance) > total).any():
            refuse("out_of_reach", "no rise within 0…1 reaches this power; take more units")
        change = _bisect(lambda e: needed(e, chance) > total, np.full(shape, 1e-12), most)
    else:
        ends = np.full(shape, 1e-9), np.full(shape, 1 - 1e-12)
        chance = _bisect(lambda w: needed(change, w) < total, *ends)
    return _given(total, part, change, chance, label)


def _units(
    rate: Array, change: Array, power: Array, share: Array, formula: Formula, test: Test
) -> Array:
    """Return the units of both arms."""
    other = rate + change
    v_c, v_t = rate * (1 - rate), other * (1 - other)
    if formula == "arcsine":
        h = 2 * (np.arcsin(np.sqrt(other)) - np.arcsin(np.sqrt(rate)))
        return np.asarray(np.square(test.drift(power) / h) / (share * (1 - share)))
    unpooled = v_c / (1 - share) + v_t / share
    if formula == "unpooled" or not isinstance(test, FixedHorizon):
        return np.square(test.drift(power) / change) * unpooled
    middle = (1 - share) * rate + share * other
    null = middle * (1 - middle) / (share * (1 - share))
    z_alpha, z_power = test.drift(np.asarray(0.5)), sc.ndtri(power)
    total = np.square((z_alpha * np.sqrt(null) + z_power * np.sqrt(unpooled)) / change)
    if formula == "pooled":
        return np.asarray(total)
    inner = 2 / (share * (1 - share) * total * np.abs(change))
    return np.asarray(total / 4 * np.square(1 + np.sqrt(1 + inner)))


def _two_of(
    n: ArrayLike | None, effect: ArrayLike | None, power: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Return all three, checked, with NaN for the one that is missing."""
    if sum(value is None for value in (n, effect, power)) != 1:
        refuse("leave_one_out", "give two of n, effect and power; the third is solved for")
    gone = np.asarray(np.nan)
    return (
        gone if n is None else positive("n", n),
        gone if effect is None else finite("effect", effect),
        gone if power is None else probability("power", power),
    )


def _left(reduction: ArrayLike) -> Array:
    less = finite("variance_reduction", reduction)
    if not (less < 1).all():
        refuse("not_a_probability", "variance_reduction is below 1")
    return 1 - less


def _sized(total: Array, share: Array, effect: Array, power: Array, formula: str) -> Power:
    # A size that is whole but for rounding is whole.
    arms = [np.ceil(part * total * (1 - 1e-12)) for part in (1 - share, share)]
    return Power(plain(arms[0]), plain(arms[1]), plain(effect), plain(power), formula)


def _given(total: Array, share: Array, effect: Array, power: Array, formula: str) -> Power:
    arms = plain((1 - share) * total), plain(share * total)
    return Power(*arms, plain(effect), plain(power), formula)


def _bisect(below: Callable[[Array], NDArray[np.bool_]], low: Array, high: Array) -> Array:
    """Return where `below` turns false, between `low` and `high`."""
    for _ in range(60):
        middle = (low + high) / 2
        short = below(middle)
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return high
