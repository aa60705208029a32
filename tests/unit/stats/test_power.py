import numpy as np
import pytest
import scipy.stats as reference
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import power_proportions_2indep

from stats import (
    AlwaysValid,
    FixedHorizon,
    GroupSequential,
    Moments,
    SpendingPlan,
    StatsError,
    classical_bounds,
    confidence_sequence,
    plan_means,
    plan_proportions,
)
from stats.group_sequential import Looks


@pytest.mark.parametrize(
    ("formula", "n"),
    [("arcsine", 14_745), ("unpooled", 14_749), ("pooled", 14_751), ("continuity", 14_951)],
)
def test_known_sizes_from_10_to_11_percent(formula, n):
    plan = plan_proportions(baseline=0.1, effect=0.01, power=0.8, formula=formula)
    assert (plan.n_control, plan.n_treatment) == (n, n)
    assert formula in plan.formula


def test_means_agree_with_statsmodels():
    ours = plan_means(variance=9.0, effect=0.2, n=10_000)
    theirs = NormalIndPower().power(0.2 / 3, 5000, 0.05, alternative="larger")
    two_sided = NormalIndPower().power(0.2 / 3, 5000, 0.025, alternative="larger")
    assert ours.power == pytest.approx(two_sided, rel=1e-12)
    one = plan_means(variance=9.0, effect=0.2, n=10_000, test=FixedHorizon(sides=1))
    assert one.power == pytest.approx(theirs, rel=1e-12)


def test_unequal_shares_agree_with_statsmodels():
    ours = plan_means(variance=9.0, effect=0.2, power=0.9, share=0.2)
    n_c = NormalIndPower().solve_power(0.2 / 3, power=0.9, alpha=0.05, ratio=0.25)
    assert ours.n_control == np.ceil(n_c)
    assert ours.n_treatment == np.ceil(n_c / 4)


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_pooled_proportions_agree_with_statsmodels(share):
    ours = plan_proportions(baseline=0.1, effect=0.01, n=45_000, share=share, formula="pooled")
    theirs = power_proportions_2indep(
        0.01, 0.1, 45_000 * share, ratio=(1 - share) / share, return_results=True
    )
    # statsmodels adds the far tail, which is below 1e-6 here.
    assert ours.power == pytest.approx(theirs.power, abs=1e-6)


@pytest.mark.parametrize("formula", ["unpooled", "pooled", "arcsine", "continuity"])
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_each_unknown_gives_the_others_back(formula, share):
    options = {"baseline": [0.02, 0.4], "share": share, "formula": formula}
    power = plan_proportions(effect=0.01, n=40_000, **options).power
    effect = plan_proportions(power=power, n=40_000, **options).effect
    np.testing.assert_allclose(effect, 0.01, rtol=1e-9)
    n = plan_proportions(effect=0.01, power=power, **options)
    np.testing.assert_allclose(n.n_control + n.n_treatment, 40_000, atol=2)


@pytest.mark.parametrize(
    "test",
    [None, FixedHorizon(0.01, 1), AlwaysValid(), GroupSequential(SpendingPlan().looks([0.5, 1]))],
)
def test_each_unknown_of_means_gives_the_others_back(test):
    options = {"variance": 4.0, "variance_treatment": 5.0, "share": 0.3, "test": test}
    power = plan_means(effect=0.1, n=20_000, **options).power
    assert plan_means(power=power, n=20_000, **options).effect == pytest.approx(0.1, rel=1e-9)
    n = plan_means(effect=0.1, power=power, **options)
    assert n.n_control + n.n_treatment == pytest.approx(20_000, abs=2)


def test_cuped_and_a_margin_change_what_must_be_seen():
    plain = plan_means(variance=100.0, effect=1.0, power=0.8)
    assert plan_means(variance=100.0, effect=1.0, power=0.8, variance_reduction=0.5).n_control == (
        np.ceil(plain.n_control / 2)
    )
    guard = plan_means(
        variance=100.0, effect=0.0, margin=1.0, power=0.8, test=FixedHorizon(sides=1)
    )
    z = reference.norm.ppf([0.95, 0.8]).sum()
    assert guard.n_control == np.ceil(2 * 100 * z**2)


@pytest.mark.parametrize(
    ("shape", "power", "factor"),
    [
        ("pocock", 0.8, 1.229),
        ("pocock", 0.9, 1.207),
        ("obrien-fleming", 0.8, 1.028),
        ("obrien-fleming", 0.9, 1.026),
    ],
)
def test_published_inflation_of_group_sequential_plans(shape, power, factor):
    # Jennison & Turnbull (2000), tables 2.2 and 2.4: two-sided 0.05, K = 5.
    looks = Looks(SpendingPlan(), (0.2, 0.4, 0.6, 0.8, 1.0), classical_bounds(5, shape))
    needed = GroupSequential(looks).drift(np.asarray(power))
    fixed = FixedHorizon().drift(np.asarray(power))
    assert (needed / fixed) ** 2 == pytest.approx(factor, abs=6e-4)


def test_always_valid_size_reaches_its_power_at_the_end():
    plan = plan_means(variance=1.0, effect=0.1, power=0.8, test=AlwaysValid())
    n = plan.n_control
    rng = np.random.default_rng(4)
    mean_c, mean_t = rng.normal(0, 1 / np.sqrt(n), 20_000), rng.normal(0.1, 1 / np.sqrt(n), 20_000)
    look = confidence_sequence(
        Moments(n, mean_c, n - 1), Moments(n, mean_t, n - 1), planned_n=2 * n
    )
    share = (look.interval.lower > 0).mean()
    assert abs(share - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 20_000)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: plan_means(variance=1.0, effect=1.0), "leave_one_out"),
        (lambda: plan_means(variance=1.0, effect=1.0, n=2, power=0.8), "leave_one_out"),
        (lambda: plan_means(variance=0.0, effect=1.0, power=0.8), "not_positive"),
        (lambda: plan_means(variance=1.0, effect=0.0, power=0.8), "no_effect"),
        (lambda: plan_means(variance=1.0, effect=1.0, power=1.0), "not_a_probability"),
        (lambda: plan_means(variance=1.0, effect=1.0, n=9, share=1.0), "not_a_probability"),
        (
            lambda: plan_means(variance=1.0, effect=1.0, n=9, variance_reduction=1.0),
            "not_a_probability",
        ),
        (lambda: plan_proportions(baseline=0.1, effect=0.0, power=0.8), "no_effect"),
        (lambda: plan_proportions(baseline=0.1, effect=0.95, power=0.8), "not_a_probability"),
        (lambda: plan_proportions(baseline=0.9, n=10, power=0.99), "out_of_reach"),
        (
            lambda: plan_proportions(baseline=0.1, effect=0.1, power=0.8, formula="wald"),
            "unknown_formula",
        ),
        (
            lambda: plan_proportions(
                baseline=0.1, effect=0.1, power=0.8, formula="pooled", test=AlwaysValid()
            ),
            "unknown_formula",
        ),
    ],
)
def test_mistakes_have_a_code(call, code):
    with pytest.raises(StatsError) as caught:
        call()
    assert caught.value.code == code
