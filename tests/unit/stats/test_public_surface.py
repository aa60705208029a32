import doctest
import importlib
import pkgutil

import pytest

import stats

SURFACE = [
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

MODULES = [
    name for _, name, _ in pkgutil.walk_packages(stats.__path__, "stats.") if "__main__" not in name
]


def test_the_public_surface_is_this_and_no_more():
    assert stats.__all__ == SURFACE
    assert all(hasattr(stats, name) for name in stats.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name):
    result = doctest.testmod(importlib.import_module(name), extraglobs={"np": __import__("numpy")})
    assert result.failed == 0


@pytest.mark.parametrize("name", [n for n in stats.__all__ if callable(getattr(stats, n))])
def test_public_names_say_what_they_do(name):
    assert getattr(stats, name).__doc__


@pytest.mark.parametrize(
    "function", [f for n in stats.__all__ if n[0].islower() and callable(f := getattr(stats, n))]
)
def test_public_functions_show_an_example(function):
    assert ">>>" in function.__doc__
