import numpy as np
import pytest
import scipy.integrate
import scipy.stats as reference

from stats import (
    Moments,
    PairMoments,
    Reason,
    StatsError,
    best_lift,
    best_rate,
    beta_binomial,
    lift_posterior,
    linearise,
)

CONTROL = Moments(900, 10.0, 9e3)
ARMS = Moments([1100, 500, 800], [10.3, 10.5, 9.9], [1.2e4, 4e3, 8e3])


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("mean", [10.3, 9.0, 12.0, -10.3])
def test_one_treatment_is_the_posterior_of_its_lift(mean, up):
    treatment = Moments(1100, mean, 1.2e4)
    alone = lift_posterior(CONTROL, treatment, increase_is_better=up)
    got = best_lift(CONTROL, Moments([1100], [mean], [1.2e4]), increase_is_better=up)
    assert got.probability[1] == pytest.approx(alone.chance_to_win, abs=1e-9)
    assert got.expected_loss[0] == pytest.approx(alone.expected_loss_keep, rel=1e-9, abs=1e-9)
    assert got.expected_loss[1] == pytest.approx(alone.expected_loss_ship, rel=1e-9, abs=1e-9)


def posterior_of_lifts(prior_sd=0.3):
    lift = np.array(ARMS.mean) / 10 - 1
    shared = CONTROL.squared_error / 100
    error = np.diag(np.array(ARMS.squared_error) / 100) + shared * np.outer(1 + lift, 1 + lift)
    precision = np.linalg.inv(error) + np.eye(3) / prior_sd**2
    covariance = np.linalg.inv(precision)
    return covariance @ np.linalg.solve(error, lift), covariance


def test_several_agree_with_the_joint_normal_posterior():
    mean, covariance = posterior_of_lifts()
    got = best_lift(CONTROL, ARMS)
    for arm in range(4):
        # Arm k is best when every difference from it is below 0; the control's lift is 0.
        against = np.vstack([np.zeros(3), np.eye(3)])
        contrast = np.delete(against, arm, axis=0) - against[arm]
        expected = reference.multivariate_normal.cdf(
            np.zeros(3),
            contrast @ mean,
            contrast @ covariance @ contrast.T,
            abseps=1e-9,
            maxpts=4_000_000,
            rng=1,
        )
        assert got.probability[arm] == pytest.approx(expected, abs=2e-7)
    assert got.probability.sum() == pytest.approx(1, abs=1e-9)
    draws = np.random.default_rng(0).multivariate_normal(mean, covariance, 400_000)
    best = np.maximum(draws.max(axis=1), 0)
    loss = best.mean() - np.array([0, *mean])
    np.testing.assert_allclose(got.expected_loss, loss, atol=4 * best.std() / np.sqrt(400_000))


def test_metrics_broadcast():
    many = best_lift(
        Moments([900, 900], [10.0, 9.0], 9e3), Moments([[1100, 500, 800]] * 2, ARMS.mean, ARMS.m2)
    )
    np.testing.assert_allclose(many.probability[0], best_lift(CONTROL, ARMS).probability)


def test_each_metric_has_its_own_direction():
    control = Moments([900, 900], [10.0, 10.0], 9e3)
    arms = Moments([[1100, 500, 800]] * 2, [ARMS.mean] * 2, [ARMS.m2] * 2)
    mixed = best_lift(control, arms, increase_is_better=[True, False])
    for metric, up in enumerate((True, False)):
        alone = best_lift(CONTROL, ARMS, increase_is_better=up)
        np.testing.assert_allclose(mixed.probability[metric], alone.probability, rtol=1e-12)


def test_rates_agree_with_quadrature():
    k, n = np.array([3, 6, 5]), np.array([10, 12, 10])
    got = best_rate(k, n)
    posteriors = [reference.beta(a, b) for a, b in zip(k + 1, n - k + 1, strict=True)]
    x, w = np.polynomial.legendre.leggauss(200)
    x, w = (x + 1) / 2, w / 2
    for arm in range(3):
        others = np.prod([p.cdf(x) for i, p in enumerate(posteriors) if i != arm], axis=0)
        expected = (w * posteriors[arm].pdf(x) * others).sum()
        assert got.probability[arm] == pytest.approx(expected, rel=1e-10)
    top = scipy.integrate.quad(lambda v: 1 - np.prod([p.cdf(v) for p in posteriors]), 0, 1)[0]
    loss = (top - (k + 1) / (n + 2)) / posteriors[0].mean()
    np.testing.assert_allclose(got.expected_loss, loss, rtol=1e-8)


def test_two_rates_agree_with_the_pair():
    got = best_rate([1_000_000, 1_001_500], 10_000_000)
    pair = beta_binomial(1_000_000, 10_000_000, 1_001_500, 10_000_000)
    assert got.probability[1] == pytest.approx(pair.chance_to_win, rel=1e-11)


def test_reasons_and_mistakes():
    def why(control, arms):
        result = best_lift(control, arms)
        assert np.isnan(result.probability).all()
        return result.reason

    assert why(Moments(100, 0.1, 99.0), ARMS) is Reason.BASELINE_NEAR_ZERO
    assert why(Moments(1, 0.1, 0.0), ARMS) is Reason.TOO_FEW_UNITS
    assert why(CONTROL, Moments([9, 9], [1.0, 2.0], [0.0, 1.0])) is Reason.ZERO_VARIANCE
    nothing = linearise(PairMoments(9, 1.0, 0.0, 1.0, 0.0, 0.0))
    assert why(nothing, ARMS) is Reason.ZERO_DENOMINATOR
    without = linearise(PairMoments(9, [1.0, 2.0], [0.0, 1.0], 1.0, 1.0, 0.0))
    assert why(CONTROL, without) is Reason.ZERO_DENOMINATOR
    for call in (
        lambda: best_lift(CONTROL, CONTROL),
        lambda: best_rate(3, 4),
        lambda: best_lift(CONTROL, ARMS, prior_sd=0),
        lambda: best_rate([1, 2], [3, 3], prior=(0.0, 1.0)),
    ):
        with pytest.raises(StatsError):
            call()
