"""What a public A/B test of 90,189 players says, whichever way its events came in."""

from __future__ import annotations

from typing import Any

import pytest

EVENTS = 233_318  # an exposure per player, 143,129 outcomes


def check_report(report: dict[str, Any], *, rounds: str) -> None:
    """Compare with the published figures; `rounds` is the key of the metric of game rounds."""
    assert report["units"] == {"gate_30": 44_700, "gate_40": 45_489}
    assert report["crossovers"] == 0
    assert report["health"]["srm"]["p_value"] == pytest.approx(0.0086, abs=5e-5)
    assert report["health"]["srm"]["flagged"] is False
    expected = {
        "retention_1": (0.448188, 0.442283, -0.005905, 0.074414),
        "retention_7": (0.190201, 0.182000, -0.008201, 0.0015565),
        rounds: (52.456, 51.299, None, 0.37592),
    }
    found = {metric["metric"]: metric for metric in report["metrics"]}
    assert list(found) == list(expected)
    for key, (control, treatment, difference, p_value) in expected.items():
        means = {one["variant"]: one["mean"] for one in found[key]["variants"]}
        digits = 5e-4 if difference is None else 5e-7
        assert means["gate_30"] == pytest.approx(control, abs=digits)
        assert means["gate_40"] == pytest.approx(treatment, abs=digits)
        (comparison,) = found[key]["comparisons"]
        if difference is not None:
            estimate = comparison["difference"]["estimate"]
            assert estimate == pytest.approx(difference, abs=5e-7)
        assert comparison["difference"]["p_value"] == pytest.approx(p_value, rel=5e-5)
    interval = found["retention_7"]["comparisons"][0]["difference"]["interval"]
    # The figures' last digit, −0.003121 against −0.0031209, is rounded away from zero.
    assert interval == pytest.approx([-0.013282, -0.003121], abs=1e-6)
    decision = report["decision"]
    assert decision["recommendation"] == "roll_back"
    assert decision["facts"]["metric"] == "retention_7"
