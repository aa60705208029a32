import numpy as np
import pytest
import scipy.optimize

from stats import Moments, Reason, StatsError, confidence_sequence, lift_sequence, welch

CONTROL, TREATMENT = Moments(4000, 10.0, 3.6e4), Moments(4200, 10.3, 4.1e4)


def reach(n, rho2, alpha):
    """Robbins's normal mixture boundary as printed: √(2(nρ²+1)/(n²ρ²)·log(√(nρ²+1)/α)), σ = 1."""
    return np.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * np.log(np.sqrt(n * rho2 + 1) / alpha))


def test_agrees_with_the_printed_boundary_at_the_best_tuning():
    alpha, planned = 0.05, 10_000
    best = scipy.optimize.minimize_scalar(
        lambda log_rho2: reach(planned, np.exp(log_rho2), alpha),
        bounds=(-20, 5),
        method="bounded",
        options={"xatol": 1e-10},
    )
    got = confidence_sequence(CONTROL, TREATMENT, planned_n=planned, alpha=alpha)
    sigma = got.standard_error * np.sqrt(8200)
    expected = sigma * reach(8200, np.exp(best.x), alpha)
    assert got.interval.upper - got.estimate == pytest.approx(expected, rel=1e-8)


def test_p_and_interval_agree():
    effects = np.linspace(0, 1, 400)
    arm = Moments(4200, 10 + effects, 4.1e4)
    for alpha in (0.01, 0.05, 0.2):
        # p belongs to the sequence tuned at its own alpha.
        got = confidence_sequence(CONTROL, arm, planned_n=9000, alpha=alpha)
        np.testing.assert_array_equal(got.interval.lower > 0, got.p_value < alpha)
        lifted = lift_sequence(CONTROL, arm, planned_n=9000, alpha=alpha)
        np.testing.assert_array_equal(got.interval.lower > 0, lifted.interval.lower > 0)


def test_pays_for_looking():
    fixed = welch(CONTROL, TREATMENT)
    always = confidence_sequence(CONTROL, TREATMENT, planned_n=8200)
    assert always.interval.lower < fixed.interval.lower
    assert always.p_value > fixed.p_value
    assert np.isnan(always.df)


def test_reasons_and_mistakes():
    assert confidence_sequence(Moments(1, 1.0, 0), TREATMENT, planned_n=9).reason is (
        Reason.TOO_FEW_UNITS
    )
    flat = confidence_sequence(Moments(9, 5.0, 0.0), Moments(9, 6.0, 0.0), planned_n=18)
    assert (flat.estimate, flat.reason) == (1, Reason.ZERO_VARIANCE)
    near = lift_sequence(Moments(100, 0.1, 99.0), Moments(100, 0.2, 99.0), planned_n=200)
    assert near.reason is Reason.BASELINE_NEAR_ZERO
    for options in ({"planned_n": 0}, {"planned_n": 10, "alpha": 1.0}):
        with pytest.raises(StatsError):
            confidence_sequence(CONTROL, TREATMENT, **options)
