import numpy as np
import pytest

from stats import JointMoments, Moments, Reason, StatsError, cuped, impute_missing, welch

rng = np.random.default_rng(17)


def arm(n, shift=0.0):
    before = rng.gamma(2, 3, (n, 2))
    outcome = 2 + before @ [0.8, -0.3] + rng.normal(shift, 2, n)
    return outcome, before


Y_C, X_C = arm(400)
Y_T, X_T = arm(350, 0.5)


def joint(*columns):
    return JointMoments.from_values(np.column_stack(columns))


def test_agrees_with_adjusting_every_unit():
    x, y = np.concatenate([X_C, X_T]), np.concatenate([Y_C, Y_T])
    theta = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(), rcond=None)[0]
    by_unit = y - (x - x.mean(axis=0)) @ theta
    expected = welch(Moments.from_values(by_unit[:400]), Moments.from_values(by_unit[400:]))
    adjusted = cuped(joint(Y_C, X_C), joint(Y_T, X_T))
    got = welch(adjusted.control, adjusted.treatment)
    np.testing.assert_allclose(adjusted.theta, theta, rtol=1e-10)
    # Two fitted coefficients out of 749 degrees of freedom.
    error = expected.standard_error * np.sqrt(749 / 747)
    assert got.estimate == pytest.approx(expected.estimate, rel=1e-10)
    assert got.standard_error == pytest.approx(error, rel=1e-10)
    assert got.df == pytest.approx(expected.df, rel=1e-10)
    raw = welch(Moments.from_values(Y_C), Moments.from_values(Y_T))
    saved = 1 - (got.standard_error / raw.standard_error) ** 2
    assert adjusted.variance_reduction == pytest.approx(saved, rel=1e-10)


def test_one_covariate_is_covariance_over_variance():
    theta = cuped(joint(Y_C, X_C[:, 0]), joint(Y_T, X_T[:, 0])).theta
    covariance = np.cov(np.concatenate([X_C, X_T])[:, 0], np.concatenate([Y_C, Y_T]))
    assert theta[0] == pytest.approx(covariance[0, 1] / covariance[0, 0], rel=1e-12)


def test_a_ratio_agrees_with_adjusting_its_linearised_units():
    arms = []
    for y, x in ((Y_C, X_C), (Y_T, X_T)):
        size = rng.poisson(3, y.size) + 1.0
        arms.append((y * size, size, x))
    linear = [n.mean() / d.mean() + (n - n.mean() / d.mean() * d) / d.mean() for n, d, _ in arms]
    whole = cuped(joint(linear[0], X_C), joint(linear[1], X_T))
    got = cuped(joint(*arms[0]), joint(*arms[1]), ratio=True)
    for side in ("control", "treatment"):
        ours, expected = getattr(got, side), getattr(whole, side)
        assert ours.mean == pytest.approx(expected.mean, rel=1e-12)
        assert ours.variance == pytest.approx(expected.variance, rel=1e-10)


def test_the_imputed_value_does_not_matter_beside_its_indicator():
    gone = rng.random(X_C.shape) < 0.3
    holes = np.where(gone, np.nan, X_C)
    filled_c, filled_t = impute_missing(holes, X_T)
    assert filled_c.shape[1] == filled_t.shape[1] == 4
    pooled = np.nanmean(np.concatenate([holes, X_T]), axis=0)
    np.testing.assert_allclose(filled_c[gone[:, 0], 0], pooled[0])
    first = cuped(joint(Y_C, filled_c), joint(Y_T, filled_t))
    zeros = np.column_stack([np.where(gone, 0.0, X_C), gone])
    second = cuped(joint(Y_C, zeros), joint(Y_T, filled_t))
    assert first.control.mean == pytest.approx(second.control.mean, rel=1e-10)
    assert first.control.variance == pytest.approx(second.control.variance, rel=1e-10)


def test_useless_covariates_do_no_harm():
    ones = np.ones(400), np.ones(350)
    alone = cuped(joint(Y_C, X_C), joint(Y_T, X_T))
    padded = cuped(joint(Y_C, X_C, ones[0], X_C[:, 0]), joint(Y_T, X_T, ones[1], X_T[:, 0]))
    assert padded.control.mean == pytest.approx(alone.control.mean, rel=1e-9)
    assert padded.variance_reduction == pytest.approx(alone.variance_reduction, rel=1e-9)
    constant = cuped(joint(Y_C, ones[0]), joint(Y_T, ones[1]))
    assert constant.theta[0] == 0
    assert constant.variance_reduction == 0


def test_arms_merge_and_metrics_broadcast():
    rows = np.column_stack([Y_C, X_C])
    merged = JointMoments.from_values(rows[:90]) + JointMoments.from_values(rows[90:])
    whole = JointMoments.from_values(rows)
    np.testing.assert_allclose(merged.scatter, whole.scatter, rtol=1e-12)
    empty = JointMoments.from_values(np.empty((0, 3)))
    np.testing.assert_allclose((empty + whole).scatter, whole.scatter)
    both = [joint(Y_C, X_C), joint(Y_C + X_C[:, 0], X_C)]
    stacked = JointMoments(
        *(np.stack([getattr(b, k) for b in both]) for k in ("n", "mean", "scatter"))
    )
    result = cuped(stacked, stacked)
    assert result.theta.shape == (2, 2)
    np.testing.assert_allclose(result.theta[1] - result.theta[0], [1, 0], atol=1e-10)


def test_a_ratio_over_zero_says_why():
    none = joint(Y_C, np.zeros(400), X_C)
    some = joint(Y_T, np.ones(350), X_T)
    adjusted = cuped(none, some, ratio=True)
    assert adjusted.control.reason is Reason.ZERO_DENOMINATOR
    assert welch(adjusted.control, adjusted.treatment).reason is Reason.ZERO_DENOMINATOR


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: cuped(joint(Y_C), joint(Y_T)), "no_covariates"),
        (lambda: cuped(joint(Y_C, X_C), joint(Y_T, X_T[:, 0])), "shapes_differ"),
        (lambda: JointMoments.from_values([[1.0, np.nan]]), "non_finite"),
        (lambda: JointMoments(-1.0, [0.0], [[0.0]]), "negative_count"),
        (lambda: JointMoments(1.0, [0.0], [0.0]), "shapes_differ"),
        (lambda: impute_missing([[np.nan]], [[np.nan]]), "no_covariates"),
        (lambda: impute_missing([[np.inf]], [[1.0]]), "non_finite"),
    ],
)
def test_mistakes_have_a_code(call, code):
    with pytest.raises(StatsError) as caught:
        call()
    assert caught.value.code == code
