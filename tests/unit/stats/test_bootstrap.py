import math

import numpy as np
import pytest

from stats import Moments, Reason, StatsError, bootstrap, cluster_mean, welch

rng = np.random.default_rng(3)
CONTROL, TREATMENT = rng.gamma(2, 3, 400), rng.gamma(2, 3.5, 500)


def gap(control, treatment):
    return float(treatment.mean() - control.mean())


def test_agrees_with_the_analytic_interval_of_a_mean():
    got = bootstrap(CONTROL, TREATMENT, gap, seed=1, resamples=4000)
    expected = welch(Moments.from_values(CONTROL), Moments.from_values(TREATMENT))
    # The standard deviation of 4,000 resamples is known to 1/√8000.
    assert got.standard_error == pytest.approx(expected.standard_error, rel=4 / math.sqrt(8000))
    assert got.estimate == pytest.approx(expected.estimate)
    np.testing.assert_allclose(got.interval, expected.interval, atol=0.15 * expected.standard_error)


def test_units_bring_all_their_rows():
    unit = np.repeat(np.arange(300), rng.integers(1, 6, 300))
    values = rng.normal(0, 1, 300)[unit] + rng.normal(0, 0.3, unit.size)
    shuffled = rng.permutation(unit.size)
    got = bootstrap(
        values[shuffled],
        values,
        gap,
        seed=2,
        resamples=3000,
        unit_control=unit[shuffled],
        unit_treatment=unit,
    )
    expected = math.sqrt(2 * cluster_mean(values, unit).squared_error)
    assert got.n == 600
    assert got.standard_error == pytest.approx(expected, rel=4 / math.sqrt(6000))


def test_columns_of_a_unit_stay_together():
    rows = np.column_stack([CONTROL, 2 * CONTROL])
    got = bootstrap(
        rows,
        rows,
        lambda c, t: float((t[:, 1] / t[:, 0]).mean() - (c[:, 1] / c[:, 0]).mean()),
        seed=1,
        resamples=50,
    )
    assert got.standard_error < 1e-12


def test_the_seed_is_the_only_randomness():
    first, again = (bootstrap(CONTROL, TREATMENT, gap, seed=9, resamples=50) for _ in range(2))
    other = bootstrap(CONTROL, TREATMENT, gap, seed=10, resamples=50)
    assert first == again
    assert first.interval != other.interval


def test_too_few_units():
    one = bootstrap([1.0, 2.0], TREATMENT, gap, seed=0, unit_control=["a", "a"])
    assert one.reason is Reason.TOO_FEW_UNITS


@pytest.mark.parametrize(
    ("arms", "options", "code"),
    [
        ((Moments(9, 1.0, 8.0), TREATMENT), {}, "needs_rows"),
        (([np.nan, 1.0], TREATMENT), {}, "non_finite"),
        (([1.0, 2.0], TREATMENT), {"unit_control": ["a"]}, "shapes_differ"),
        ((CONTROL, TREATMENT), {"resamples": 0}, "not_positive"),
        ((CONTROL, TREATMENT), {"alpha": 1.0}, "not_a_probability"),
    ],
)
def test_mistakes_have_a_code(arms, options, code):
    with pytest.raises(StatsError) as caught:
        bootstrap(*arms, gap, seed=0, **options)
    assert caught.value.code == code
