"""Time every method that works from moments on 100 metrics × 4 variants, on one core.

Run from the checkout: .venv/bin/python benchmarks/moments_to_results.py
No method of these starts threads.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.stats as reference

sys.path.insert(0, str(Path(__file__).parents[1]))

import stats

METRICS, ARMS, REPEATS = 100, 3, 15
LIMIT = 0.100


class Inputs:
    """One control and three treatments for every metric: half conversions, half means."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        n_c = np.full((METRICS, 1), 50_000.0)
        n_t = np.full((METRICS, ARMS), 50_000.0)
        rate = rng.uniform(0.02, 0.4, (METRICS, 1))
        self.k_c = rng.binomial(50_000, rate)
        self.k_t = rng.binomial(50_000, rate * rng.normal(1, 0.02, (METRICS, ARMS)))
        self.n_c, self.n_t = n_c, n_t
        binary = (np.arange(METRICS) % 2 == 0)[:, None]
        mean = rng.uniform(5, 50, (METRICS, 1))
        self.control = self.arm(binary, n_c, self.k_c, mean)
        self.treatment = self.arm(
            binary, n_t, self.k_t, mean * rng.normal(1, 0.02, (METRICS, ARMS))
        )
        self.denominator_c = stats.Moments(n_c, np.full_like(n_c, 4.0), n_c * 3)
        self.denominator_t = stats.Moments(n_t, np.full_like(n_t, 4.0), n_t * 3)
        self.joint_c = self.joint(self.control)
        self.joint_t = self.joint(self.treatment)
        self.looks = stats.SpendingPlan().looks([0.2, 0.4, 0.6])

    @staticmethod
    def arm(binary: np.ndarray, n: np.ndarray, k: np.ndarray, mean: np.ndarray) -> stats.Moments:
        counted = stats.Moments.from_successes(k, n)
        return stats.Moments(
            n, np.where(binary, counted.mean, mean), np.where(binary, counted.m2, mean**2 * n)
        )

    @staticmethod
    def joint(arm: stats.Moments) -> stats.JointMoments:
        """Outcome and a covariate of the same mean and spread, correlated at 0.6."""
        mean = np.stack([arm.mean, arm.mean], axis=-1)
        m2 = np.asarray(arm.m2)[..., None, None]
        return stats.JointMoments(arm.n, mean, m2 * np.array([[1.0, 0.6], [0.6, 1.0]]))

    def pair(self, arm: stats.Moments, below: stats.Moments) -> stats.PairMoments:
        cross = 0.5 * np.sqrt(np.asarray(arm.m2) * below.m2)
        return stats.PairMoments(arm.n, arm.mean, below.mean, arm.m2, below.m2, cross)


def methods(i: Inputs) -> dict[str, Callable[[], object]]:
    c, t = i.control, i.treatment

    def ratio() -> object:
        return stats.welch(
            stats.linearise(i.pair(c, i.denominator_c)), stats.linearise(i.pair(t, i.denominator_t))
        )

    def cuped() -> object:
        adjusted = stats.cuped(i.joint_c, i.joint_t)
        return stats.welch(adjusted.control, adjusted.treatment)

    def best() -> object:
        control = stats.Moments(*(np.asarray(v)[:, 0] for v in (c.n, c.mean, c.m2)))
        return stats.best_lift(control, t)

    half = slice(None, None, 2)
    p = stats.welch(c, t).p_value
    return {
        "welch": lambda: stats.welch(c, t),
        "fieller lift": lambda: stats.fieller_lift(c, t),
        "linear lift": lambda: stats.linear_lift(c, t),
        "log lift": lambda: stats.log_lift(c, t),
        "non-inferiority, relative": lambda: stats.non_inferiority(
            c, t, margin=0.02, relative_margin=True
        ),
        "equivalence, relative": lambda: stats.equivalence(c, t, margin=0.02, relative_margin=True),
        "ratios, delta method": ratio,
        "cuped": cuped,
        "holm": lambda: stats.adjust(p),
        "benjamini–hochberg": lambda: stats.adjust(p, "benjamini-hochberg"),
        "segments": lambda: stats.by_segment(c, t),
        "confidence sequence": lambda: stats.confidence_sequence(c, t, planned_n=200_000),
        "lift sequence": lambda: stats.lift_sequence(c, t, planned_n=200_000),
        "group sequential, next look": lambda: stats.repeated_interval(c, t, i.looks.look(0.8)),
        "posterior of the lift": lambda: stats.lift_posterior(c, t, rope=(-0.01, 0.01)),
        "posterior of the difference": lambda: stats.effect_posterior(c, t, prior_sd=1.0),
        "best of the arms": best,
        "beta–binomial, 50 conversions": lambda: stats.beta_binomial(
            i.k_c[half], i.n_c[half], i.k_t[half], i.n_t[half]
        ),
    }


def scipy_one_by_one(i: Inputs) -> None:
    """Welch's test and its interval, one comparison after the other."""
    for metric in range(METRICS):
        for arm in range(ARMS):
            sides = [
                (
                    np.asarray(m.mean)[metric, k],
                    np.sqrt(np.asarray(m.variance)[metric, k]),
                    np.asarray(m.n)[metric, k],
                )
                for m, k in ((i.treatment, arm), (i.control, 0))
            ]
            (mean_t, sd_t, n_t), (mean_c, sd_c, n_c) = sides
            reference.ttest_ind_from_stats(mean_t, sd_t, n_t, mean_c, sd_c, n_c, equal_var=False)
            v_t, v_c = sd_t**2 / n_t, sd_c**2 / n_c
            df = (v_t + v_c) ** 2 / (v_t**2 / (n_t - 1) + v_c**2 / (n_c - 1))
            reference.t.interval(0.95, df, loc=mean_t - mean_c, scale=np.sqrt(v_t + v_c))


def seconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main() -> int:
    inputs = Inputs()
    print(f"{METRICS} metrics × {ARMS + 1} variants, median of {REPEATS} runs, one core\n")
    total = 0.0
    for name, work in methods(inputs).items():
        spent = seconds(work)
        total += spent
        print(f"  {name:<34}{spent * 1e3:9.2f} ms")
    print(f"  {'all of them':<34}{total * 1e3:9.2f} ms   (limit {LIMIT * 1e3:.0f} ms)\n")
    theirs = seconds(lambda: scipy_one_by_one(inputs))
    print(f"  {'scipy, welch metric by metric':<34}{theirs * 1e3:9.2f} ms")
    return 0 if total <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
