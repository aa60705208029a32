import mpmath
import numpy as np
import pytest

from stats import Reason, StatsError, beta_binomial, beta_binomial_highest_density
from stats.beta_binomial import beta_shapes
from stats.rate_ratio import ratio_quantile, ratio_tail

SMALL = [(3, 10, 6, 12), (50, 50, 40, 50), (40, 50, 50, 50), (1, 200, 4, 190), (30, 60, 2, 4)]


def exact(k_c, n_c, k_t, n_t, ratio=1):
    """P(T > ratio·C) and E[max(0, 1 − T/C)] under flat priors, by adaptive quadrature."""
    a_c, b_c, a_t, b_t = (mpmath.mpf(v) for v in (k_c + 1, n_c - k_c + 1, k_t + 1, n_t - k_t + 1))
    breaks = sorted({mpmath.mpf(0), k_c / mpmath.mpf(n_c), min(1, 1 / mpmath.mpf(ratio)), 1})

    def density(x):
        return x ** (a_c - 1) * (1 - x) ** (b_c - 1) / mpmath.beta(a_c, b_c)

    def below(a, x):
        return mpmath.betainc(a, b_t, 0, min(x, 1), regularized=True)

    win = mpmath.quad(lambda x: density(x) * (1 - below(a_t, ratio * x)), breaks)
    loss = mpmath.quad(
        lambda x: density(x) * (below(a_t, x) - a_t / (a_t + b_t) / x * below(a_t + 1, x)), breaks
    )
    return float(win), float(loss)


@pytest.mark.parametrize("counts", SMALL)
def test_agrees_with_quadrature_in_many_digits(counts):
    with mpmath.workdps(25):
        win, loss = exact(*counts)
    result = beta_binomial(*counts)
    assert result.chance_to_win == pytest.approx(win, rel=1e-9)
    assert result.expected_loss_ship == pytest.approx(loss, rel=1e-9, abs=1e-13)
    gain = result.expected_loss_keep - result.expected_loss_ship
    assert gain == pytest.approx(result.estimate, rel=1e-9)


@pytest.mark.parametrize("counts", SMALL)
def test_interval_ends_are_quantiles(counts):
    result = beta_binomial(*counts, level=0.9)
    with mpmath.workdps(25):
        for end, beyond in zip(result.interval, (0.95, 0.05), strict=True):
            assert exact(*counts, ratio=1 + end)[0] == pytest.approx(beyond, rel=1e-9)


def test_ten_million_units():
    # Beta posteriors of 1,000,000 and 1,001,500 successes in 1e7, flat prior: 0.868144158619.
    result = beta_binomial(1_000_000, 10_000_000, 1_001_500, 10_000_000)
    assert result.chance_to_win == pytest.approx(0.868144158619, abs=1e-12)
    loss = result.expected_loss_keep - result.expected_loss_ship
    assert loss == pytest.approx(result.estimate, rel=1e-9)
    assert result.standard_deviation == pytest.approx(0.001343, abs=1e-6)


def test_several_metrics_at_once_agree_with_each_alone():
    counts = np.array(SMALL).T
    together = beta_binomial(*counts)
    for i, one in enumerate(SMALL):
        alone = beta_binomial(*one)
        assert together.at(i).chance_to_win == pytest.approx(alone.chance_to_win, rel=1e-11)
        assert together.at(i).interval == pytest.approx(alone.interval, rel=1e-9)


def test_a_control_without_a_success_has_no_mean_lift():
    result = beta_binomial(0, 10, 3, 12)
    assert result.reason is Reason.BASELINE_NEAR_ZERO
    assert np.isnan([result.estimate, result.expected_loss_ship, result.expected_loss_keep]).all()
    assert 0.9 < result.chance_to_win < 1
    assert np.isfinite(result.interval).all()


def test_direction():
    up = beta_binomial(30, 100, 40, 100)
    down = beta_binomial(30, 100, 40, 100, increase_is_better=False)
    assert down.chance_to_win == pytest.approx(1 - up.chance_to_win, rel=1e-12)
    assert down.expected_loss_ship == up.expected_loss_keep


@pytest.mark.parametrize(
    ("counts", "options", "code"),
    [
        ((3, 2, 1, 2), {}, "more_successes_than_units"),
        ((-1, 2, 1, 2), {}, "negative_count"),
        ((1, 2, 1, 2), {"prior": (0.0, 1.0)}, "prior_too_weak"),
        ((1, 2, 1, 2), {"level": 0.0}, "not_a_probability"),
    ],
)
def test_mistakes_have_a_code(counts, options, code):
    with pytest.raises(StatsError) as caught:
        beta_binomial(*counts, **options)
    assert caught.value.code == code


@pytest.mark.parametrize("counts", [(3, 10, 6, 12), (40, 50, 50, 50), (10_000, 1e5, 10_100, 1e5)])
def test_the_highest_density_interval_is_the_shortest(counts):
    ends = beta_binomial_highest_density(*counts, level=0.9)
    shapes = [np.atleast_1d(v) for v in beta_shapes(*counts, (1.0, 1.0))]

    def below(lift):
        return ratio_tail(*shapes, np.atleast_1d(1 + lift), np.array([True]))[0]

    assert below(ends.upper) - below(ends.lower) == pytest.approx(0.9, rel=1e-9)
    width = ends.upper - ends.lower
    for q in below(ends.lower) + np.array([-0.004, 0.004]):
        lower, upper = (ratio_quantile(*shapes, np.asarray(p))[0] for p in (q, q + 0.9))
        assert upper - lower > width
    tails = beta_binomial(*counts, level=0.9).interval
    assert width < tails.upper - tails.lower


def test_a_density_that_only_falls_starts_at_minus_1():
    ends = beta_binomial_highest_density(3, 10, 0, 12)
    assert ends.lower == pytest.approx(-1, abs=1e-10)


def test_the_region_of_practical_equivalence():
    counts = (30, 60, 33, 62)
    got = beta_binomial(*counts, rope=(-0.1, 0.2))
    with mpmath.workdps(25):
        low, high = (exact(*counts, ratio=r)[0] for r in (0.9, 1.2))
    assert got.in_rope == pytest.approx(low - high, rel=1e-9)
    assert got.rope == (-0.1, 0.2)


@pytest.mark.parametrize("size", [3, 30, 1000, 1e6, 1e8])
def test_quantiles_lie_where_the_tails_say_at_every_size_and_shape(size):
    rng = np.random.default_rng(1)
    shapes = [1.0 + rng.integers(0, size, 100) for _ in range(4)]
    for q in (0.001, 0.025, 0.5, 0.975):
        lower = np.full(100, q < 0.5)
        at = ratio_quantile(*shapes, np.asarray(q))
        # Each alone: how finely the sum is taken must not depend on its neighbours.
        tails = [ratio_tail(*(v[[i]] for v in (*shapes, at, lower)))[0] for i in range(100)]
        np.testing.assert_allclose(tails, q if q < 0.5 else 1 - q, rtol=1e-9)
