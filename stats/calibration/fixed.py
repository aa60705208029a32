"""A/A tests of everything that is judged once, at the end."""

import numpy as np

from stats.bootstrap import bootstrap
from stats.calibration.sources import conversions, lognormal, normal_moments
from stats.calibration.table import Hits, Scenario
from stats.cluster import cluster_mean
from stats.heterogeneity import by_segment, interaction
from stats.margins import equivalence, non_inferiority
from stats.moments import Moments, PairMoments, linearise
from stats.quantile import quantile, quantile_moments, quantile_ranks
from stats.records import Array
from stats.srm import srm
from stats.welch import welch
from stats.winsor import winsor_caps, winsorise

Rng = np.random.Generator


def welch_of_means(rng: Rng, count: int) -> Array:
    return _p(lognormal(rng, count, 500), lognormal(rng, count, 500))


def welch_of_conversions(rng: Rng, count: int) -> Array:
    return _p(conversions(rng, count, 2000, 0.1), conversions(rng, count, 2000, 0.1))


def welch_of_small_unequal_arms(rng: Rng, count: int) -> Array:
    wide = normal_moments(rng, (count,), 12)
    return _p(wide, Moments(np.full(count, 40.0), *_scaled(normal_moments(rng, (count,), 40), 3)))


def _scaled(moments: Moments, factor: float) -> tuple[Array, Array]:
    return np.asarray(moments.mean) * factor, np.asarray(moments.m2) * factor**2


def ratio_by_units(rng: Rng, count: int) -> Array:
    return _p(*(linearise(PairMoments.from_values(*_sessions(rng, count))) for _ in range(2)))


def ratio_by_rows(rng: Rng, count: int) -> Array:
    arms = []
    for _ in range(2):
        clicks, sizes = _sessions(rng, count)
        arms.append(Moments.from_successes(clicks.sum(axis=1), sizes.sum(axis=1)))
    return _p(*arms)


def _sessions(rng: Rng, count: int) -> tuple[Array, Array]:
    """Clicks and views of 400 units: each has a click rate of its own."""
    views = rng.geometric(0.1, (count, 400))
    clicks = rng.binomial(views, rng.beta(2, 8, (count, 400)))
    return clicks.astype(np.float64), views.astype(np.float64)


def clustered_means(rng: Rng, count: int) -> Array:
    def arm() -> Moments:
        unit = np.repeat(np.arange(100), rng.integers(1, 9, 100))
        return cluster_mean(rng.standard_normal(100)[unit] + rng.standard_normal(unit.size), unit)

    return _p(*(_stack([arm() for _ in range(count)]) for _ in range(2)))


def independent_quantiles(rng: Rng, count: int) -> Array:
    ranks = quantile_ranks(1000, 0.9)
    at = np.array([ranks.lower, ranks.centre, ranks.upper], dtype=int) - 1

    def arm() -> Moments:
        low, centre, high = np.partition(rng.standard_normal((count, 1000)), at, axis=1)[:, at].T
        return quantile_moments(1000, 1000, 0.9, lower=low, estimate=centre, upper=high)

    return _p(arm(), arm())


def clustered_quantiles(rng: Rng, count: int) -> Array:
    def arm() -> Moments:
        unit = np.repeat(np.arange(300), rng.integers(1, 7, 300))
        return quantile(
            rng.standard_normal(300)[unit] + rng.standard_normal(unit.size), 0.75, unit=unit
        )

    return _p(*(_stack([arm() for _ in range(count)]) for _ in range(2)))


def pooled_winsorising(rng: Rng, count: int) -> Array:
    return _winsorised(rng, count, pooled=True)


def winsorising_by_arm(rng: Rng, count: int) -> Array:
    return _winsorised(rng, count, pooled=False)


def _winsorised(rng: Rng, count: int, *, pooled: bool) -> Array:
    arms = np.exp(1.5 * rng.standard_normal((2, count, 1000)))
    capped = np.empty_like(arms)
    for i in range(count):
        both = winsor_caps([arms[0, i], arms[1, i]])
        for side in range(2):
            caps = both if pooled else winsor_caps([arms[side, i]])
            capped[side, i] = winsorise(arms[side, i], caps)
    return _p(*(Moments.from_values(arm) for arm in capped))


def at_the_margin(rng: Rng, count: int) -> Array:
    control = lognormal(rng, count, 500)
    treatment = lognormal(rng, count, 500, lift=-0.1)
    return np.asarray(non_inferiority(control, treatment, margin=0.1, relative_margin=True).p_value)


def equivalence_at_the_margin(rng: Rng, count: int) -> Hits:
    control, treatment = (normal_moments(rng, (count,), 200, m) for m in (0.0, 0.5))
    return np.asarray(equivalence(control, treatment, margin=0.5).p_value) < 0.05


def segments(rng: Rng, count: int) -> Array:
    sizes = np.array([40, 100, 300, 800])
    arms = (normal_moments(rng, (count, 4), sizes) for _ in range(2))
    return np.asarray(by_segment(*arms).p_value)


def crossed_experiments(rng: Rng, count: int) -> Array:
    cells = [normal_moments(rng, (count,), n, m) for n, m in ((90, 0), (80, 1), (100, 2), (70, 3))]
    return np.asarray(interaction(*cells).p_value)


def sample_ratio(rng: Rng, count: int) -> Array:
    counts = rng.multinomial(30_000, [0.5, 0.3, 0.2], count)
    return np.array([srm(c, [0.5, 0.3, 0.2]).p_value for c in counts])


def sample_ratio_exact(rng: Rng, count: int) -> Hits:
    split = rng.binomial(200, 0.5, count)
    return np.array([srm([k, 200 - k], [0.5, 0.5]).p_value for k in split]) < 0.05


def sample_ratio_monte_carlo(rng: Rng, count: int) -> Hits:
    weights = [0.7, 0.2, 0.1]
    seeds = rng.integers(2**32, size=count)
    drawn = zip(rng.multinomial(30, weights, count), seeds, strict=True)
    return np.array([srm(c, weights, seed=s, simulations=999).p_value for c, s in drawn]) < 0.05


def bootstrapped_means(rng: Rng, count: int) -> Hits:
    def gap(control: Array, treatment: Array) -> float:
        return float(treatment.mean() - control.mean())

    arms = rng.standard_normal((2, count, 400))
    out = np.empty(count, dtype=bool)
    for i, seed in enumerate(rng.integers(2**32, size=count)):
        ends = bootstrap(arms[0, i], arms[1, i], gap, seed=int(seed), resamples=199).interval
        out[i] = ends.lower > 0 or ends.upper < 0
    return out


def _p(control: Moments, treatment: Moments) -> Array:
    return np.asarray(welch(control, treatment).p_value)


def _stack(arms: list[Moments]) -> Moments:
    n, mean, m2 = np.array([(arm.n, arm.mean, arm.m2) for arm in arms]).T
    return Moments(n, mean, m2)


def _fixed(method: str, setting: str, draw: object, batch: int = 1000) -> Scenario:
    return Scenario(method, setting, "rejects", "equals", 0.05, draw, batch)  # type: ignore[arg-type]


SCENARIOS = (
    _fixed("welch", "lognormal σ = 1, n = 500", welch_of_means),
    _fixed("welch", "conversions 10 %, n = 2,000", welch_of_conversions, 20_000),
    _fixed("welch", "normal σ = 1 and 3, n = 12 and 40", welch_of_small_unequal_arms, 20_000),
    _fixed("ratio, delta method", "click rates, 400 units", ratio_by_units),
    Scenario(
        "ratio, rows as units", "click rates, 400 units", "rejects", "shown", 0.05, ratio_by_rows
    ),
    _fixed("cluster-robust mean", "100 units of 1–8 rows", clustered_means),
    _fixed("quantile", "p90 normal, n = 1,000", independent_quantiles),
    _fixed("quantile, clustered", "p75, 300 units of 1–6 rows", clustered_quantiles),
    _fixed("winsorised, pooled caps", "p99, lognormal σ = 1.5, n = 1,000", pooled_winsorising),
    Scenario(
        "winsorised, caps per arm",
        "p99, lognormal σ = 1.5, n = 1,000",
        "rejects",
        "shown",
        0.05,
        winsorising_by_arm,
    ),
    _fixed("non-inferiority, relative", "true lift at the margin −10 %", at_the_margin),
    Scenario(
        "equivalence",
        "true difference at the margin",
        "rejects",
        "at most",
        0.05,
        equivalence_at_the_margin,
        20_000,
    ),
    _fixed("interaction of segments", "four, n = 40 to 800", segments, 20_000),
    _fixed("interaction of experiments", "2 × 2, n = 70 to 100", crossed_experiments, 20_000),
    _fixed("sample ratio, χ²", "three arms, 30,000 units", sample_ratio),
    Scenario("sample ratio, exact", "200 units", "rejects", "at most", 0.05, sample_ratio_exact),
    Scenario(
        "sample ratio, monte carlo",
        "three arms, 30 units",
        "rejects",
        "at most",
        0.05,
        sample_ratio_monte_carlo,
    ),
    _fixed("bootstrap", "means, n = 400, 199 resamples", bootstrapped_means),
)
