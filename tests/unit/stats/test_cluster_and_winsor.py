import numpy as np
import pytest
import statsmodels.api as sm

from stats import Interval, StatsError, cluster_mean, winsor_caps, winsorise

rng = np.random.default_rng(41)


def test_cluster_mean_agrees_with_statsmodels():
    unit = np.repeat(np.arange(60), rng.integers(1, 9, 60))
    values = rng.normal(0, 1, 60)[unit] + rng.normal(3, 1, unit.size)
    fit = sm.OLS(values, np.ones(unit.size)).fit(cov_type="cluster", cov_kwds={"groups": unit})
    got = cluster_mean(values, unit)
    assert got.n == 60
    assert got.mean == pytest.approx(fit.params[0], rel=1e-12)
    assert got.squared_error**0.5 == pytest.approx(fit.bse[0], rel=1e-10)


def test_units_of_one_row_are_plain_values():
    values = rng.normal(0, 1, 50)
    got = cluster_mean(values, np.arange(50))
    assert got.variance == pytest.approx(values.var(ddof=1), rel=1e-12)


def test_caps_come_from_all_arms_together():
    low, high = rng.lognormal(0, 1, 500), rng.lognormal(1, 1, 700)
    caps = winsor_caps([low, high], lower=0.01, upper=0.95)
    pooled = np.sort(np.concatenate([low, high]))
    assert caps == (pooled[11], pooled[1139])
    capped = winsorise(high, caps)
    assert capped.max() == caps.upper
    assert (capped == np.minimum(np.maximum(high, caps.lower), caps.upper)).all()


def test_open_caps_cap_nothing():
    assert winsor_caps([[1.0, 9.0]], upper=1.0) == Interval(-np.inf, np.inf)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: cluster_mean([1.0, 2.0], ["a"]), "shapes_differ"),
        (lambda: cluster_mean([np.nan], ["a"]), "non_finite"),
        (lambda: winsor_caps([[1.0]], lower=0.9, upper=0.1), "not_a_probability"),
        (lambda: winsor_caps([[], []]), "no_values"),
        (lambda: winsorise([np.inf], Interval(0, 1)), "non_finite"),
    ],
)
def test_mistakes_have_a_code(call, code):
    with pytest.raises(StatsError) as caught:
        call()
    assert caught.value.code == code
