"""A/A tests of variance reduction and of families of tests."""

import numpy as np

from stats.calibration.sources import normal_moments
from stats.calibration.table import Hits, Scenario
from stats.cuped import JointMoments, cuped, impute_missing
from stats.multiplicity import Method, adjust
from stats.records import Array
from stats.stratify import post_stratify
from stats.welch import welch

Rng = np.random.Generator
_UNITS = 300
# About the median outcome; each arm's own would tie the missing share to the arm.
_TYPICAL = 2.2


def _units(rng: Rng, count: int) -> tuple[Array, Array]:
    """Outcome and two covariates before exposure, half of its variance explained; skewed."""
    before = np.exp(0.5 * rng.standard_normal((count, _UNITS, 2)))
    return before.sum(axis=-1) + 0.85 * rng.standard_normal((count, _UNITS)), before


def _tested(control: JointMoments, treatment: JointMoments, *, ratio: bool = False) -> Array:
    adjusted = cuped(control, treatment, ratio=ratio)
    return np.asarray(welch(adjusted.control, adjusted.treatment).p_value)


def cuped_means(rng: Rng, count: int) -> Array:
    arms = []
    for _ in range(2):
        outcome, before = _units(rng, count)
        arms.append(JointMoments.from_values(np.concatenate([outcome[..., None], before], -1)))
    return _tested(*arms)


def cuped_ratios(rng: Rng, count: int) -> Array:
    arms = []
    for _ in range(2):
        outcome, before = _units(rng, count)
        views = rng.poisson(3 * before[..., :1]) + 1.0
        columns = [outcome[..., None] * views, views, before]
        arms.append(JointMoments.from_values(np.concatenate(columns, axis=-1)))
    return _tested(*arms, ratio=True)


def cuped_with_missing(rng: Rng, count: int) -> Array:
    sides: tuple[list[Array], list[Array]] = ([], [])
    drawn = [_units(rng, count) for _ in range(2)]
    for i in range(count):
        outcomes = [outcome[i] for outcome, _ in drawn]
        # New users, less active than the rest, have no history: 30 % of the units.
        holes = []
        for (_, before), outcome in zip(drawn, outcomes, strict=True):
            new = rng.random(_UNITS) < np.where(outcome < _TYPICAL, 0.45, 0.15)
            holes.append(np.where(new[:, None], np.nan, before[i]))
        filled = impute_missing(*holes)
        for side, outcome, known in zip(sides, outcomes, filled, strict=True):
            side.append(np.column_stack([outcome, known]))
    return _tested(*(JointMoments.from_values(np.stack(side)) for side in sides))


def stratified(rng: Rng, count: int) -> Array:
    shares, levels = [0.5, 0.3, 0.2], np.array([0.0, 2.0, 5.0])
    arms = [
        normal_moments(rng, (count, 3), rng.multinomial(_UNITS, shares, count), levels)
        for _ in range(2)
    ]
    result = post_stratify(*arms)
    return np.asarray(welch(result.control, result.treatment).p_value)


def _any_of_ten(rng: Rng, count: int, method: Method) -> Hits:
    control, treatment = (normal_moments(rng, (count, 10), 100) for _ in range(2))
    p = np.asarray(welch(control, treatment).p_value)
    return np.array([(adjust(row, method) < 0.05).any() for row in p])


def unadjusted(rng: Rng, count: int) -> Hits:
    return _any_of_ten(rng, count, "none")


def bonferroni(rng: Rng, count: int) -> Hits:
    return _any_of_ten(rng, count, "bonferroni")


def holm(rng: Rng, count: int) -> Hits:
    return _any_of_ten(rng, count, "holm")


def hochberg(rng: Rng, count: int) -> Hits:
    return _any_of_ten(rng, count, "hochberg")


def benjamini_hochberg(rng: Rng, count: int) -> Hits:
    return _any_of_ten(rng, count, "benjamini-hochberg")


def benjamini_yekutieli(rng: Rng, count: int) -> Hits:
    return _any_of_ten(rng, count, "benjamini-yekutieli")


_TEN = "any of 10 metrics, all null"

SCENARIOS = (
    Scenario("cuped, two covariates", "n = 300, skewed", "rejects", "equals", 0.05, cuped_means),
    Scenario("cuped of a ratio", "n = 300, skewed", "rejects", "equals", 0.05, cuped_ratios),
    Scenario(
        "cuped, 30 % missing",
        "n = 300, missing by activity",
        "rejects",
        "equals",
        0.05,
        cuped_with_missing,
    ),
    Scenario(
        "post-stratification",
        "three strata, n = 300",
        "rejects",
        "equals",
        0.05,
        stratified,
        20_000,
    ),
    Scenario("unadjusted", _TEN, "rejects", "shown", 0.05, unadjusted),
    Scenario("bonferroni", _TEN, "rejects", "at most", 0.05, bonferroni),
    Scenario("holm", _TEN, "rejects", "at most", 0.05, holm),
    Scenario("hochberg", _TEN, "rejects", "at most", 0.05, hochberg),
    Scenario("benjamini–hochberg", _TEN, "rejects", "at most", 0.05, benjamini_hochberg),
    Scenario("benjamini–yekutieli", _TEN, "rejects", "at most", 0.05, benjamini_yekutieli),
)
