import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import stats

SURFACE = [
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

MODULES = [
    name for _, name, _ in pkgutil.walk_packages(stats.__path__, "stats.") if "__main__" not in name
]


def test_the_public_surface_is_this_and_no_more():
    assert stats.__all__ == SURFACE
    assert all(hasattr(stats, name) for name in stats.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name):
    result = doctest.testmod(
        importlib.import_module(name),
        extraglobs={"np": np},
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert result.failed == 0


@pytest.mark.parametrize("name", [n for n in stats.__all__ if callable(getattr(stats, n))])
def test_public_names_say_what_they_do(name):
    assert getattr(stats, name).__doc__


@pytest.mark.parametrize(
    "function", [f for n in stats.__all__ if n[0].islower() and callable(f := getattr(stats, n))]
)
def test_public_functions_show_an_example(function):
    assert ">>>" in function.__doc__
