import dataclasses
import json

import numpy as np
import pytest
import scipy.integrate
import scipy.stats as reference

from stats import (
    Looks,
    Moments,
    SpendingPlan,
    StatsError,
    classical_bounds,
    exit_probability,
    fieller_lift,
    repeated_interval,
    welch,
)

FIFTHS = [0.2, 0.4, 0.6, 0.8, 1.0]


def test_published_constants():
    # Jennison & Turnbull (2000), tables 2.1 and 2.3, two-sided 0.05, K = 5.
    assert classical_bounds(5, "obrien-fleming") == pytest.approx(
        (4.5617, 3.2256, 2.6337, 2.2809, 2.0401), abs=5e-5
    )
    assert classical_bounds(5, "pocock") == pytest.approx((2.4132,) * 5, abs=5e-5)
    # The same tables at other K and levels, three decimals.
    for looks, alpha, pocock, fleming in (
        (2, 0.05, 2.178, 1.977),
        (10, 0.05, 2.555, 2.087),
        (5, 0.01, 2.986, 2.621),
        (4, 0.01, 2.939, 2.609),
        (4, 0.1, 2.067, 1.733),
    ):
        assert classical_bounds(looks, "pocock", alpha)[-1] == pytest.approx(pocock, abs=6e-4)
        ended = classical_bounds(looks, "obrien-fleming", alpha)[-1]
        assert ended == pytest.approx(fleming, abs=6e-4)


def test_published_lan_demets_bounds():
    # O'Brien–Fleming-type spending at 0.2, 0.4, …, 1, two-sided 0.05.
    assert SpendingPlan().looks(FIFTHS).bounds == pytest.approx(
        (4.8769, 3.3570, 2.6803, 2.2898, 2.0310), abs=5e-5
    )


@pytest.mark.parametrize("shape", ["obrien-fleming", "pocock", "power"])
@pytest.mark.parametrize("sides", [1, 2])
def test_two_looks_agree_with_adaptive_quadrature(shape, sides):
    first, second = 0.35, 0.8
    looks = SpendingPlan(shape=shape, sides=sides, exponent=2.0).looks([first, second])
    early, late = looks.bounds
    assert early == pytest.approx(-reference.norm.ppf(looks.spent[0]), rel=1e-12)

    def crosses(z):
        ahead = (late * np.sqrt(second) - z * np.sqrt(first)) / np.sqrt(second - first)
        return reference.norm.pdf(z) * reference.norm.sf(ahead)

    low = -np.inf if sides == 1 else -early
    total, _ = scipy.integrate.quad(crosses, low, early, epsabs=1e-15, epsrel=1e-12)
    assert total == pytest.approx(looks.spent[1] - looks.spent[0], rel=1e-9)


def test_uneven_and_close_looks_agree_with_simulation():
    fractions = [0.1, 0.101, 0.4, 0.75, 0.7502, 1.0]
    looks = SpendingPlan(shape="pocock").looks(fractions)
    steps = np.sqrt(np.diff(np.array([0, *fractions])))
    walks = np.random.default_rng(8).standard_normal((400_000, 6)) * steps
    z = walks.cumsum(axis=1) / np.sqrt(fractions)
    crossed = np.abs(z) > looks.bounds
    for k in range(1, 7):
        share, expected = crossed[:, :k].any(axis=1).mean(), 2 * looks.spent[k - 1]
        assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 400_000)


def test_error_spent_is_error_made():
    for shape in ("obrien-fleming", "pocock", "power"):
        looks = SpendingPlan(shape=shape).looks(np.arange(1, 101) / 100)
        up, down = exit_probability(looks)
        assert sum(up) + sum(down) == pytest.approx(0.05, rel=1e-12)
        np.testing.assert_allclose(np.cumsum(up), looks.spent, atol=1e-15)


def test_power_under_drift_agrees_with_simulation():
    looks = SpendingPlan().looks(FIFTHS)
    up, down = exit_probability(looks, drift=2.8)
    walks = np.random.default_rng(9).standard_normal((400_000, 5)) * np.sqrt(0.2) + 2.8 * 0.2
    z = walks.cumsum(axis=1) / np.sqrt(FIFTHS)
    crossed = (z > looks.bounds).any(axis=1).mean()
    assert abs(crossed - sum(up)) < 4 * np.sqrt(sum(up) * (1 - sum(up)) / 400_000)
    assert sum(down) < 1e-4


def test_state_survives_storage_between_looks():
    plan = SpendingPlan(alpha=0.1, shape="power", exponent=1.5)
    state = plan.start()
    for fraction in FIFTHS:
        stored = json.loads(json.dumps(dataclasses.asdict(state)))
        state = Looks(
            SpendingPlan(**stored.pop("plan")),
            *(tuple(stored[k]) for k in ("fractions", "bounds", "spent")),
        ).look(fraction)
    whole = plan.looks(FIFTHS)
    assert state.bounds == pytest.approx(whole.bounds, rel=1e-12)


def test_an_early_end_spends_what_is_left():
    looks = SpendingPlan().start().look(0.5).look(0.7, final=True)
    up, down = exit_probability(looks)
    assert sum(up) + sum(down) == pytest.approx(0.05, rel=1e-12)


def test_the_first_looks_have_finite_bounds():
    looks = SpendingPlan().looks([0.001, 0.01, 1.0])
    assert all(2 < b < 12 for b in looks.bounds[:2])


@pytest.mark.parametrize("fractions", [[0.5, 0.4], [0.5, 0.5], [1.2], [0.0], [-0.1], [np.nan]])
def test_fractions_that_fall_stand_still_or_pass_1_are_refused(fractions):
    with pytest.raises(StatsError) as caught:
        SpendingPlan().looks(fractions)
    assert caught.value.code == "bad_fraction"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: SpendingPlan(alpha=0), "not_a_probability"),
        (lambda: SpendingPlan(shape="haybittle"), "unknown_shape"),
        (lambda: SpendingPlan(sides=3), "unknown_shape"),
        (lambda: SpendingPlan(exponent=0), "not_positive"),
        (lambda: classical_bounds(0, "pocock"), "not_positive"),
        (lambda: classical_bounds(3, "power"), "unknown_shape"),
        (lambda: repeated_interval(C, T, SpendingPlan().start()), "no_look"),
    ],
)
def test_mistakes_have_a_code(make, code):
    with pytest.raises(StatsError) as caught:
        make()
    assert caught.value.code == code


C, T = Moments(900, [10.0, 10.0], 9e3), Moments(900, [10.2, 10.7], 9e3)


def test_repeated_intervals_reach_as_far_as_the_bound():
    looks = SpendingPlan().looks([0.5])
    got = repeated_interval(C, T, looks)
    expected = welch(C, T, alpha=2 * reference.norm.sf(looks.bounds[0]))
    np.testing.assert_allclose(got.interval, expected.interval, rtol=1e-12)
    np.testing.assert_array_equal(got.crossed, [0, 1])
    lifted = fieller_lift(C, T, alpha=looks.nominal_alpha)
    np.testing.assert_array_equal(got.lift.interval, lifted.interval)
    assert got.level == got.lift.level == 0.95
    one = got.at(1)
    assert (one.crossed, one.lift.estimate) == (1.0, pytest.approx(0.07))


def test_an_interval_that_cannot_be_had_crosses_nothing():
    flat = repeated_interval(Moments(9, 5.0, 0.0), Moments(9, 6.0, 0.0), SpendingPlan().looks([1]))
    assert flat.crossed == 0
    assert flat.reason == "zero_variance"
