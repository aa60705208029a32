import itertools
import math

import numpy as np
import pytest
import scipy.stats as reference

from stats import Reason, StatsError, srm


def test_exact_for_two_small_arms():
    # 3 of 12 under a fair coin: 2·(1 + 12 + 66 + 220)/4096 = 0.146; χ² would say 0.083.
    result = srm([3, 9], [0.5, 0.5])
    assert result.p_value == pytest.approx(2 * 299 / 4096, rel=1e-12)
    assert result.method == "exact binomial"


@pytest.mark.parametrize(("k", "n", "weight"), [(3, 40, 0.2), (700, 999, 0.7), (0, 30, 0.1)])
def test_exact_agrees_with_scipy(k, n, weight):
    theirs = reference.binomtest(k, n, weight).pvalue
    assert srm([k, n - k], [weight, 1 - weight]).p_value == pytest.approx(theirs, rel=1e-9)


def test_chi_squared_agrees_with_scipy():
    counts, weights = [50_100, 24_800, 25_400], [0.5, 0.25, 0.25]
    theirs = reference.chisquare(counts, np.sum(counts) * np.array(weights))
    ours = srm(counts, weights)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-12)
    assert (ours.df, ours.method) == (2, "chi-squared")


def test_monte_carlo_agrees_with_enumeration():
    counts, weights = [9, 0, 3], [0.4, 0.3, 0.3]
    n, expected = 12, 12 * np.array(weights)
    seen = ((counts - expected) ** 2 / expected).sum()
    exact = 0.0
    for a, b in itertools.product(range(n + 1), repeat=2):
        if a + b <= n:
            draw = np.array([a, b, n - a - b])
            if ((draw - expected) ** 2 / expected).sum() >= seen - 1e-12:
                ways = math.factorial(n) / math.prod(math.factorial(v) for v in draw)
                exact += ways * math.prod(w**v for w, v in zip(weights, draw, strict=True))
    ours = srm(counts, weights, seed=5, simulations=200_000)
    assert abs(ours.p_value - exact) < 4 * math.sqrt(exact * (1 - exact) / 200_000)
    assert ours == srm(counts, weights, seed=5, simulations=200_000)


def test_units_in_a_zero_weight_arm_fail_and_cost_no_degree_of_freedom():
    bad = srm([5_000, 5_000, 1], [0.5, 0.5, 0.0])
    assert bad.flagged
    assert bad.p_value == 0
    good = srm([5_000, 5_000, 0], [0.5, 0.5, 0.0])
    assert good.df == 1
    assert good.p_value == 1


def test_the_threshold_is_one_in_a_thousand():
    assert not srm([44_700, 45_489], [0.5, 0.5]).flagged
    assert srm([44_500, 45_689], [0.5, 0.5]).flagged


def test_nothing_assigned_is_no_verdict():
    result = srm([0, 0], [0.5, 0.5])
    assert result.reason is Reason.TOO_FEW_UNITS
    assert math.isnan(result.p_value)
    assert not result.flagged


@pytest.mark.parametrize(
    ("counts", "weights", "code"),
    [
        ([1, 2], [0.5, 0.4], "weights_invalid"),
        ([1, 2], [1.5, -0.5], "weights_invalid"),
        ([-1, 2], [0.5, 0.5], "not_a_count"),
        ([1.5, 2], [0.5, 0.5], "not_a_count"),
        ([1, 2, 3], [0.5, 0.5], "shapes_differ"),
        ([np.nan, 2], [0.5, 0.5], "non_finite"),
    ],
)
def test_mistakes_have_a_code(counts, weights, code):
    with pytest.raises(StatsError) as caught:
        srm(counts, weights)
    assert caught.value.code == code
