import numpy as np
import pytest

from stats import Moments, PairMoments, Reason, StatsError, linearise


def test_a_large_mean_costs_no_digits():
    # numpy.random.default_rng(3).normal(0, 1, 1000) + 1e9 has variance 1.0145358.
    values = np.random.default_rng(3).normal(0, 1, 1000) + 1e9
    assert Moments.from_values(values).variance == pytest.approx(1.0145358, abs=5e-8)
    parts = [Moments.from_values(part) for part in np.array_split(values, 7)]
    assert sum(parts[1:], parts[0]).variance == pytest.approx(1.0145358, abs=5e-8)


def test_reduction_agrees_with_numpy():
    values = np.random.default_rng(0).gamma(2, 3, (4, 50))
    moments = Moments.from_values(values)
    np.testing.assert_allclose(moments.mean, values.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(moments.variance, values.var(axis=1, ddof=1), rtol=1e-12)
    np.testing.assert_allclose(Moments.from_values(values.T, axis=0).m2, moments.m2, rtol=1e-12)


def test_conversions_are_means_of_zeros_and_ones():
    counted = Moments.from_successes([0, 3, 7], 7)
    listed = Moments.from_values([[0] * 7, [1] * 3 + [0] * 4, [1] * 7])
    np.testing.assert_allclose(counted.mean, listed.mean)
    np.testing.assert_allclose(counted.m2, listed.m2, atol=1e-15)


def test_a_constant_has_no_variance_even_when_its_sum_rounds():
    assert Moments.from_values([0.1] * 1000).variance == 0
    assert Moments(1000, 0.1, 1e-29).variance == 0


def test_an_empty_arm_merges_as_nothing():
    empty, one = Moments.from_values([]), Moments.from_values([4.0, 6.0])
    assert empty.n == 0
    assert np.isnan(empty.mean)
    assert empty + one == one == one + empty
    pair = PairMoments.from_values([1.0, 2.0], [3.0, 5.0])
    assert PairMoments.from_values([], []) + pair == pair


def test_pairs_agree_with_numpy_and_merge():
    x, y = np.random.default_rng(1).normal(5, 2, (2, 300))
    whole = PairMoments.from_values(x, y)
    merged = PairMoments.from_values(x[:77], y[:77]) + PairMoments.from_values(x[77:], y[77:])
    covariance = np.cov(x, y)
    for pair in (whole, merged):
        assert pair.cxy / 299 == pytest.approx(covariance[0, 1], rel=1e-12)
        assert pair.m2_x / 299 == pytest.approx(covariance[0, 0], rel=1e-12)
        assert pair.m2_y / 299 == pytest.approx(covariance[1, 1], rel=1e-12)


def test_a_linearised_ratio_is_the_mean_of_its_linearised_units():
    rng = np.random.default_rng(2)
    y = rng.poisson(4, 500) + 1.0
    x = y * rng.gamma(2, 1, 500)
    ratio = x.mean() / y.mean()
    units = ratio + (x - ratio * y) / y.mean()
    got = linearise(PairMoments.from_values(x, y))
    assert got.mean == pytest.approx(units.mean(), rel=1e-12)
    assert got.variance == pytest.approx(units.var(ddof=1), rel=1e-12)


def test_a_zero_denominator_is_named_and_carried_on():
    pair = PairMoments([3, 3], [1.0, 1.0], [0.0, 2.0], [2.0, 2.0], [0.0, 1.0], [0.0, 0.5])
    moments = linearise(pair)
    assert moments.at(0).reason is Reason.ZERO_DENOMINATOR
    assert np.isnan(moments.at(0).mean)
    assert moments.at(1).reason is None
    assert (moments + moments).at(0).reason is Reason.ZERO_DENOMINATOR


def test_a_proportional_ratio_has_no_variance():
    x = np.random.default_rng(4).gamma(2, 1, 100)
    assert linearise(PairMoments.from_values(3 * x, x)).variance == 0


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: Moments(-1, 0.0, 0.0), "negative_count"),
        (lambda: Moments(2, 0.0, -1.0), "negative_squares"),
        (lambda: Moments(2, np.nan, 1.0), "non_finite"),
        (lambda: Moments(2, 1.0, np.inf), "non_finite"),
        (lambda: Moments.from_values([1.0, np.nan]), "non_finite"),
        (lambda: Moments.from_values([1e200, -1e200]), "non_finite"),
        (lambda: Moments.from_successes(3, 2), "more_successes_than_units"),
        (lambda: PairMoments.from_values([1.0], [1.0, 2.0]), "shapes_differ"),
        (lambda: PairMoments(2, 1.0, 1.0, 1.0, 1.0, np.nan), "non_finite"),
    ],
)
def test_mistakes_have_a_code(make, code):
    with pytest.raises(StatsError) as caught:
        make()
    assert caught.value.code == code
