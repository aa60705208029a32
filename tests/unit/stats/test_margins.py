import numpy as np
import pytest
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from stats import Moments, Reason, StatsError, equivalence, fieller_lift, non_inferiority

rng = np.random.default_rng(5)
CONTROL, TREATMENT = rng.normal(10, 3, 300), rng.normal(10.2, 3.5, 280)
C, T = Moments.from_values(CONTROL), Moments.from_values(TREATMENT)
COMPARED = CompareMeans(DescrStatsW(TREATMENT), DescrStatsW(CONTROL))


def test_equivalence_agrees_with_statsmodels():
    expected = COMPARED.ttost_ind(-0.9, 0.9, usevar="unequal")[0]
    assert equivalence(C, T, margin=0.9).p_value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("up", [True, False])
def test_non_inferiority_agrees_with_statsmodels(up):
    alternative, edge = ("larger", -0.4) if up else ("smaller", 0.4)
    _, expected, _ = COMPARED.ttest_ind(alternative=alternative, usevar="unequal", value=edge)
    got = non_inferiority(C, T, margin=0.4, increase_is_better=up)
    assert got.p_value == pytest.approx(expected, rel=1e-10)
    assert np.isinf(got.interval.upper if up else got.interval.lower)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("up", [True, False])
def test_a_relative_margin_agrees_with_the_lift_interval_at_its_boundary(sign, up):
    control, treatment = (Moments(m.n, sign * m.mean, m.m2) for m in (C, T))
    ends = fieller_lift(control, treatment, alpha=0.1).interval
    edge = ends.lower if up else ends.upper
    margin = -edge if up else edge
    got = non_inferiority(
        control, treatment, margin=abs(margin), relative_margin=True, increase_is_better=up
    )
    if margin > 0:
        assert got.p_value == pytest.approx(0.05, rel=1e-9)
    assert (got.interval.lower if up else got.interval.upper) == pytest.approx(edge, rel=1e-12)
    assert got.level == pytest.approx(0.95)


def test_relative_equivalence_is_decided_by_its_interval():
    margins = np.linspace(0.01, 0.15, 60)
    got = equivalence(C, T, margin=margins, relative_margin=True)
    inside = (got.interval.lower > -margins) & (got.interval.upper < margins)
    assert inside.any()
    assert not inside.all()
    np.testing.assert_array_equal(inside, got.p_value < 0.05)


def test_reasons_and_mistakes():
    flat = non_inferiority(Moments(9, 5.0, 0.0), Moments(9, 5.0, 0.0), margin=1)
    assert flat.reason is Reason.ZERO_VARIANCE
    assert np.isnan(flat.p_value)
    near = equivalence(Moments(9, 0.1, 8.0), T, margin=0.1, relative_margin=True)
    assert near.reason is Reason.BASELINE_NEAR_ZERO
    with pytest.raises(StatsError, match="margin"):
        non_inferiority(C, T, margin=0)
    with pytest.raises(StatsError, match="alpha"):
        non_inferiority(C, T, margin=1, alpha=0.5)


def test_each_metric_has_its_own_direction():
    control, treatment = (Moments([m.n] * 2, [m.mean] * 2, [m.m2] * 2) for m in (C, T))
    both = non_inferiority(control, treatment, margin=0.4, increase_is_better=[True, False])
    assert both.at(0) == non_inferiority(C, T, margin=0.4)
    assert both.at(1) == non_inferiority(C, T, margin=0.4, increase_is_better=False)
