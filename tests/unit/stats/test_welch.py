import mpmath
import numpy as np
import pytest
import scipy.stats as reference

from stats import Moments, PairMoments, Reason, StatsError, linearise, welch

rng = np.random.default_rng(11)
CONTROL, TREATMENT = rng.gamma(2, 3, 40), rng.gamma(2, 4, 55)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_agrees_with_scipy(alternative):
    ours = welch(
        Moments.from_values(CONTROL),
        Moments.from_values(TREATMENT),
        alpha=0.1,
        alternative=alternative,
    )
    theirs = reference.ttest_ind(TREATMENT, CONTROL, equal_var=False, alternative=alternative)
    ends = theirs.confidence_interval(0.9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-12)
    assert ours.df == pytest.approx(theirs.df, rel=1e-12)
    assert ours.interval == pytest.approx((ends.low, ends.high), rel=1e-12)
    assert ours.level == pytest.approx(0.9)
    assert ours.n == 95


def test_a_far_tail_is_not_zero():
    # t = 11.18034 on 2e5 degrees of freedom: p = 5.19e-29.
    n = 100_001
    arm = Moments(n, 0.0, (n - 1) * 1.0)
    difference = welch(arm, Moments(n, 11.18034 * np.sqrt(2 / n), n - 1.0))
    assert difference.df == pytest.approx(2e5)
    assert difference.p_value == pytest.approx(5.19e-29, rel=1e-3)
    with mpmath.workdps(50):
        x = 2e5 / (2e5 + mpmath.mpf(11.18034) ** 2)
        exact = mpmath.betainc(1e5, 0.5, 0, x, regularized=True)
    assert difference.p_value == pytest.approx(float(exact), rel=1e-9)


def test_all_5_against_all_6_is_a_difference_without_a_test():
    result = welch(Moments(30, 5.0, 0.0), Moments(30, 6.0, 0.0))
    assert result.estimate == 1
    assert result.reason is Reason.ZERO_VARIANCE
    assert np.isnan([result.p_value, *result.interval]).all()


def test_one_constant_arm_is_enough_to_test():
    values = [1.0, 2.0, 4.0, 9.0]
    ours = welch(Moments(10, 5.0, 0.0), Moments.from_values(values))
    theirs = reference.ttest_1samp(values, 5.0)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-12)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_units(n):
    result = welch(Moments(n, 5.0, 0.0), Moments(30, 6.0, 3.0))
    assert result.reason is Reason.TOO_FEW_UNITS
    assert np.isnan(result.p_value)
    assert np.isnan(result.estimate) == (n == 0)


def test_a_hundred_metrics_cost_one_call_and_each_has_its_own_reason():
    n = np.array([30, 30, 1])
    result = welch(
        Moments(n, [1.0, 5.0, 2.0], [3.0, 0.0, 0.0]), Moments(30, [2.0, 6, 3], [4, 0, 1])
    )
    assert [result.at(i).reason for i in range(3)] == [
        None,
        Reason.ZERO_VARIANCE,
        Reason.TOO_FEW_UNITS,
    ]
    alone = welch(Moments(30, 1.0, 3.0), Moments(30, 2.0, 4.0))
    assert result.at(0) == alone


def test_a_missing_ratio_says_why():
    control = linearise(PairMoments(9, 1.0, 0.0, 1.0, 0.0, 0.0))
    result = welch(control, Moments(9, 1.0, 2.0))
    assert result.reason is Reason.ZERO_DENOMINATOR
    assert np.isnan(result.estimate)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, np.nan])
def test_alpha_outside_0_and_1_is_refused(alpha):
    with pytest.raises(StatsError) as caught:
        welch(Moments(5, 1.0, 1.0), Moments(5, 1.0, 1.0), alpha=alpha)
    assert caught.value.code == "not_a_probability"


def test_an_unknown_alternative_is_refused():
    with pytest.raises(StatsError) as caught:
        welch(Moments(5, 1.0, 1.0), Moments(5, 1.0, 1.0), alternative="larger")
    assert caught.value.code == "unknown_alternative"
