"""Planning against formulas by hand, against simulation, and against itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.special as sc
import scipy.stats

from experiments.analysis.power import question_from_document, solve
from experiments.definitions.errors import Invalid
from stats import Moments, lift_sequence, non_inferiority

RATE = {"kind": "conversion", "baseline": 0.1, "basis": "fixed"}
MEAN = {"kind": "mean", "baseline": 42.0, "standard_deviation": 30.0, "basis": "fixed"}


def answer(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for part in (*parts, more):
        document |= part
    return solve(question_from_document(document))


def z(share: float) -> float:
    return float(sc.ndtri(share))


def test_a_rate_from_ten_to_eleven_percent() -> None:
    """14,749 in each arm by the unpooled formula, as statsmodels and published tables have it."""
    found = answer(RATE, lift=0.1)
    assert (found["solved"], found["units"]) == ("units", 29_498)
    assert found["units_per_variant"] == [14_749, 14_749]
    assert found["effect"] == pytest.approx(0.01)
    assert (found["power"], found["days"]) == (0.8, None)
    assert found["formula"] == "normal, unpooled"
    assert found["inputs"]["alpha"] == 0.05


@pytest.mark.parametrize("basis", ["fixed", "sequential"])
@pytest.mark.parametrize(
    "given",
    [
        RATE,
        MEAN,
        {**MEAN, "kind": "ratio", "covariate_correlation": 0.6},
        {**RATE, "covariate_correlation": 0.5, "variants": 3},
        {**MEAN, "shares": [0.5, 0.3, 0.2]},
        {**MEAN, "baseline": -42.0},
    ],
)
def test_whichever_is_left_out_the_three_agree(given: dict[str, Any], basis: str) -> None:
    units = answer(given, basis=basis, lift=0.05, power=0.9)["units"]
    lift = answer(given, basis=basis, units=units, power=0.9)["lift"]
    power = answer(given, basis=basis, units=units, lift=0.05)["power"]
    assert lift == pytest.approx(0.05, rel=2e-3)
    assert power == pytest.approx(0.9, abs=2e-3)


def test_a_mean_by_hand_with_cuped_and_three_variants() -> None:
    found = answer(MEAN, lift=0.05, variants=3, covariate_correlation=0.6, correction="holm")
    reach = z(0.8) - z(0.05 / 2 / 2)
    arm = math.ceil(2 * 30.0**2 * (1 - 0.36) * (reach / 2.1) ** 2)
    assert found["units_per_variant"] == [arm] * 3
    assert found["alpha_per_comparison"] == 0.025
    assert found["inputs"]["comparisons"] == 2


@pytest.mark.parametrize(
    ("correction", "alpha"),
    [("none", 0.05), ("bonferroni", 0.0125), ("benjamini-yekutieli", 0.0125 / (25 / 12))],
)
def test_the_least_favourable_step_of_a_correction(correction: str, alpha: float) -> None:
    found = answer(MEAN, lift=0.05, comparisons=4, correction=correction)
    assert found["alpha_per_comparison"] == pytest.approx(alpha)


def test_the_smallest_treatment_decides() -> None:
    found = answer(MEAN, lift=0.05, shares=[0.5, 0.3, 0.2], comparisons=1)
    reach = z(0.8) - z(0.025)
    total = (30 / 2.1 * reach) ** 2 * (1 / 0.5 + 1 / 0.2)
    assert found["units"] == pytest.approx(total, abs=5)
    assert found["units_per_variant"] == pytest.approx([total / 2, total * 0.3, total / 5], abs=2)


def test_days_are_whole() -> None:
    assert answer(RATE, lift=0.1, units_per_day=29_498)["days"] == 1
    assert answer(RATE, lift=0.1, units_per_day=29_497)["days"] == 2


def rejections(share: float, found: dict[str, Any], draws: int) -> float:
    """What binomial error leaves of a share, once in a million times, either way."""
    assert found["solved"] == "units"
    return float(scipy.stats.binom.isf(5e-7, draws, share) / draws - share)


@pytest.mark.parametrize("direction", ["increase", "decrease"])
def test_the_planned_units_show_a_margin_as_often_as_promised(direction: str) -> None:
    """Simulated moments, judged by the test that the report uses."""
    draws, margin = 4_000, 0.02
    found = answer(MEAN, margin=margin, direction=direction)
    control, treatment = simulated(found, draws)
    p = non_inferiority(
        control,
        treatment,
        margin=margin,
        relative_margin=True,
        increase_is_better=direction == "increase",
    ).p_value
    share = float(np.mean(np.asarray(p) < 0.05))
    assert share == pytest.approx(0.8, abs=rejections(0.8, found, draws))


def test_a_sequence_shows_a_margin_as_often_as_promised() -> None:
    draws = 4_000
    found = answer(MEAN, margin=0.02, basis="sequential")
    control, treatment = simulated(found, draws)
    bound = lift_sequence(control, treatment, planned_n=found["units"], alpha=0.1).interval.lower
    share = float(np.mean(np.asarray(bound) > -0.02))
    assert share == pytest.approx(0.8, abs=rejections(0.8, found, draws))


def simulated(found: dict[str, Any], draws: int) -> tuple[Moments, Moments]:
    """Two arms of the planned size that do not differ."""
    draw = np.random.default_rng(20_260_722)
    arms = []
    for n in found["units_per_variant"]:
        means = draw.normal(42.0, 30.0 / math.sqrt(n), draws)
        arms.append(Moments(np.full(draws, float(n)), means, np.full(draws, 900.0 * (n - 1))))
    return arms[0], arms[1]


def test_a_sequence_needs_more_units_than_one_look() -> None:
    fixed, sequential = (answer(MEAN, lift=0.05, basis=basis) for basis in ("fixed", "sequential"))
    assert 1.5 < sequential["units"] / fixed["units"] < 2.5


def test_what_is_not_said_is_in_the_inputs() -> None:
    inputs = answer({"kind": "conversion", "baseline": 0.1, "units": 50_000})["inputs"]
    assert inputs == {
        "kind": "conversion",
        "baseline": 0.1,
        "standard_deviation": None,
        "lift": None,
        "units": 50_000,
        "power": 0.8,
        "alpha": 0.05,
        "shares": [0.5, 0.5],
        "correction": "holm",
        "comparisons": 1,
        "basis": "sequential",
        "direction": "increase",
        "margin": None,
        "covariate_correlation": 0.0,
        "units_per_day": None,
    }


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        (RATE, "", "LEAVE_ONE_OUT"),
        ({**RATE, "power": 0.8}, "", "LEAVE_ONE_OUT"),
        ({**RATE, "lift": 0.1, "units": 1000, "power": 0.8}, "", "LEAVE_ONE_OUT"),
        ({**RATE, "lift": 0.0}, "lift", "LIFT_INVALID"),
        ({**RATE, "lift": 9.5}, "lift", "LIFT_INVALID"),
        ({**RATE, "lift": 0.1, "baseline": 1.0}, "baseline", "BASELINE_INVALID"),
        (
            {**RATE, "lift": 0.1, "standard_deviation": 1.0},
            "standard_deviation",
            "DEVIATION_INVALID",
        ),
        (
            {**MEAN, "lift": 0.1, "standard_deviation": None},
            "standard_deviation",
            "DEVIATION_INVALID",
        ),
        ({**MEAN, "lift": 0.1, "baseline": 0.0}, "baseline", "BASELINE_INVALID"),
        ({**MEAN, "lift": math.nan}, "lift", "NOT_FINITE"),
        ({**MEAN, "lift": 0.1, "alpha": 0.5}, "alpha", "ALPHA_INVALID"),
        ({**MEAN, "lift": 0.1, "power": 0.04}, "power", "POWER_INVALID"),
        ({**MEAN, "lift": 0.1, "shares": [0.5, 0.6]}, "shares", "SHARES_INVALID"),
        ({**MEAN, "lift": 0.1, "shares": [1e308, 1e308]}, "shares", "SHARES_INVALID"),
        ({**MEAN, "lift": 0.1, "shares": [0.5, 0.5], "variants": 2}, "variants", "SHARES_TWICE"),
        ({**MEAN, "lift": 0.1, "comparisons": 0}, "comparisons", "COMPARISONS_INVALID"),
        ({**MEAN, "units": 3}, "units", "UNITS_INVALID"),
        ({**MEAN, "margin": 1.0}, "margin", "MARGIN_INVALID"),
        ({**MEAN, "margin": 0.02, "lift": -0.02}, "lift", "LIFT_INVALID"),
        ({**MEAN, "lift": 0.1, "units_per_day": 0.0}, "units_per_day", "UNITS_PER_DAY_INVALID"),
        (
            {**MEAN, "lift": 0.1, "covariate_correlation": 1.0},
            "covariate_correlation",
            "COVARIATE_CORRELATION_INVALID",
        ),
    ],
)
def test_a_question_that_makes_no_sense_is_told_why(
    given: dict[str, Any], path: str, code: str
) -> None:
    with pytest.raises(Invalid) as error:
        question_from_document(given)
    assert (path, code) in {(one.path, one.code) for one in error.value.problems}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({**RATE, "baseline": 0.9, "units": 20}, "OUT_OF_REACH"),
        ({**MEAN, "lift": 1e-9}, "OUT_OF_RANGE"),
        ({**MEAN, "lift": 1e-300}, "OUT_OF_RANGE"),
        ({**MEAN, "baseline": 1e-320, "units": 100}, "OUT_OF_RANGE"),
        ({**MEAN, "standard_deviation": 1e200, "lift": 0.1}, "NON_FINITE"),
    ],
)
def test_an_answer_of_no_use_is_none(given: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as error:
        answer(given)
    assert error.value.code == code
