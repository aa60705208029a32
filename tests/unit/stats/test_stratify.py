import numpy as np
import pytest

from stats import Moments, Reason, StatsError, post_stratify, welch

rng = np.random.default_rng(23)
STRATUM_C, STRATUM_T = rng.integers(0, 3, 500), rng.integers(0, 3, 480)
Y_C, Y_T = (rng.normal(5.0 * s, 1) for s in (STRATUM_C, STRATUM_T))


def by_stratum(values, stratum):
    parts = [Moments.from_values(values[stratum == s]) for s in range(3)]
    return Moments(*(np.array([getattr(p, k) for p in parts]) for k in ("n", "mean", "m2")))


def test_agrees_with_weighing_strata_by_hand():
    result = post_stratify(by_stratum(Y_C, STRATUM_C), by_stratum(Y_T, STRATUM_T))
    weights = np.bincount(np.concatenate([STRATUM_C, STRATUM_T])) / 980
    np.testing.assert_allclose(result.weights, weights, rtol=1e-12)
    for arm, y, s in ((result.control, Y_C, STRATUM_C), (result.treatment, Y_T, STRATUM_T)):
        groups = [y[s == k] for k in range(3)]
        assert arm.mean == pytest.approx(
            sum(w * g.mean() for w, g in zip(weights, groups, strict=True))
        )
        squared = sum(w**2 * g.var(ddof=1) / g.size for w, g in zip(weights, groups, strict=True))
        assert arm.squared_error == pytest.approx(squared, rel=1e-10)
    raw = welch(Moments.from_values(Y_C), Moments.from_values(Y_T)).standard_error
    now = welch(result.control, result.treatment).standard_error
    assert result.variance_reduction == pytest.approx(1 - (now / raw) ** 2, rel=1e-9)


def test_a_stratum_too_small_in_one_arm_leaves_no_variance():
    thin = post_stratify(Moments([9, 1], [1.0, 2.0], [8.0, 0.0]), Moments([9, 9], 1.0, 8.0))
    assert thin.control.reason is Reason.TOO_FEW_UNITS
    assert thin.treatment.reason is None
    assert welch(thin.control, thin.treatment).reason is Reason.TOO_FEW_UNITS


def test_a_stratum_empty_in_both_arms_has_no_weight():
    one = Moments([9, 0], [1.0, np.nan], [8.0, 0.0])
    result = post_stratify(one, one)
    assert result.weights.tolist() == [1, 0]
    assert result.control.mean == 1


def test_strata_need_an_axis():
    with pytest.raises(StatsError, match="strata"):
        post_stratify(Moments(9, 1.0, 8.0), Moments(9, 1.0, 8.0))
