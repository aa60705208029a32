import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.oneway import anova_oneway

from stats import Moments, Reason, StatsError, adjust, by_segment, interaction, welch

CONTROL = Moments([400, 300, 900], [10.0, 11.0, 9.0], [1600.0, 900.0, 3000.0])
TREATMENT = Moments([380, 310, 880], [10.1, 11.6, 9.1], [1500.0, 990.0, 3100.0])


def test_agrees_with_statsmodels():
    got = by_segment(CONTROL, TREATMENT)
    effects = welch(CONTROL, TREATMENT)
    theirs = combine_effects(effects.estimate, effects.standard_error**2)
    assert got.pooled == pytest.approx(theirs.mean_effect_fe, rel=1e-12)
    # Arms of hundreds: F on these df is χ² but for a thousandth.
    assert got.statistic == pytest.approx(theirs.q / 2, rel=2e-3)
    assert got.p_value == pytest.approx(theirs.test_homogeneity().pvalue, rel=0.02)
    np.testing.assert_allclose(got.adjusted, adjust(effects.p_value, "benjamini-hochberg"))
    assert got.family_size == 3


def test_beside_constant_controls_it_is_welchs_analysis_of_variance():
    rng = np.random.default_rng(6)
    groups = [rng.normal(m, s, n) for m, s, n in ((0, 1, 8), (0.5, 2, 15), (0.2, 3, 30), (1, 1, 9))]
    parts = [Moments.from_values(g) for g in groups]
    treatment = Moments(*(np.array([getattr(p, k) for p in parts]) for k in ("n", "mean", "m2")))
    got = by_segment(Moments(np.full(4, 50), 0.0, 0.0), treatment)
    theirs = anova_oneway(groups, use_var="unequal", welch_correction=True)
    assert got.statistic == pytest.approx(theirs.statistic, rel=1e-10)
    assert got.df_error == pytest.approx(theirs.df_denom, rel=1e-10)
    assert got.p_value == pytest.approx(theirs.pvalue, rel=1e-10)


def test_two_segments_are_an_interaction():
    two = [Moments(*(np.asarray(v)[:2] for v in (m.n, m.mean, m.m2))) for m in (CONTROL, TREATMENT)]
    got = by_segment(*two)
    cells = two[0].at(0), two[1].at(0), two[0].at(1), two[1].at(1)
    expected = interaction(*cells)
    t = expected.estimate / expected.standard_error
    assert got.statistic == pytest.approx(t**2, rel=1e-10)
    assert got.df_error == pytest.approx(expected.df, rel=1e-10)
    assert got.p_value == pytest.approx(expected.p_value, rel=1e-10)


def test_a_segment_without_a_test_stands_outside():
    control = Moments([400, 1, 900], [10.0, 11.0, 9.0], [1600.0, 0.0, 3000.0])
    got = by_segment(control, TREATMENT)
    two = by_segment(
        *(
            Moments(*(np.delete(np.broadcast_to(v, 3), 1) for v in (m.n, m.mean, m.m2)))
            for m in (CONTROL, TREATMENT)
        )
    )
    assert got.statistic == pytest.approx(two.statistic, rel=1e-12)
    assert (got.df, got.family_size) == (1, 2)
    assert got.effects.at(1).reason is Reason.TOO_FEW_UNITS


def test_one_segment_has_nothing_to_interact_with():
    got = by_segment(Moments([9], [1.0], [8.0]), Moments([9], [2.0], [8.0]))
    assert got.reason is Reason.TOO_FEW_UNITS
    assert np.isnan(got.p_value)


def test_interaction_of_two_experiments_agrees_with_regression():
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 2, (2, 4000))
    y = 1 + 0.3 * a + 0.2 * b + 0.4 * a * b + rng.normal(0, 1 + a, 4000)
    cells = [
        Moments.from_values(y[(a == i) & (b == j)]) for i, j in ((0, 0), (1, 0), (0, 1), (1, 1))
    ]
    got = interaction(*cells)
    design = np.column_stack([np.ones(4000), a, b, a * b])
    # HC2 is the unpooled variance of a saturated design.
    fit = sm.OLS(y, design).fit(cov_type="HC2")
    assert got.estimate == pytest.approx(fit.params[3], rel=1e-9)
    assert got.standard_error == pytest.approx(fit.bse[3], rel=1e-9)


def test_interaction_with_two_constant_cells_is_a_welch_test():
    first, both = Moments(90, 1.0, 80.0), Moments(80, 1.5, 99.0)
    nothing = Moments(70, 0.0, 0.0)
    got, expected = interaction(nothing, first, nothing, both), welch(first, both)
    assert got.df == pytest.approx(expected.df, rel=1e-12)
    assert got.interval == pytest.approx(expected.interval, rel=1e-12)
    assert got.p_value == pytest.approx(expected.p_value, rel=1e-12)


def test_interaction_reasons():
    arm, nothing = Moments(9, 1.0, 8.0), Moments(9, 1.0, 0.0)
    assert interaction(arm, arm, Moments(1, 1.0, 0.0), arm).reason is Reason.TOO_FEW_UNITS
    assert interaction(nothing, nothing, nothing, nothing).reason is Reason.ZERO_VARIANCE


def test_segments_need_an_axis():
    with pytest.raises(StatsError, match="segments"):
        by_segment(Moments(9, 1.0, 8.0), Moments(9, 1.0, 8.0))
