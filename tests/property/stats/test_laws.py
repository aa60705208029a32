"""What must hold whatever the data: symmetry, scale, order of merging, agreement at boundaries."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stats import (
    JointMoments,
    Moments,
    PairMoments,
    adjust,
    best_lift,
    beta_binomial,
    by_segment,
    confidence_sequence,
    cuped,
    equivalence,
    fieller_lift,
    lift_posterior,
    linearise,
    non_inferiority,
    srm,
    welch,
)

BOUNDED = settings(max_examples=100, deadline=None)
FEW = settings(max_examples=25, deadline=None)
values = hnp.arrays(np.float64, st.integers(3, 40), elements=st.floats(-1e3, 1e3, width=32))


@st.composite
def arms(draw, near_zero=True):
    n = draw(st.integers(2, 100_000))
    mean = draw(st.floats(-1e4, 1e4) if near_zero else st.floats(1, 1e4))
    spread = draw(st.floats(1e-3, 1e3))
    return Moments(n, mean, spread**2 * (n - 1))


@BOUNDED
@given(
    values, st.lists(st.integers(0, 40), min_size=1, max_size=5), st.randoms(use_true_random=False)
)
def test_merging_in_any_order_agrees(data, cuts, shuffle):
    parts = [
        Moments.from_values(p) for p in np.split(data, sorted(min(c, data.size) for c in cuts))
    ]
    shuffle.shuffle(parts)
    merged, whole = sum(parts[1:], parts[0]), Moments.from_values(data)
    scale = np.abs(data).max() + 1e-30
    assert merged.n == whole.n
    assert merged.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-12 * scale)
    assert merged.m2 == pytest.approx(whole.m2, rel=1e-9, abs=1e-12 * scale**2 * data.size)


@BOUNDED
@given(values, st.integers(0, 40))
def test_pairs_and_columns_merge_like_the_whole(data, cut):
    y = np.abs(data[::-1]) + 1
    rows = np.column_stack([data, y])
    cut = min(cut, data.size)
    scale = (np.abs(rows).max() + 1) ** 2 * data.size
    pair = PairMoments.from_values(data[:cut], y[:cut]) + PairMoments.from_values(
        data[cut:], y[cut:]
    )
    whole = PairMoments.from_values(data, y)
    assert pair.cxy == pytest.approx(whole.cxy, abs=1e-12 * scale)
    ratio = linearise(pair)
    assert ratio.mean == pytest.approx(data.mean() / y.mean(), rel=1e-9, abs=1e-12)
    columns = JointMoments.from_values(rows[:cut]) + JointMoments.from_values(rows[cut:])
    np.testing.assert_allclose(
        columns.scatter, JointMoments.from_values(rows).scatter, atol=1e-12 * scale
    )


@BOUNDED
@given(arms(), arms())
def test_swapping_the_arms_flips_every_sign(control, treatment):
    one, other = welch(control, treatment), welch(treatment, control)
    assert one.estimate == -other.estimate
    assert one.p_value == other.p_value
    assert one.interval.lower == pytest.approx(-other.interval.upper, rel=1e-12)
    greater = welch(control, treatment, alternative="greater")
    less = welch(treatment, control, alternative="less")
    assert greater.p_value == pytest.approx(less.p_value, rel=1e-12)
    sequence = confidence_sequence(control, treatment, planned_n=1000)
    mirrored = confidence_sequence(treatment, control, planned_n=1000)
    assert sequence.p_value == mirrored.p_value
    assert sequence.interval.lower == pytest.approx(-mirrored.interval.upper, rel=1e-12)


@BOUNDED
@given(arms(), arms(), st.floats(1e-3, 1e3))
def test_a_change_of_unit_changes_differences_and_no_lift(control, treatment, scale):
    def scaled(arm):
        return Moments(arm.n, arm.mean * scale, arm.m2 * scale**2)

    one, other = welch(control, treatment), welch(scaled(control), scaled(treatment))
    assert other.standard_error == pytest.approx(one.standard_error * scale, rel=1e-9)
    assert other.df == pytest.approx(one.df, rel=1e-9)
    size = abs(control.mean) + abs(treatment.mean) + one.standard_error
    assert other.estimate == pytest.approx(one.estimate * scale, abs=1e-12 * size * scale)
    lifts = fieller_lift(control, treatment), fieller_lift(scaled(control), scaled(treatment))
    if lifts[0].reason is None and lifts[1].reason is None:
        for a, b in zip(lifts[0].interval, lifts[1].interval, strict=True):
            assert b == pytest.approx(a, rel=1e-6, abs=1e-9)


@BOUNDED
@given(arms(), arms(), st.floats(0.001, 0.4))
def test_the_ends_of_every_interval_are_in_order_and_around_the_estimate(control, treatment, alpha):
    for result in (
        welch(control, treatment, alpha=alpha),
        fieller_lift(control, treatment, alpha=alpha),
        confidence_sequence(control, treatment, planned_n=500, alpha=alpha),
    ):
        if result.reason is None:
            slack = 1e-9 * (1 + abs(result.estimate))
            assert result.interval.lower <= result.estimate + slack
            assert result.estimate - slack <= result.interval.upper


@st.composite
def comparisons(draw):
    """Two arms whose means lie a few standard errors apart."""
    control, treatment = draw(arms()), draw(arms())
    z = draw(st.floats(-6, 6))
    error = np.sqrt(control.squared_error + treatment.squared_error)
    return control, Moments(treatment.n, control.mean + z * error, treatment.m2)


@BOUNDED
@given(comparisons())
def test_p_and_interval_agree_at_the_boundary(pair):
    control, treatment = pair
    p = welch(control, treatment).p_value
    assume(1e-12 < p < 0.999)
    at = welch(control, treatment, alpha=p)
    size = abs(control.mean) + abs(treatment.mean) + at.standard_error
    nearest = min(abs(end) for end in at.interval)
    assert nearest == pytest.approx(0, abs=1e-9 * size)
    wider, narrower = (welch(control, treatment, alpha=p * f) for f in (0.999, 1.0009))
    assert wider.interval.lower < 0 < wider.interval.upper
    assert narrower.interval.lower > 0 or narrower.interval.upper < 0


@BOUNDED
@given(comparisons(), st.floats(0.001, 0.4))
def test_a_lift_excludes_0_exactly_when_the_difference_does(pair, alpha):
    control, treatment = pair
    lift = fieller_lift(control, treatment, alpha=alpha)
    assume(lift.reason is None)
    difference = welch(control, treatment, alpha=alpha)
    assume(abs(difference.p_value - alpha) > 1e-9)
    assert (lift.interval.lower > 0 or lift.interval.upper < 0) == (difference.p_value < alpha)


@BOUNDED
@given(arms(), arms(), st.floats(0.01, 1e3))
def test_a_margin_test_agrees_with_its_interval(control, treatment, margin):
    test = non_inferiority(control, treatment, margin=margin)
    assume(abs(test.p_value - 0.05) > 1e-9)
    assert (test.interval.lower > -margin) == (test.p_value < 0.05)
    same = equivalence(control, treatment, margin=margin)
    assume(abs(same.p_value - 0.05) > 1e-9)
    inside = -margin < same.interval.lower and same.interval.upper < margin
    assert inside == (same.p_value < 0.05)


@BOUNDED
@given(arms(near_zero=False), arms(near_zero=False))
def test_a_posterior_is_a_probability_and_its_losses_differ_by_the_estimate(control, treatment):
    result = lift_posterior(control, treatment)
    assume(result.reason is None)
    assert 0 <= result.chance_to_win <= 1
    assert result.expected_loss_ship >= 0
    gain = result.expected_loss_keep - result.expected_loss_ship
    assert gain == pytest.approx(result.estimate, rel=1e-9, abs=1e-12)


@FEW
@given(st.integers(1, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_beta_posteriors_are_mirrored_by_swapping_the_arms(k_c, more_c, k_t, more_t):
    one = beta_binomial(k_c, k_c + more_c, k_t, k_t + more_t)
    other = beta_binomial(k_t, k_t + more_t, k_c, k_c + more_c)
    assert one.chance_to_win + other.chance_to_win == pytest.approx(1, abs=1e-10)
    for end, mirrored in zip(one.interval, other.interval[::-1], strict=True):
        assert 1 + end == pytest.approx(1 / (1 + mirrored), rel=1e-8)
    gain = one.expected_loss_keep - one.expected_loss_ship
    assert gain == pytest.approx(one.estimate, rel=1e-8, abs=1e-10)


@FEW
@given(st.lists(arms(near_zero=False), min_size=3, max_size=5))
def test_the_chances_to_be_best_sum_to_1(several):
    control, *others = several
    stacked = Moments(*(np.array([getattr(a, k) for a in others]) for k in ("n", "mean", "m2")))
    result = best_lift(control, stacked)
    assume(result.reason is None)
    assert result.probability.sum() == pytest.approx(1, rel=1e-12)
    assert (result.probability >= 0).all()
    assert (result.expected_loss >= 0).all()


p_values = hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1))


@BOUNDED
@given(p_values)
def test_adjusting_raises_p_values_and_keeps_their_order(p):
    by = {m: adjust(p, m) for m in ("bonferroni", "holm", "hochberg", "benjamini-hochberg")}
    for adjusted in by.values():
        assert (adjusted >= p).all()
        assert (adjusted <= 1).all()
        assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    slack = 1e-12
    assert (by["holm"] <= by["bonferroni"] + slack).all()
    assert (by["hochberg"] <= by["holm"] + slack).all()
    assert (by["benjamini-hochberg"] <= by["hochberg"] + slack).all()


@FEW
@given(st.lists(st.integers(0, 3000), min_size=2, max_size=2))
def test_a_sample_ratio_does_not_depend_on_the_order_of_arms(counts):
    assume(sum(counts) > 0)
    one, other = srm(counts, [0.3, 0.7]), srm(counts[::-1], [0.7, 0.3])
    assert one.p_value == pytest.approx(other.p_value, rel=1e-6)
    assert 0 <= one.p_value <= 1


@FEW
@given(values, values)
def test_a_covariate_never_adds_variance_to_the_pooled_outcome(outcome, covariate):
    n = min(outcome.size, covariate.size)
    rows = np.column_stack([outcome[:n], covariate[:n]])
    arm = JointMoments.from_values(rows)
    adjusted = cuped(arm, arm)
    fitted = (2 * n - 1) / max(2 * n - 2, 1)
    assert adjusted.control.m2 <= arm.scatter[0, 0] * fitted * (1 + 1e-9)
    assert adjusted.control.mean == pytest.approx(arm.mean[0], rel=1e-9, abs=1e-9)


@FEW
@given(arms(), arms(), st.integers(2, 6))
def test_equal_segments_show_no_interaction(control, treatment, count):
    def repeated(arm):
        return Moments(*(np.full(count, v) for v in (arm.n, arm.mean, arm.m2)))

    result = by_segment(repeated(control), repeated(treatment))
    assert result.statistic == pytest.approx(0, abs=1e-6)
    assert result.p_value == pytest.approx(1, abs=1e-3)
