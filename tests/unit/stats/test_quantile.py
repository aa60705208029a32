import numpy as np
import pytest
import scipy.stats as reference

from stats import Moments, Reason, StatsError, bootstrap, quantile, quantile_moments, quantile_ranks

rng = np.random.default_rng(31)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.95])
def test_standard_error_is_the_asymptotic_one(q):
    # √(q(1 − q)/n)/f(Q): exact as n grows, here within sampling of the spacing.
    values = reference.norm.ppf((np.arange(1, 200_001) - 0.5) / 200_000)
    got = quantile(values, q)
    density = reference.norm.pdf(reference.norm.ppf(q))
    assert got.mean == pytest.approx(reference.norm.ppf(q), abs=1e-4)
    expected = np.sqrt(q * (1 - q) / 200_000) / density
    assert got.squared_error**0.5 == pytest.approx(expected, rel=0.01)


def test_rows_and_ranks_give_the_same():
    values = rng.lognormal(0, 1, 1234)
    ordered = np.sort(values)
    ranks = quantile_ranks(1234, 0.9)
    lower, centre, upper = (ordered[int(r) - 1] for r in (ranks.lower, ranks.centre, ranks.upper))
    got = quantile_moments(1234, 1234, 0.9, lower=lower, estimate=centre, upper=upper)
    assert got == quantile(values, 0.9)
    assert got.mean == np.quantile(values, 0.9, method="inverted_cdf")


def test_units_that_repeat_their_value_count_once():
    values = rng.lognormal(0, 1, 4000)
    once = quantile(values, 0.75)
    repeated = quantile(np.repeat(values, 6), 0.75, unit=np.repeat(np.arange(4000), 6))
    naive = quantile(np.repeat(values, 6), 0.75)
    assert repeated.n == 4000
    assert repeated.squared_error == pytest.approx(once.squared_error, rel=0.15)
    assert naive.squared_error < once.squared_error / 4


def test_a_clustered_quantile_agrees_with_resampling_units():
    sizes = rng.poisson(3, 1500) + 1
    unit = np.repeat(np.arange(1500), sizes)
    values = rng.normal(0, 1, 1500)[unit] + rng.normal(0, 0.5, unit.size)
    result = bootstrap(
        values,
        values,
        lambda c, _t: float(np.quantile(c, 0.8, method="inverted_cdf")),
        seed=3,
        unit_control=unit,
        unit_treatment=unit,
        resamples=400,
    )
    got = quantile(values, 0.8, unit=unit)
    # A standard deviation from 400 resamples is known to 3.5 %; the spacing adds its own noise.
    assert got.squared_error**0.5 == pytest.approx(result.standard_error, rel=0.2)


def test_a_sample_too_small_for_its_quantile_says_so():
    assert quantile(np.arange(20.0), 0.99).reason is Reason.TOO_FEW_UNITS
    assert quantile([4.0], 0.5) == Moments(1, 4.0, 0.0)
    several = quantile_moments([20, 2000], [20, 2000], 0.99, lower=[np.nan, 3], estimate=3, upper=4)
    assert several.at(0).reason is Reason.TOO_FEW_UNITS
    assert several.at(1).reason is None


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: quantile([1.0, np.nan], 0.5), "non_finite"),
        (lambda: quantile([1.0, 2.0], 1.5), "not_a_probability"),
        (lambda: quantile([], 0.5), "not_positive"),
        (lambda: quantile([1.0, 2.0], 0.5, unit=["a"]), "shapes_differ"),
    ],
)
def test_mistakes_have_a_code(call, code):
    with pytest.raises(StatsError) as caught:
        call()
    assert caught.value.code == code
