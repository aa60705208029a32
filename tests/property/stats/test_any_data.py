"""Whatever the data are, there is a number or a reason: no exception, no warning, no bare NaN."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats import (
    Moments,
    PairMoments,
    Reason,
    SpendingPlan,
    best_lift,
    beta_binomial,
    by_segment,
    confidence_sequence,
    effect_posterior,
    equivalence,
    fieller_lift,
    interaction,
    lift_posterior,
    lift_sequence,
    linear_lift,
    linearise,
    log_lift,
    non_inferiority,
    post_stratify,
    repeated_interval,
    welch,
)

MANY = settings(max_examples=150, deadline=None)
LOOKS = SpendingPlan().looks([0.4])

means = st.one_of(
    st.sampled_from([0.0, -0.0, 1e-100, 1e-9, 1.0, -3.0, 1e9, -1e100, 1e100]),
    st.floats(-1e6, 1e6),
)
spreads = st.one_of(st.sampled_from([0.0, 1e-12, 1.0, 1e100]), st.floats(0, 1e6))
sizes = st.one_of(st.sampled_from([0, 1, 2, 3, 10_000_000]), st.integers(0, 5000))


@st.composite
def arms(draw):
    n = draw(sizes)
    return Moments(n, draw(means), draw(spreads) ** 2 * max(n - 1, 0))


FUNCTIONS = {
    "welch": welch,
    "fieller": fieller_lift,
    "linear": linear_lift,
    "log": log_lift,
    "non-inferiority": lambda c, t: non_inferiority(c, t, margin=0.1),
    "relative non-inferiority": lambda c, t: non_inferiority(
        c, t, margin=0.1, relative_margin=True
    ),
    "equivalence": lambda c, t: equivalence(c, t, margin=0.1, relative_margin=True),
    "confidence sequence": lambda c, t: confidence_sequence(c, t, planned_n=1000),
    "lift sequence": lambda c, t: lift_sequence(c, t, planned_n=1000),
    "repeated": lambda c, t: repeated_interval(c, t, LOOKS),
    "lift posterior": lambda c, t: lift_posterior(c, t, rope=(-0.01, 0.01)),
    "effect posterior": lambda c, t: effect_posterior(c, t, prior_sd=1.0, rope=(-1.0, 1.0)),
    "interaction": lambda c, t: interaction(c, t, c, t),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_number_or_a_reason(name):
    """Means from 1e-100 to 1e100 and 0, spreads up to 1e100, arms of 0 to 10⁷ units."""

    @MANY
    @given(arms(), arms())
    def check(control, treatment):
        result = FUNCTIONS[name](control, treatment)
        finite = np.isfinite(result.interval.lower) or np.isfinite(result.interval.upper)
        assert finite == (result.reason is None)
        if result.reason is None:
            assert not np.isnan(result.interval).any()
            assert result.interval.lower <= result.interval.upper
            assert np.isfinite(result.estimate)
            for field in ("p_value", "chance_to_win", "in_rope"):
                assert 0 <= (getattr(result, field, None) or 0.0) <= 1
        else:
            assert isinstance(result.reason, Reason)
            for field in ("p_value", "chance_to_win", "expected_loss_ship", "in_rope"):
                assert np.isnan(getattr(result, field, np.nan))

    check()


@MANY
@given(arms(), st.lists(arms(), min_size=2, max_size=3))
def test_several_arms(control, others):
    stacked = Moments(*(np.array([getattr(a, k) for a in others]) for k in ("n", "mean", "m2")))
    result = best_lift(control, stacked)
    known = np.isfinite(result.probability).all()
    assert known == (result.reason is None)
    if known:
        assert result.probability.sum() == pytest.approx(1)
        assert np.isfinite(result.expected_loss).all()


@MANY
@given(st.lists(st.tuples(arms(), arms()), min_size=2, max_size=4))
def test_segments_and_strata(pairs):
    control, treatment = (
        Moments(*(np.array([getattr(pair[i], k) for pair in pairs]) for k in ("n", "mean", "m2")))
        for i in (0, 1)
    )
    result = by_segment(control, treatment)
    assert np.isfinite(result.p_value) == (result.reason is None)
    strata = post_stratify(control, treatment)
    for arm in (strata.control, strata.treatment):
        assert np.isnan(arm.mean) == (arm.reason is not None or arm.n == 0)


@MANY
@given(sizes, means, means, spreads, spreads)
def test_ratios(n, x, y, spread_x, spread_y):
    wide = max(n - 1, 0)
    pair = PairMoments(n, x, y, spread_x**2 * wide, spread_y**2 * wide, 0.5 * spread_x * wide)
    moments = linearise(pair)
    assert moments.reason in {None, Reason.ZERO_DENOMINATOR}
    assert np.isnan(moments.mean) == (moments.reason is not None or n == 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7))
def test_rates(k_c, more_c, k_t, more_t):
    result = beta_binomial(k_c, k_c + more_c, k_t, k_t + more_t, rope=(-0.01, 0.01))
    assert 0 <= result.chance_to_win <= 1
    assert -1 <= result.interval.lower < result.interval.upper
    assert 0 <= result.in_rope <= 1 + 1e-9
    if result.reason is None:
        gap = result.expected_loss_keep - result.expected_loss_ship
        assert gap == pytest.approx(result.estimate, rel=1e-7, abs=1e-9)
        assert min(result.expected_loss_keep, result.expected_loss_ship) > -1e-9
    else:
        assert np.isnan(result.estimate)
