"""Every method's promise, simulated at a size a test can afford.

The bounds are the 99.9 % Wilson interval of the simulated rate: what binomial error allows, no
more. The seed is fixed, so a failure is a change of the method and not bad luck.
"""

import math
import zlib

import numpy as np
import pytest
import scipy.stats as reference
from statsmodels.stats.proportion import proportion_confint

from stats import StatsError
from stats.calibration import SCENARIOS, Scenario, calibrate
from stats.calibration.table import wilson

SEED = 12
# Rows drawn one simulation at a time cost the most; they get fewer.
SLOW = ("bootstrap", "clustered", "cluster-robust", "monte carlo", "beta–binomial", "winsorised")


def simulations(scenario):
    return 400 if any(word in scenario.method for word in SLOW) else 2000


@pytest.mark.parametrize(
    "scenario",
    [s for s in SCENARIOS if s.promise != "shown"],
    ids=lambda s: f"{s.method}, {s.setting}",
)
def test_promises_hold(scenario):
    (line,) = calibrate(simulations(scenario), seed=SEED, scenarios=[scenario])
    assert line.holds, f"{line.rate} in [{line.lower}, {line.upper}] against {line.target}"
    if line.ks_p_value is not None and "conversions" not in line.setting:
        assert line.ks_p_value > 0.0005


def found(method, n=2000, **like):
    (scenario,) = [
        s
        for s in SCENARIOS
        if s.method == method and all(v in getattr(s, k) for k, v in like.items())
    ]
    (line,) = calibrate(n, seed=SEED, scenarios=[scenario])
    return line


@pytest.mark.parametrize(
    "method", ["ratio, rows as units", "winsorised, caps per arm", "unadjusted"]
)
def test_what_must_not_be_done_is_seen_to_fail(method):
    line = found(method)
    assert wilson(round(line.rate * line.simulations), line.simulations, 3.29)[0] > 0.05
    assert line.holds is None


@pytest.mark.parametrize(("looks", "known"), [(5, 0.142), (20, 0.248), (100, 0.374)])
def test_peeking_errs_as_often_as_armitage_found(looks, known):
    # Armitage, McPherson & Rowe (1969), table 2.
    line = found("peeking at 1.96", setting=f"{looks} looks")
    assert abs(line.rate - known) < 3.29 * math.sqrt(known * (1 - known) / line.simulations)


def test_dividing_by_the_control_mean_as_if_known_loses_coverage():
    line = found("lift, scaled absolute", setting="+100%")
    assert line.upper < 0.945


def test_the_wilson_interval_agrees_with_statsmodels():
    assert wilson(37, 900) == pytest.approx(proportion_confint(37, 900, method="wilson"), rel=1e-12)


def test_the_distance_from_uniform_agrees_with_scipy():
    def draw(rng, count):
        return rng.beta(1.1, 1, count)

    (line,) = calibrate(500, seed=3, scenarios=[Scenario("a", "b", "c", "shown", 0.05, draw)])
    p = np.random.default_rng([3, zlib.crc32(b"a, b")]).beta(1.1, 1, 500)
    theirs = reference.kstest(p, "uniform", method="asymp")
    assert line.ks == pytest.approx(theirs.statistic, rel=1e-12)
    assert line.ks_p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def test_progress_and_seed():
    two = SCENARIOS[1:3]
    seen = []
    first = calibrate(50, seed=4, scenarios=two, progress=lambda *step: seen.append(step))
    assert seen == [(50, 100, two[0].method), (100, 100, two[1].method)]
    assert first == calibrate(50, seed=4, scenarios=two)
    assert first[1:] == calibrate(50, seed=4, scenarios=two[1:])
    assert first != calibrate(50, seed=5, scenarios=two)


def test_a_broken_method_is_found_out():
    def draw(rng, count):
        return rng.random(count) < 0.09

    broken = [Scenario("a", "b", "rejects", p, 0.05, draw) for p in ("equals", "at most")]
    assert [line.holds for line in calibrate(2000, seed=1, scenarios=broken)] == [False, False]


def test_no_simulations_are_refused():
    with pytest.raises(StatsError, match="simulations"):
        calibrate(0)
