"""Statistics of experiments: from counts, means and centred sums to decisions.

The package knows nothing of experiments, HTTP or SQL. Functions take moments or arrays, broadcast
over NumPy arrays and return frozen records; what the data cannot give is NaN beside a typed
`Reason`, and a caller's mistake raises `StatsError` with a code. Randomness is always an argument.
"""

from stats.best_arm import BestArm, best_lift, best_rate
from stats.beta_binomial import beta_binomial, beta_binomial_highest_density
from stats.bootstrap import Bootstrap, bootstrap
from stats.calibration import Calibration, calibrate
from stats.cluster import cluster_mean
from stats.confidence_sequence import confidence_sequence, lift_sequence
from stats.cuped import Adjusted, JointMoments, cuped, impute_missing
from stats.errors import Reason, StatsError
from stats.group_sequential import Looks, SpendingPlan, classical_bounds, exit_probability
from stats.heterogeneity import Heterogeneity, by_segment, interaction
from stats.lift import Lift, fieller_lift, linear_lift, log_lift
from stats.margins import MarginTest, equivalence, non_inferiority
from stats.moments import Moments, PairMoments, linearise
from stats.multiplicity import AdjustedLevel, adjust, family_size, interval_alpha
from stats.posterior import Posterior, effect_posterior, lift_posterior
from stats.power import (
    AlwaysValid,
    FixedHorizon,
    GroupSequential,
    Power,
    plan_means,
    plan_proportions,
)
from stats.quantile import QuantileRanks, quantile, quantile_moments, quantile_ranks
from stats.records import Interval
from stats.repeated_interval import RepeatedInterval, repeated_interval
from stats.sequential_srm import sequential_srm
from stats.srm import SampleRatio, srm
from stats.stratify import Stratified, post_stratify
from stats.welch import Difference, welch
from stats.winsor import winsor_caps, winsorise

__all__ = [
    "Adjusted",
    "AdjustedLevel",
    "AlwaysValid",
    "BestArm",
    "Bootstrap",
    "Calibration",
    "Difference",
    "FixedHorizon",
    "GroupSequential",
    "Heterogeneity",
    "Interval",
    "JointMoments",
    "Lift",
    "Looks",
    "MarginTest",
    "Moments",
    "PairMoments",
    "Posterior",
    "Power",
    "QuantileRanks",
    "Reason",
    "RepeatedInterval",
    "SampleRatio",
    "SpendingPlan",
    "StatsError",
    "Stratified",
    "adjust",
    "best_lift",
    "best_rate",
    "beta_binomial",
    "beta_binomial_highest_density",
    "bootstrap",
    "by_segment",
    "calibrate",
    "classical_bounds",
    "cluster_mean",
    "confidence_sequence",
    "cuped",
    "effect_posterior",
    "equivalence",
    "exit_probability",
    "family_size",
    "fieller_lift",
    "impute_missing",
    "interaction",
    "interval_alpha",
    "lift_posterior",
    "lift_sequence",
    "linear_lift",
    "linearise",
    "log_lift",
    "non_inferiority",
    "plan_means",
    "plan_proportions",
    "post_stratify",
    "quantile",
    "quantile_moments",
    "quantile_ranks",
    "repeated_interval",
    "sequential_srm",
    "srm",
    "welch",
    "winsor_caps",
    "winsorise",
]
