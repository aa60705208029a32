import numpy as np
import pytest
import scipy.optimize

from stats import Moments, Reason, fieller_lift, linear_lift, log_lift, welch


def brute_force(control, treatment, alpha):
    """Both ends as the lifts at which d − L·m_c lies exactly t standard errors from 0."""
    difference = welch(control, treatment, alpha=alpha)
    t = (difference.interval.upper - difference.estimate) / difference.standard_error

    def distance(ratio):
        error = np.sqrt(treatment.squared_error + ratio**2 * control.squared_error)
        return (treatment.mean - ratio * control.mean) ** 2 - (t * error) ** 2

    centre = treatment.mean / control.mean
    ends = [
        scipy.optimize.brentq(distance, *side, xtol=1e-15)
        for side in ((centre - 5, centre), (centre, centre + 5))
    ]
    return [ratio - 1 for ratio in ends]


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_agrees_with_root_finding(alpha):
    control, treatment = Moments(300, 2.0, 900.0), Moments(280, 2.5, 1500.0)
    lift = fieller_lift(control, treatment, alpha=alpha)
    assert lift.estimate == pytest.approx(0.25)
    assert lift.interval == pytest.approx(brute_force(control, treatment, alpha), rel=1e-9)


def test_a_negative_baseline_is_read_on_its_size():
    control, treatment = Moments(300, -10.0, 900.0), Moments(280, -9.0, 1500.0)
    lift = fieller_lift(control, treatment)
    assert lift.estimate == pytest.approx(0.1)
    assert lift.interval.lower < 0.1 < lift.interval.upper
    mirrored = fieller_lift(Moments(300, 10.0, 900.0), Moments(280, 9.0, 1500.0))
    assert lift.interval.lower == pytest.approx(-mirrored.interval.upper, rel=1e-12)
    assert lift.interval.upper == pytest.approx(-mirrored.interval.lower, rel=1e-12)


def test_a_baseline_near_zero_has_no_interval():
    lift = fieller_lift(Moments(100, 0.1, 99.0), Moments(100, 0.2, 99.0))
    assert lift.reason is Reason.BASELINE_NEAR_ZERO
    assert np.isnan(lift.interval).all()


def test_a_zero_baseline_has_no_lift_but_a_difference():
    control, treatment = Moments(100, 0.0, 0.0), Moments(100, 0.2, 16.0)
    lift = fieller_lift(control, treatment)
    assert lift.reason is Reason.BASELINE_NEAR_ZERO
    assert np.isnan(lift.estimate)
    assert welch(control, treatment).p_value < 0.05


def test_no_change_at_all_is_centred():
    arm = Moments(1000, 3.0, 999.0)
    lift = fieller_lift(arm, arm)
    assert lift.estimate == 0
    assert lift.interval.lower < 0 < lift.interval.upper


def test_linear_and_log_intervals_are_symmetric_on_their_scales():
    control, treatment = Moments(300, 2.0, 900.0), Moments(280, 2.5, 1500.0)
    alpha, t = 0.05, welch(control, treatment)
    critical = (t.interval.upper - t.estimate) / t.standard_error
    v_c, v_t = control.squared_error, treatment.squared_error
    linear = linear_lift(control, treatment, alpha=alpha)
    reach = critical * np.sqrt(v_t / 4 + 6.25 * v_c / 16)
    assert linear.interval == pytest.approx((0.25 - reach, 0.25 + reach), rel=1e-12)
    assert linear.standard_error == pytest.approx(reach / critical, rel=1e-12)
    assert linear.n == 580
    log = log_lift(control, treatment, alpha=alpha)
    spread = np.exp(critical * np.sqrt(v_t / 6.25 + v_c / 4))
    assert log.interval == pytest.approx((1.25 / spread - 1, 1.25 * spread - 1), rel=1e-12)


def test_a_log_lift_needs_equal_signs_and_keeps_its_ends_in_order():
    down, up = Moments(300, -2.0, 900.0), Moments(300, 2.5, 900.0)
    assert log_lift(down, up).reason is Reason.SIGNS_DIFFER
    assert linear_lift(down, up).estimate == pytest.approx(2.25)
    both = log_lift(down, Moments(300, -1.5, 900.0))
    assert both.estimate == pytest.approx(0.25)
    assert both.interval.lower < 0.25 < both.interval.upper


def test_every_lift_is_refused_on_the_same_baseline():
    near, arm = Moments(100, 0.1, 99.0), Moments(100, 0.2, 99.0)
    for lift in (fieller_lift, linear_lift, log_lift):
        assert lift(near, arm).reason is Reason.BASELINE_NEAR_ZERO


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_the_unit_of_a_metric_may_be_very_small_or_large(unit):
    control, treatment = Moments(300, 2.0, 900.0), Moments(280, 2.5, 1500.0)
    scaled = (Moments(m.n, m.mean * unit, m.m2 * unit**2) for m in (control, treatment))
    expected = fieller_lift(control, treatment)
    assert fieller_lift(*scaled).interval == pytest.approx(expected.interval, rel=1e-9)
