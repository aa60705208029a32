"""The benchmark's methods still run and answer for every metric; its times are not judged here."""

import importlib.util
from pathlib import Path

import numpy as np

from stats.records import holds

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "moments_to_results.py"


def test_every_method_of_the_benchmark_answers():
    spec = importlib.util.spec_from_file_location("moments_to_results", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, work in script.methods(script.Inputs()).items():
        result = work()
        reason = getattr(result, "reason", None)
        assert not holds(reason).any(), name
        for field in ("p_value", "chance_to_win", "probability", "estimate"):
            assert np.isfinite(getattr(result, field, 0.0)).all(), name
