import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from stats import StatsError, adjust, family_size

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
