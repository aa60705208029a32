import numpy as np
import pytest
import scipy.integrate
import scipy.stats as reference

from stats import Moments, Reason, StatsError, effect_posterior, lift_posterior

CONTROL, TREATMENT = Moments(900, 10.0, 9e3), Moments(1100, 10.3, 1.2e4)


def test_agrees_with_numerical_bayes():
    result = lift_posterior(CONTROL, TREATMENT, prior_mean=0.01, prior_sd=0.05)
    ratio = 1.03
    error = np.sqrt(TREATMENT.squared_error + ratio**2 * CONTROL.squared_error) / 10
    grid = np.linspace(-0.15, 0.2, 200_001)
    mass = reference.norm.pdf(grid, 0.01, 0.05) * reference.norm.pdf(0.03, grid, error)
    mass /= scipy.integrate.trapezoid(mass, grid)

    def expect(values):
        return scipy.integrate.trapezoid(values * mass, grid)

    assert result.n == 2000
    assert result.estimate == pytest.approx(expect(grid), rel=1e-9)
    assert result.standard_deviation**2 == pytest.approx(
        expect((grid - result.estimate) ** 2), rel=1e-8
    )
    assert result.chance_to_win == pytest.approx(expect(grid > 0), abs=1e-5)
    assert result.expected_loss_ship == pytest.approx(expect(np.maximum(0, -grid)), rel=1e-6)
    assert result.expected_loss_keep == pytest.approx(expect(np.maximum(0, grid)), rel=1e-6)


def test_a_metric_that_should_fall_turns_every_decision_round():
    up = lift_posterior(CONTROL, TREATMENT)
    down = lift_posterior(CONTROL, TREATMENT, increase_is_better=False)
    assert down.chance_to_win == pytest.approx(1 - up.chance_to_win, rel=1e-9)
    assert down.expected_loss_ship == pytest.approx(up.expected_loss_keep, rel=1e-12)
    assert down.interval == up.interval


def test_losses_stay_finite_and_positive_far_in_the_tail():
    n = 10_000_000
    result = lift_posterior(Moments(n, 10.0, n * 1.0), Moments(n, 10.005, n * 1.0))
    assert 0 < result.expected_loss_ship < 1e-30
    assert result.expected_loss_keep == pytest.approx(result.estimate, rel=1e-9)


def test_reasons():
    near = lift_posterior(Moments(100, 0.1, 99.0), Moments(100, 0.2, 99.0))
    assert near.reason is Reason.BASELINE_NEAR_ZERO
    assert np.isnan(near.chance_to_win)
    assert lift_posterior(Moments(1, 1.0, 0.0), TREATMENT).reason is Reason.TOO_FEW_UNITS


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"prior_sd": 0.0}, "not_positive"),
        ({"prior_mean": np.inf}, "non_finite"),
        ({"level": 1.0}, "not_a_probability"),
    ],
)
def test_mistakes_have_a_code(options, code):
    with pytest.raises(StatsError) as caught:
        lift_posterior(CONTROL, TREATMENT, **options)
    assert caught.value.code == code


def test_the_effect_posterior_agrees_with_conjugate_algebra():
    got = effect_posterior(CONTROL, TREATMENT, prior_sd=0.5, prior_mean=0.1, rope=(-0.2, 0.2))
    data = 1 / (CONTROL.squared_error + TREATMENT.squared_error)
    mean = (0.3 * data + 0.1 / 0.25) / (data + 4)
    exact = reference.norm(mean, (data + 4) ** -0.5)
    assert got.estimate == pytest.approx(mean, rel=1e-10)
    assert got.interval == pytest.approx(exact.interval(0.95), rel=1e-10)
    assert got.chance_to_win == pytest.approx(exact.sf(0), rel=1e-10)
    assert got.in_rope == pytest.approx(exact.cdf(0.2) - exact.cdf(-0.2), rel=1e-10)


def test_the_effect_posterior_needs_no_baseline():
    zero = effect_posterior(Moments(100, 0.0, 0.0), Moments(100, 0.2, 99.0), prior_sd=1.0)
    assert zero.reason is None
    assert 0.5 < zero.chance_to_win < 1


def test_the_rope_keeps_its_digits_in_a_tail():
    far = lift_posterior(CONTROL, Moments(1100, 13.0, 1.2e4), rope=(-0.05, 0.05))
    exact = reference.norm(far.estimate, far.standard_deviation)
    assert far.in_rope == pytest.approx(exact.cdf(0.05), rel=1e-9)
    assert far.in_rope < 1e-20


@pytest.mark.parametrize("rope", [(0.1, -0.1), (0.1, 0.1), (-np.inf, 0.1), (np.nan, 0.1)])
def test_a_region_turned_round_is_refused(rope):
    with pytest.raises(StatsError) as caught:
        lift_posterior(CONTROL, TREATMENT, rope=rope)
    assert caught.value.code == "rope_invalid"
