"""A public A/B test of a mobile game, 90,189 players: the figures known for it."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from stats import Moments, srm, welch

SHARED = Path(os.environ.get("EVENHAND_SHARED", Path(__file__).parents[4] / "shared"))


@pytest.fixture(scope="module")
def arms():
    """Per-unit retention_1, retention_7 and rounds of control and treatment, one column each."""
    units = {"gate_30": [], "gate_40": []}
    with (SHARED / "data" / "cookie_cats.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            units[row["version"]].append(
                (
                    row["retention_1"].lower() == "true",
                    row["retention_7"].lower() == "true",
                    float(row["sum_gamerounds"]),
                )
            )
    return tuple(Moments.from_values(np.array(units[v]), axis=0) for v in ("gate_30", "gate_40"))


def test_sizes_and_sample_ratio(arms):
    counts = [arms[0].at(0).n, arms[1].at(0).n]
    assert counts == [44_700, 45_489]
    assert srm(counts, [0.5, 0.5]).p_value == pytest.approx(0.0086, abs=5e-5)


def test_effects(arms):
    control, treatment = arms
    assert control.mean == pytest.approx([0.448188, 0.190201, 52.456], abs=5e-4)
    assert treatment.mean[:2] == pytest.approx([0.442283, 0.182000], abs=5e-7)
    assert treatment.mean[2] == pytest.approx(51.299, abs=5e-4)
    result = welch(control, treatment)
    assert result.estimate[:2] == pytest.approx([-0.005905, -0.008201], abs=5e-7)
    assert result.p_value == pytest.approx([0.074414, 0.0015565, 0.37592], rel=5e-5)
    day_7 = result.at(1)
    assert day_7.interval == pytest.approx((-0.013282, -0.003121), abs=5e-7)
