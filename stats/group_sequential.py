"""Group sequential tests: a fixed error spent over looks whose number and timing need no plan.

Bounds for |Z| come from the joint distribution of the looks by recursive integration (Armitage,
McPherson & Rowe 1969; Jennison & Turnbull 2000, chapter 19): between looks the score is a random
walk, and its density inside the bounds is carried on Gauss–Legendre nodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias

import numpy as np
import scipy.special as sc

from stats.errors import probability, refuse
from stats.records import Array

Shape: TypeAlias = Literal["obrien-fleming", "pocock", "power"]

# Beyond this many standard errors a normal variable holds 2e-33 of its mass.
_EDGE = 12.0
_LEAST_SPENT = 1e-30
# Looks nearer to each other than this share of the information are one look.
_CLOSEST = 1e-4
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


@dataclass(frozen=True, slots=True)
class SpendingPlan:
    """How much of `alpha` may be spent when a fraction t of the information is in.

    Per side a = alpha/sides: "obrien-fleming" 2 − 2Φ(z_{a/2}/√t), "pocock" a·log(1 + (e − 1)t)
    (Lan & DeMets 1983), "power" a·t^exponent (Kim & DeMets 1987). `sides` is 2, or 1 for a test
    that only a large Z rejects. Raises `not_a_probability`, `unknown_shape`, `not_positive`.

    >>> plan = SpendingPlan(alpha=0.05, shape="obrien-fleming")
    >>> [round(b, 4) for b in plan.looks([0.2, 0.4, 0.6, 0.8, 1.0]).bounds]
    [4.8769, 3.357, 2.6803, 2.2898, 2.031]
    """

    alpha: float = 0.05
    shape: Shape = "obrien-fleming"
    exponent: float = 3.0
    sides: Literal[1, 2] = 2

    def __post_init__(self) -> None:
        probability("alpha", self.alpha)
        if self.shape not in ("obrien-fleming", "pocock", "power") or self.sides not in (1, 2):
            refuse("unknown_shape", "shape is 'obrien-fleming', 'pocock' or 'power'; sides 1 or 2")
        if not self.exponent > 0:
            refuse("not_positive", "exponent must be above 0")

    def spent(self, fraction: float) -> float:
        """Return the error of one side that may be spent up to `fraction`."""
        side = self.alpha / self.sides
        match self.shape:
            case "obrien-fleming":
                return float(2 * sc.ndtr(sc.ndtri(side / 2) / np.sqrt(fraction)))
            case "pocock":
                return float(side * np.log1p((np.e - 1) * fraction))
            case "power":
                return float(side * fraction**self.exponent)

    def start(self) -> "Looks":
        """Return the state before any look."""
        return Looks(self)

    def looks(self, fractions: Sequence[float]) -> "Looks":
        """Return the state after looks at these fractions. Raises `bad_fraction`."""
        state, walk = self.start(), Walk(self.sides)
        for fraction in fractions:
            state, walk = state.extended(walk, fraction, final=False)
        return state


@dataclass(frozen=True, slots=True)
class Looks:
    """What must be remembered between looks: plain tuples, to be stored and resumed.

    `fractions` are the information fractions so far, `bounds` the critical |Z| at each (Z for a
    one-sided plan) and `spent` the error of one side used up. A look at Z beyond the last bound
    rejects at the plan's alpha.
    """

    plan: SpendingPlan
    fractions: tuple[float, ...] = ()
    bounds: tuple[float, ...] = ()
    spent: tuple[float, ...] = ()

    @property
    def critical(self) -> float:
        """The bound of the latest look."""
        return self.bounds[-1]

    @property
    def nominal_alpha(self) -> float:
        """The two-sided p-value below which the latest look rejects."""
        return float(2 * sc.ndtr(-self.critical))

    def look(self, fraction: float, *, final: bool = False) -> Self:
        """Return the state after one more look; `final` spends all that is left.

        Raises `bad_fraction` unless `fraction` rises by 0.0001 or more and stays within 1.

        >>> state = SpendingPlan(shape="pocock").start().look(0.3).look(0.7, final=True)
        >>> [round(b, 4) for b in state.bounds]
        [2.3118, 2.0984]
        """
        return self.extended(self._walk(), fraction, final=final)[0]

    def extended(self, walk: "Walk", fraction: float, *, final: bool) -> tuple[Self, "Walk"]:
        """Return the state and its walk after one more look."""
        last = self.fractions[-1] if self.fractions else 0.0
        if not last + _CLOSEST <= fraction <= 1:
            refuse(
                "bad_fraction",
                f"information fractions rise by {_CLOSEST} or more from look to look and end at 1: "
                f"{fraction} does not follow {last}",
            )
        total = self.plan.alpha / self.plan.sides if final else self.plan.spent(fraction)
        used = self.spent[-1] if self.spent else 0.0
        # A bound is finite at every look: spending this little changes nothing.
        front = walk.towards(fraction)
        bound = front.bound(max(total - used, _LEAST_SPENT))
        after = replace(
            self,
            fractions=(*self.fractions, float(fraction)),
            bounds=(*self.bounds, bound),
            spent=(*self.spent, max(total, used)),
        )
        return after, front.step(bound)

    def _walk(self) -> "Walk":
        walk = Walk(self.plan.sides)
        for fraction, bound in zip(self.fractions, self.bounds, strict=True):
            walk = walk.towards(fraction).step(bound)
        return walk


@dataclass(frozen=True)
class Walk:
    """The score S = Z·√t after a look; paths between `low` and `high` have crossed nothing."""

    sides: int
    drift: float = 0.0
    fraction: float = 0.0
    low: float = 0.0
    high: float = 0.0
    front: "Front | None" = None

    def towards(self, fraction: float) -> "Front":
        """Return the paths on nodes fine enough for the step to `fraction`."""
        if self.front is None:
            return Front(self, fraction, np.zeros(1), np.ones(1))
        finest = np.sqrt(min(fraction - self.fraction, self.fraction - self.front.walk.fraction))
        panels = max(1, int(np.ceil((self.high - self.low) / (3 * finest))))
        half = (self.high - self.low) / panels / 2
        centres = self.low + half * (2 * np.arange(panels) + 1)
        nodes = (centres[:, None] + half * _NODES).ravel()
        mass = np.tile(half * _WEIGHTS, panels) * self.front.density(nodes)
        return Front(self, fraction, nodes, mass)


@dataclass(frozen=True)
class Front:
    """A walk on its way to the look at `fraction`: where the paths are and how many."""

    walk: Walk
    fraction: float
    nodes: Array
    mass: Array

    @property
    def _step(self) -> float:
        return self.fraction - self.walk.fraction

    def beyond(self, bound: float, *, upper: bool = True) -> float:
        """Return the probability of a Z beyond `bound`, on one side."""
        side = 1.0 if upper else -1.0
        ahead = side * (self.nodes + self.walk.drift * self._step)
        z = (ahead - bound * np.sqrt(self.fraction)) / np.sqrt(self._step)
        return float(self.mass @ sc.ndtr(z))

    def bound(self, error: float) -> float:
        """Return the bound that `error` of the paths cross on one side, by bisection."""
        low, high = -_EDGE, _EDGE
        while (middle := (low + high) / 2) not in (low, high):
            low, high = (middle, high) if self.beyond(middle) > error else (low, middle)
        return high

    def density(self, points: Array) -> Array:
        """Return the density of the score at `points` after the step."""
        z = (points[:, None] - self.nodes - self.walk.drift * self._step) / np.sqrt(self._step)
        bell = np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi * self._step)
        return np.asarray(bell @ self.mass)

    def step(self, bound: float) -> Walk:
        """Return the walk after a look that crossed nothing."""
        scale, centre = np.sqrt(self.fraction), self.walk.drift * self.fraction
        floor, ceiling = centre - _EDGE * scale, centre + _EDGE * scale
        high = min(bound * scale, ceiling)
        low = max(-bound * scale, floor) if self.walk.sides == 2 else floor
        return Walk(self.walk.sides, self.walk.drift, self.fraction, low, max(low, high), self)


def exit_probability(
    looks: Looks, drift: float = 0.0
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return, look by look, the probabilities of crossing the upper and the lower bound first.

    `drift` is the mean of Z at fraction 1; at 0 both sum to the error spent, at the planned
    effect the upper ones to the power. A one-sided plan has no lower bound: zeros.

    >>> up, down = exit_probability(SpendingPlan().looks([0.5, 1.0]), drift=0.0)
    >>> round(sum(up) + sum(down), 9)
    0.05
    """
    walk = Walk(looks.plan.sides, drift)
    up, down = [], []
    for fraction, bound in zip(looks.fractions, looks.bounds, strict=True):
        front = walk.towards(fraction)
        up.append(front.beyond(bound))
        down.append(front.beyond(bound, upper=False) if looks.plan.sides == 2 else 0.0)
        walk = front.step(bound)
    return tuple(up), tuple(down)


def classical_bounds(
    looks: int, shape: Literal["obrien-fleming", "pocock"], alpha: float = 0.05
) -> tuple[float, ...]:
    """Return the two-sided bounds at equally spaced looks: C·√(K/k), or one constant.

    O'Brien & Fleming (1979), Pocock (1977). Raises `not_a_probability`, `not_positive`,
    `unknown_shape`.

    >>> [round(b, 4) for b in classical_bounds(5, "obrien-fleming")]
    [4.5617, 3.2256, 2.6337, 2.2809, 2.0401]
    >>> round(classical_bounds(5, "pocock")[0], 4)
    2.4132
    """
    probability("alpha", alpha)
    if looks < 1:
        refuse("not_positive", "looks must be 1 or more")
    if shape not in ("obrien-fleming", "pocock"):
        refuse("unknown_shape", "shape is 'obrien-fleming' or 'pocock'")
    fractions = np.arange(1, looks + 1) / looks
    form = 1 / np.sqrt(fractions) if shape == "obrien-fleming" else np.ones(looks)

    def error(constant: float) -> float:
        walk, total = Walk(2), 0.0
        for fraction, bound in zip(fractions, constant * form, strict=True):
            front = walk.towards(fraction)
            total += 2 * front.beyond(bound)
            walk = front.step(bound)
        return total

    low, high = float(-sc.ndtri(alpha / 2)), _EDGE
    # With looks ≥ 2 the error falls strictly; 48 halvings leave 3e-14.
    for _ in range(48):
        middle = (low + high) / 2
        low, high = (middle, high) if error(middle) > alpha else (low, middle)
    return tuple(float(b) for b in high * form)
