import numpy as np
import pytest
import scipy.stats as reference

from stats import Reason, StatsError, sequential_srm


@pytest.mark.parametrize(
    ("counts", "weights"), [([510, 470], [0.5, 0.5]), ([100, 220, 340], [0.2, 0.3, 0.5])]
)
def test_agrees_with_the_ratio_of_two_likelihoods(counts, weights):
    alternative = reference.dirichlet_multinomial(100 * np.array(weights), sum(counts))
    null = reference.multinomial(sum(counts), weights)
    factor = alternative.logpmf(counts) - null.logpmf(counts)
    result = sequential_srm(counts, weights)
    assert result.statistic == pytest.approx(factor, rel=1e-9)
    assert result.p_value == pytest.approx(min(1, np.exp(-factor)), rel=1e-9)


def test_flags_a_real_mismatch_and_only_that():
    assert sequential_srm([50_000, 51_500], [0.5, 0.5]).flagged
    assert not sequential_srm([50_000, 50_300], [0.5, 0.5]).flagged
    assert np.isfinite(sequential_srm([5_000_000, 5_020_000], [0.5, 0.5]).statistic)


def test_zero_weights_and_no_units():
    bad = sequential_srm([10, 10, 1], [0.5, 0.5, 0.0])
    assert (bad.flagged, bad.p_value) == (True, 0.0)
    assert sequential_srm([0, 0], [0.5, 0.5]).reason is Reason.TOO_FEW_UNITS


def test_mistakes_have_a_code():
    with pytest.raises(StatsError) as caught:
        sequential_srm([1, 2], [0.5, 0.5], concentration=0)
    assert caught.value.code == "not_positive"
