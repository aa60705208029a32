import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from stats import Moments, StatsError, adjust, family_size, interval_alpha, welch

P = np.random.default_rng(0).beta(0.4, 2, 23)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("bonferroni", "bonferroni"),
        ("holm", "holm"),
        ("hochberg", "simes-hochberg"),
        ("benjamini-hochberg", "fdr_bh"),
        ("benjamini-yekutieli", "fdr_by"),
    ],
)
def test_agrees_with_statsmodels(ours, theirs):
    np.testing.assert_allclose(adjust(P, ours), multipletests(P, method=theirs)[1], rtol=1e-12)


def test_a_missing_p_value_is_outside_the_family():
    with_gap = np.append(P, np.nan)
    adjusted = adjust(with_gap, "holm")
    assert np.isnan(adjusted[-1])
    np.testing.assert_array_equal(adjusted[:-1], adjust(P, "holm"))
    assert family_size(with_gap) == P.size


def test_shape_is_kept_and_the_family_may_be_empty():
    assert adjust(P[:20].reshape(4, 5)).shape == (4, 5)
    assert adjust([]).size == 0
    assert np.isnan(adjust([np.nan])).all()


@pytest.mark.parametrize(
    ("p", "method", "code"),
    [([0.1, 1.2], "holm", "not_a_p_value"), ([0.1], "fisher", "unknown_method")],
)
def test_mistakes_have_a_code(p, method, code):
    with pytest.raises(StatsError) as caught:
        adjust(p, method)
    assert caught.value.code == code


def test_interval_levels():
    p = [0.0001, 0.004, 0.03, 0.5, np.nan]
    assert interval_alpha(p, "bonferroni").alpha == 0.05 / 4
    chosen = interval_alpha(p, "benjamini-hochberg")
    assert chosen.selected.tolist() == [True, True, True, False, False]
    assert chosen.alpha == pytest.approx(3 * 0.05 / 4)
    harmonic = 1 + 1 / 2 + 1 / 3 + 1 / 4
    assert interval_alpha(p, "benjamini-yekutieli").alpha == pytest.approx(
        2 * 0.05 / (4 * harmonic)
    )
    assert interval_alpha(p, "none").alpha == 0.05


@pytest.mark.parametrize("method", ["holm", "hochberg"])
def test_step_methods_have_no_intervals(method):
    with pytest.raises(StatsError) as caught:
        interval_alpha([0.01, 0.2], method)
    assert caught.value.code == "no_adjusted_interval"


def test_bonferroni_intervals_agree_with_bonferroni_p_values():
    control, treatment = Moments(100, 0.0, 99.0), Moments(100, np.linspace(-0.6, 0.6, 41), 99.0)
    raw = welch(control, treatment)
    level = interval_alpha(raw.p_value, "bonferroni")
    ends = welch(control, treatment, alpha=level.alpha).interval
    excluded = (ends.lower > 0) | (ends.upper < 0)
    np.testing.assert_array_equal(excluded, adjust(raw.p_value, "bonferroni") < 0.05)
