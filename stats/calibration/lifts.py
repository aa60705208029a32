"""Coverage of lift intervals at true lifts, and of posteriors at lifts drawn from their prior."""

from functools import partial

import numpy as np

from stats.beta_binomial import beta_binomial
from stats.calibration.sources import lognormal, normal_moments
from stats.calibration.table import Hits, Promise, Scenario
from stats.lift import Lift, fieller_lift, lift_record, linear_lift, log_lift
from stats.moments import Moments
from stats.posterior import Posterior, effect_posterior, lift_posterior
from stats.records import Interval, interval
from stats.welch import welch

Rng = np.random.Generator


def _covers(ends: Interval, truth: object) -> Hits:
    return np.asarray((np.asarray(ends.lower) <= truth) & (truth <= np.asarray(ends.upper)))


def scaled_absolute(control: Moments, treatment: Moments) -> Lift:
    """Divide Welch's interval by the control mean as if that were known."""
    lower, upper = (
        np.asarray(e) / np.abs(control.mean) for e in welch(control, treatment).interval
    )
    return lift_record(control, treatment, interval(lower, upper), 0.05, "scaled", None)


_METHODS = {
    "fieller": fieller_lift,
    "linear": linear_lift,
    "log": log_lift,
    "scaled absolute": scaled_absolute,
}


def lift_coverage(rng: Rng, count: int, *, method: str, lift: float) -> Hits:
    control, treatment = lognormal(rng, count, 300), lognormal(rng, count, 300, lift=lift)
    return _covers(_METHODS[method](control, treatment).interval, lift)


def _lift_from_prior(rng: Rng, count: int) -> tuple[Posterior, object]:
    truth = 0.3 * rng.standard_normal(count)
    control = normal_moments(rng, (count,), 400, 10.0)
    treatment = normal_moments(rng, (count,), 400, 10 * (1 + truth))
    return lift_posterior(control, treatment), truth


def lift_posterior_coverage(rng: Rng, count: int) -> Hits:
    posterior, truth = _lift_from_prior(rng, count)
    return _covers(posterior.interval, truth)


def effect_posterior_coverage(rng: Rng, count: int) -> Hits:
    truth = 0.1 * rng.standard_normal(count)
    control, treatment = (normal_moments(rng, (count,), 400, m) for m in (0.0, truth))
    return _covers(effect_posterior(control, treatment, prior_sd=0.1).interval, truth)


def beta_binomial_coverage(rng: Rng, count: int) -> Hits:
    rate_c, rate_t = rng.beta(20, 80, (2, count))
    seen = rng.binomial(500, rate_c), 500, rng.binomial(400, rate_t), 400
    return _covers(beta_binomial(*seen, prior=(20.0, 80.0)).interval, rate_t / rate_c - 1)


def _coverage(method: str, lift: float) -> Scenario:
    promise: Promise = "at least" if method == "fieller" else "shown"
    draw = partial(lift_coverage, method=method, lift=lift)
    setting = f"lognormal σ = 1, n = 300, true {lift:+.0%}"
    return Scenario(f"lift, {method}", setting, "covers", promise, 0.945, draw)


SCENARIOS = (
    *(_coverage(method, lift) for lift in (0.0, 0.2, 1.0) for method in _METHODS),
    Scenario(
        "normal posterior, lift",
        "n = 400, lifts from the prior",
        "covers",
        "equals",
        0.95,
        lift_posterior_coverage,
        20_000,
    ),
    Scenario(
        "normal posterior, difference",
        "n = 400, effects from the prior",
        "covers",
        "equals",
        0.95,
        effect_posterior_coverage,
        20_000,
    ),
    Scenario(
        "beta–binomial",
        "n = 500 and 400, rates from the prior",
        "covers",
        "equals",
        0.95,
        beta_binomial_coverage,
        500,
    ),
)
