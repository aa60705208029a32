"""A sequential plan: what each metric is judged by, and when a look may decide."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import scipy.special as sc

from experiments.analysis.task import Arm, Measured

MakeReport = Callable[..., dict[str, Any]]
WINDOW = {"window_hours": 72}
GOAL = {"role": "goal", **WINDOW}
OPEN_GOAL = {"role": "goal"}
GUARDRAIL = {"role": "guardrail", "margin": 0.02, **WINDOW}


def arm(variant: str, *means: float | None, n: int = 5_000, variance: float = 1.0) -> Arm:
    measured = tuple(
        Measured(n, 0, mean, None if mean is None else variance * (n - 1), *(None,) * 4)
        for mean in means
    )
    return Arm(variant, n, n, 0, 0, None, None, {}, measured)


def comparison(document: dict[str, Any], row: int = 0, column: int = 0) -> dict[str, Any]:
    return dict(document["metrics"][row]["comparisons"][column])


def mixture(difference: float, variance: float, n: int, planned: float) -> tuple[float, float]:
    """Half the width and the p-value by hand: one arm of `n` each, alpha 0.05."""
    alpha = 0.05
    rho2 = (-sc.lambertw(-(alpha**2) / math.e, -1).real - 1) / planned
    mass, error = 2 * n * rho2, math.sqrt(2 * variance / n)
    half = error * math.sqrt((1 + 1 / mass) * (math.log1p(mass) - 2 * math.log(alpha)))
    e_value = math.exp((difference / error) ** 2 / 2 * mass / (1 + mass)) / math.sqrt(1 + mass)
    return half, min(1.0, 1 / e_value)


@pytest.mark.parametrize(("plan", "planned"), [({}, 10_000), ({"planned_units": 30_000}, 30_000)])
def test_the_sequence_by_hand(make_report: MakeReport, plan: dict[str, Any], planned: int) -> None:
    document = make_report([arm("a", 10.0), arm("b", 10.07)], metrics=[GOAL], plan=plan)
    found = comparison(document)["sequential"]
    half, p_value = mixture(0.07, 1.0, 5_000, planned)
    assert found["interval"] == pytest.approx([0.07 - half, 0.07 + half])
    assert found["p_value"] == pytest.approx(p_value)
    assert found["adjusted_p_value"] == found["p_value"]
    assert found["lift_interval"] == pytest.approx([(0.07 - half) / 10, (0.07 + half) / 10], 0.03)
    assert (found["level"], found["planned_units"]) == (pytest.approx(0.95), planned)
    assert found["reason"] is None
    assert "confidence sequence" in found["method"]


def test_each_comparison_is_tuned_at_the_share_of_its_arms(make_report: MakeReport) -> None:
    arms = [arm("a", 10.0, n=500), arm("b", 10.0, n=300), arm("c", 10.0, n=200)]
    variants = [{"key": key, "weight": w} for key, w in (("a", 0.5), ("b", 0.3), ("c", 0.2))]
    document = make_report(arms, metrics=[GOAL], plan={"planned_units": 10_000}, variants=variants)
    planned = [comparison(document, 0, i)["sequential"]["planned_units"] for i in range(2)]
    assert planned == [8_000, 7_000]


def test_two_arms_with_hardly_a_share_are_tuned_at_a_unit_each(make_report: MakeReport) -> None:
    variants = [{"key": key, "weight": w} for key, w in (("a", 0.0), ("b", 0.1), ("c", 0.9))]
    arms = [arm("a", 10.0, n=0), arm("b", 10.0, n=0), arm("c", 10.0)]
    document = make_report(arms, metrics=[GOAL], plan={"planned_units": 10}, variants=variants)
    assert comparison(document)["sequential"]["planned_units"] == 2


def test_a_metric_without_a_window_is_judged_at_a_fixed_horizon(make_report: MakeReport) -> None:
    arms = [arm("a", 10.0, 10.0), arm("b", 10.05, 10.05)]
    document = make_report(arms, metrics=[GOAL, OPEN_GOAL])
    assert document["basis"] == "sequential"
    assert [metric["basis"] for metric in document["metrics"]] == ["sequential", "fixed"]
    windowed, open_ended = (comparison(document, row) for row in range(2))
    assert windowed["sequential"] is not None
    assert open_ended["sequential"] is None
    # Holm over what judges: the smaller one is the fixed-horizon p-value, and it is doubled.
    judges = open_ended["difference"]["p_value"], windowed["sequential"]["p_value"]
    assert judges[0] < judges[1]
    assert open_ended["difference"]["adjusted_p_value"] == pytest.approx(2 * judges[0])
    assert windowed["sequential"]["adjusted_p_value"] == pytest.approx(
        max(2 * judges[0], judges[1])
    )
    assert [one["verdict"] for one in (windowed, open_ended)] == ["inconclusive", "better"]


@pytest.mark.parametrize("basis", ["fixed", "bayesian"])
def test_another_plan_has_no_sequences(make_report: MakeReport, basis: str) -> None:
    arms = [arm("a", 10.0), arm("b", 10.05)]
    document = make_report(arms, metrics=[GOAL], plan={"basis": basis})
    assert document["metrics"][0]["basis"] == basis
    assert comparison(document)["sequential"] is None


def test_the_fixed_horizon_numbers_stay_beside_the_sequence(make_report: MakeReport) -> None:
    arms = [arm("a", 10.0, 10.0), arm("b", 10.05, 10.02)]
    sequential, fixed = (
        comparison(make_report(arms, metrics=[GOAL, GOAL], plan={"basis": basis}))
        for basis in ("sequential", "fixed")
    )
    assert sequential["difference"] == fixed["difference"]
    assert sequential["lift"] == fixed["lift"]
    assert (sequential["verdict"], fixed["verdict"]) == ("inconclusive", "better")


def test_non_inferiority_is_the_losing_end_of_a_one_sided_sequence(
    make_report: MakeReport,
) -> None:
    def held(margin: float, direction: str, change: float) -> bool | None:
        use = {"role": "guardrail", "margin": margin, "direction": direction, **WINDOW}
        arms = [arm("a", 10.0), arm("b", 10.0 + change)]
        found = comparison(make_report(arms, metrics=[use]))
        # The two-sided interval reaches further than the one-sided bound.
        lower, upper = found["sequential"]["lift_interval"]
        edge = -lower if direction == "increase" else upper
        assert edge > 0.0108
        answer: bool | None = found["non_inferior"]
        return answer

    assert held(0.0108, "increase", -0.05)
    assert not held(0.0102, "increase", -0.05)
    assert held(0.0108, "decrease", 0.05)
    assert not held(0.0102, "decrease", 0.05)


@pytest.mark.parametrize(
    ("control", "reason", "whole"),
    [
        (arm("a", 10.0, n=1), "TOO_FEW_UNITS", True),
        (arm("a", 10.0, variance=0.0), "ZERO_VARIANCE", True),
        (arm("a", 0.0), "BASELINE_NEAR_ZERO", False),
    ],
)
def test_typed_reasons(make_report: MakeReport, control: Arm, reason: str, *, whole: bool) -> None:
    other = arm("b", 10.0, variance=0.0 if reason == "ZERO_VARIANCE" else 1.0)
    document = make_report([control, other], metrics=[GUARDRAIL])
    found = comparison(document)
    assert found["sequential"]["reason"] == reason
    assert found["sequential"]["lift_interval"] is None
    assert (found["sequential"]["p_value"] is None) == whole
    assert found["non_inferior"] is None
    json.dumps(document, allow_nan=False)


def rule(document: dict[str, Any]) -> tuple[str, str]:
    return document["decision"]["recommendation"], document["decision"]["rule"]


CONTROL, FLAT, UP, DOWN = arm("a", 10.0), arm("b", 10.0), arm("b", 10.2), arm("b", 9.8)
PLAN = {"planned_units": 50_000}


@pytest.mark.parametrize(
    ("arms", "given", "expected"),
    [
        ([CONTROL, UP], {"plan": PLAN}, ("ship", "goal_better")),
        ([CONTROL, UP], {}, ("ship", "goal_better")),
        ([CONTROL, DOWN], {"plan": PLAN}, ("roll_back", "goal_worse")),
        ([CONTROL, FLAT], {"plan": PLAN}, ("keep_running", "waiting_for_units")),
        ([CONTROL, FLAT], {}, ("keep_running", "waiting_for_days")),
        ([CONTROL, FLAT], {"days": 8}, ("keep_running", "inconclusive")),
        (
            [CONTROL, FLAT],
            {"plan": {**PLAN, "minimum_effect": 0.02}},
            ("no_detectable_effect", "within_minimum_effect"),
        ),
        # Fieller's interval lies within ± 0.5 %, the sequence does not.
        (
            [CONTROL, FLAT],
            {"plan": {**PLAN, "minimum_effect": 0.005}},
            ("keep_running", "waiting_for_units"),
        ),
    ],
)
def test_any_look_may_decide(
    make_report: MakeReport, arms: list[Arm], given: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert rule(make_report(arms, metrics=[GOAL], **{"days": 1, **given})) == expected


def test_a_fixed_plan_waits_where_a_sequential_one_decides(make_report: MakeReport) -> None:
    plan = {**PLAN, "basis": "fixed"}
    document = make_report([CONTROL, UP], metrics=[GOAL], plan=plan, days=1)
    assert rule(document) == ("keep_running", "waiting_for_units")


@pytest.mark.parametrize(
    ("guardrail", "loss", "expected"),
    [
        (GUARDRAIL, 0.0, ("ship", "goal_better")),
        ({**GUARDRAIL, "margin": 0.005}, 0.0, ("keep_running", "guardrail_unproven")),
        ({**GUARDRAIL, "margin": 0.005}, -0.2, ("roll_back", "guardrail_worse")),
        # Its margin can only be judged at the planned size, so that the goal waits with it.
        ({"role": "guardrail", "margin": 0.02}, 0.0, ("keep_running", "waiting_for_units")),
        # Without a margin it cannot stand against the goal.
        ({"role": "guardrail"}, 0.0, ("ship", "goal_better")),
    ],
)
def test_guardrails_of_an_early_winner(
    make_report: MakeReport, guardrail: dict[str, Any], loss: float, expected: tuple[str, str]
) -> None:
    arms = [arm("a", 10.0, 10.0), arm("b", 10.2, 10.0 + loss)]
    document = make_report(arms, metrics=[GOAL, guardrail], plan=PLAN, days=1)
    assert rule(document) == expected


def test_an_open_ended_goal_waits_for_the_planned_size(make_report: MakeReport) -> None:
    document = make_report([CONTROL, UP], metrics=[OPEN_GOAL], plan=PLAN, days=1)
    assert rule(document) == ("keep_running", "waiting_for_units")


def test_the_sentence_and_its_facts_hold_the_always_valid_p_value(
    make_report: MakeReport,
) -> None:
    arms = [arm("a", 10.0, 10.0), arm("b", 9.92, 10.0)]
    document = make_report(arms, metrics=[GOAL, GOAL])
    sequential = comparison(document)["sequential"]
    facts = document["decision"]["facts"]
    assert facts["basis"] == "sequential"
    assert facts["p_value"] == sequential["p_value"]
    assert facts["adjusted_p_value"] == sequential["adjusted_p_value"]
    assert document["decision"]["reason"] == (
        f"Roll back b: metric_0 is 0.8 % lower than in a (always-valid p ="
        f" {sequential['adjusted_p_value']:.3g} over 2 comparisons), which is significantly worse."
    )
