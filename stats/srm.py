"""Sample ratio mismatch: whether the arms hold the units that the weights promised."""

from dataclasses import dataclass

import numpy as np
import scipy.special as sc
from numpy.typing import ArrayLike

from stats.errors import Reason, finite, refuse
from stats.records import Array

THRESHOLD = 0.001
_EXACT_BELOW = 1000
_SMALLEST_EXPECTED = 5


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Outcome of one check. `n` counts units; `flagged` means p < 0.001.

    `statistic` is Pearson's χ², with `df` degrees of freedom, whatever gives the p-value. Units
    in an arm of weight 0 are impossible under the plan: statistic infinite, p = 0, flagged.
    """

    statistic: float
    df: int
    p_value: float
    n: int
    method: str
    flagged: bool
    reason: Reason | None = None


def srm(
    counts: ArrayLike, weights: ArrayLike, *, seed: int = 0, simulations: int = 100_000
) -> SampleRatio:
    """Compare `counts` of units per arm with `weights` that sum to 1.

    Two arms below 1,000 units: exact binomial. Otherwise χ², or, where an expected count is
    below 5, its Monte Carlo distribution over `simulations` draws from `seed`. Arms of weight 0
    take no degree of freedom. Raises `not_a_count`, `weights_invalid`, `shapes_differ`.

    >>> result = srm([44_700, 45_489], [0.5, 0.5])
    >>> round(result.p_value, 4), result.method, result.flagged
    (0.0086, 'chi-squared', False)
    >>> round(srm([3, 9], [0.5, 0.5]).p_value, 3)
    0.146
    """
    observed, share = check_allocation(counts, weights)
    total = int(observed.sum())
    used = share > 0
    df = int(used.sum()) - 1
    if observed[~used].any():
        return SampleRatio(np.inf, df, 0.0, total, "unit in a zero-weight arm", flagged=True)
    if total == 0 or df == 0:
        why = Reason.TOO_FEW_UNITS if total == 0 else None
        p = np.nan if total == 0 else 1.0
        return SampleRatio(0.0, df, p, total, "none possible", flagged=False, reason=why)
    observed, share = observed[used], share[used]
    expected = total * share
    statistic = float((np.square(observed - expected) / expected).sum())
    if df == 1 and total < _EXACT_BELOW:
        p, method = _binomial(observed, share), "exact binomial"
    elif expected.min() < _SMALLEST_EXPECTED:
        p = _monte_carlo(statistic, total, share, seed, simulations)
        method = f"monte carlo ({simulations} draws)"
    else:
        p, method = float(sc.chdtrc(df, statistic)), "chi-squared"
    return SampleRatio(statistic, df, p, total, method, flagged=p < THRESHOLD)


def check_allocation(counts: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
    """Return both as float64 vectors, one entry per arm, with the weights' rounding taken out."""
    observed, share = finite("counts", counts), finite("weights", weights)
    if observed.ndim != 1 or observed.shape != share.shape:
        refuse("shapes_differ", "give one count and one weight per arm")
    if (observed < 0).any() or (observed != np.floor(observed)).any():
        refuse("not_a_count", "counts are whole numbers of units, 0 or more")
    if (share < 0).any() or abs(share.sum() - 1) > 1e-6:
        refuse("weights_invalid", "weights are 0 or more and sum to 1")
    return observed, share / share.sum()


def _binomial(observed: Array, share: Array) -> float:
    """Sum the probabilities of every outcome no more likely than the one seen."""
    n = observed.sum()
    k = np.arange(n + 1)
    log_choose = sc.gammaln(n + 1) - sc.gammaln(k + 1) - sc.gammaln(n - k + 1)
    log_mass = log_choose + k * np.log(share[0]) + (n - k) * np.log(share[1])
    # Outcomes as likely as the observed one differ from it only by rounding.
    return min(1.0, float(np.exp(log_mass[log_mass <= log_mass[int(observed[0])] + 1e-9]).sum()))


def _monte_carlo(statistic: float, n: int, share: Array, seed: int, simulations: int) -> float:
    draws = np.random.default_rng(seed).multinomial(n, share, size=simulations)
    expected = n * share
    simulated = (np.square(draws - expected) / expected).sum(axis=1)
    as_extreme = int((simulated >= statistic * (1 - 1e-12)).sum())
    return (1 + as_extreme) / (1 + simulations)
