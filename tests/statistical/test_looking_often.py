"""An A/A experiment that is looked at again and again seldom ends in a decision."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from experiments.analysis.comparisons import compare
from experiments.analysis.decision import Evidence, decide
from experiments.analysis.task import Arm, Findings, Measured
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.metric import Metric
from experiments.definitions.time import DAY

EXPERIMENTS, LOOKS, UNITS, RATE, ALPHA = 1_000, 20, 250, 0.2, 0.05
HEALTHY = {
    "srm": {"flagged": False},
    "crossovers": {"units": 0, "share": 0.0, "flagged": False},
}


def share_decided(basis: str) -> float:
    """The share of A/A experiments that ship or roll back at one of the looks.

    Each simulated experiment is a metric of one document, so that the statistics of a look are
    one call; outside the family, so that each is judged as the only goal of its experiment.
    """
    keys = [f"m{number}" for number in range(EXPERIMENTS)]
    experiment = experiment_from_document(
        {
            "key": "aa",
            "variants": [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}],
            "metrics": [{"metric": key, "role": "secondary"} for key in keys],
            "plan": {"basis": basis, "alpha": ALPHA, "planned_units": 2 * UNITS * LOOKS},
        }
    )
    metrics = tuple(Metric(key, key, "conversion", "buy", window_hours=24.0) for key in keys)
    draw = np.random.default_rng(20_260_721)
    done = draw.binomial(UNITS, RATE, size=(LOOKS, 2, EXPERIMENTS)).cumsum(axis=0)
    decided: set[int] = set()
    for look in range(LOOKS):
        n = UNITS * (look + 1)
        arms = tuple(arm(key, n, done[look, place]) for place, key in enumerate("ab"))
        for number, metric in enumerate(compare(experiment, metrics, Findings(arms, 0, {}, 0))):
            evidence = Evidence(
                started_at=0,
                ended=False,
                as_of=(look + 1) * DAY,
                plan=experiment.plan,
                units={"a": n, "b": n},
                names={"a": "a", "b": "b"},
                health=HEALTHY,
                metrics=[{**metric, "role": "goal"}],
            )
            if decide(evidence).recommendation in {"ship", "roll_back"}:
                decided.add(number)
    return len(decided) / EXPERIMENTS


def arm(key: str, n: int, successes: np.ndarray) -> Arm:
    measured = tuple(
        Measured(n, 0, k / n, k * (n - k) / n, None, None, None, None) for k in successes.tolist()
    )
    return Arm(key, n, n, 0, 0, None, None, {}, measured)


@pytest.mark.parametrize(("basis", "holds"), [("sequential", True), ("fixed", False)])
def test_twenty_looks_at_an_experiment_without_an_effect(basis: str, *, holds: bool) -> None:
    """By the p-value of one look, the second of two plans, too many end."""
    # What an error of exactly alpha passes but once in a million times.
    bound = scipy.stats.binom.isf(1e-6, EXPERIMENTS, ALPHA) / EXPERIMENTS
    assert (share_decided(basis) <= bound) == holds
