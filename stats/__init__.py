"""Statistics of experiments: from counts, means and centred sums to decisions.

The package knows nothing of experiments, HTTP or SQL. Functions take moments or arrays, broadcast
over NumPy arrays and return frozen records; what the data cannot give is NaN beside a typed
`Reason`, and a caller's mistake raises `StatsError` with a code. Randomness is always an argument.
"""

from stats.beta_binomial import beta_binomial
from stats.errors import Reason, StatsError
from stats.lift import Lift, fieller_lift
from stats.moments import Moments, PairMoments, linearise
from stats.multiplicity import adjust, family_size
from stats.posterior import Posterior, lift_posterior
from stats.records import Interval
from stats.srm import SampleRatio, srm
from stats.welch import Difference, welch

__all__ = [
    "Difference",
    "Interval",
    "Lift",
    "Moments",
    "PairMoments",
    "Posterior",
    "Reason",
    "SampleRatio",
    "StatsError",
    "adjust",
    "beta_binomial",
    "family_size",
    "fieller_lift",
    "lift_posterior",
    "linearise",
    "srm",
    "welch",
]
