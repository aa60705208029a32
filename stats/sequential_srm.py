"""A sample ratio check that may be watched every day: the always-valid multinomial test."""

import numpy as np
import scipy.special as sc
from numpy.typing import ArrayLike

from stats.errors import Reason, positive
from stats.records import Array
from stats.srm import THRESHOLD, SampleRatio, check_allocation


def sequential_srm(
    counts: ArrayLike, weights: ArrayLike, *, concentration: float = 100.0
) -> SampleRatio:
    """Test `weights` against a Dirichlet mixture of alternatives, valid at every look.

    After Lindon & Malek (2020): the Bayes factor is B(κw + counts)/B(κw)/Πw^counts with
    κ = `concentration`, a mixture as wide as κ units leave the weights; p = min(1, 1/factor), and
    the smallest so far stays valid.
    `statistic` is the logarithm of the factor. Units in an arm of weight 0 are a failure. Raises
    `not_a_count`, `weights_invalid`, `shapes_differ`, `not_positive`.

    >>> sequential_srm([5_000, 5_400], [0.5, 0.5]).p_value < 0.05
    True
    >>> sequential_srm([5_000, 5_040], [0.5, 0.5]).p_value
    1.0
    """
    observed, share = check_allocation(counts, weights)
    kappa = float(positive("concentration", concentration))
    used = share > 0
    df, total = int(used.sum()) - 1, int(observed.sum())
    method = f"always-valid multinomial (concentration {kappa:g})"
    if observed[~used].any():
        return SampleRatio(np.inf, df, 0.0, total, method, flagged=True)
    if total == 0:
        return SampleRatio(
            0.0, df, np.nan, total, method, flagged=False, reason=Reason.TOO_FEW_UNITS
        )
    factor = float(log_factor(observed[used], share[used], kappa))
    p = float(np.exp(min(0.0, -factor)))
    return SampleRatio(factor, df, p, total, method, flagged=p < THRESHOLD)


def log_factor(counts: Array, share: Array, concentration: float) -> Array:
    """Return the log Bayes factor of counts (..., arms) against the shares."""
    prior, total = concentration * share, counts.sum(axis=-1)
    rising = sc.gammaln(prior + counts) - sc.gammaln(prior) - counts * np.log(share)
    whole = sc.gammaln(concentration) - sc.gammaln(concentration + total)
    return np.asarray(rising.sum(axis=-1) + whole)
