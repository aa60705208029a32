"""From moments to the numbers of the report: formulas, families, directions, typed reasons."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from experiments.analysis.task import Arm, Measured

MakeReport = Callable[..., dict[str, Any]]
GOAL = {"role": "goal"}


def arm(variant: str, *measured: Measured, **other: Any) -> Arm:
    n = other.pop("units", measured[0].n)
    return Arm(variant, n, n, 0, 0, None, None, {}, measured)


def mean(n: int, mean: float | None, variance: float = 1.0) -> Measured:
    return Measured(n, 0, mean, None if mean is None else variance * (n - 1), *(None,) * 4)


def only(document: dict[str, Any]) -> dict[str, Any]:
    [metric] = document["metrics"]
    [comparison] = metric["comparisons"]
    return dict(comparison)


def test_welch_by_hand(make_report: MakeReport) -> None:
    document = make_report([arm("a", mean(50, 10.0, 4.0)), arm("b", mean(40, 11.0, 9.0))])
    difference = only(document)["difference"]
    error = math.sqrt(4 / 50 + 9 / 40)
    assert difference["estimate"] == pytest.approx(1.0)
    assert difference["standard_error"] == pytest.approx(error)
    assert difference["df"] == pytest.approx(error**4 / ((4 / 50) ** 2 / 49 + (9 / 40) ** 2 / 39))
    assert difference["level"] == pytest.approx(0.95)
    assert only(document)["lift"]["estimate"] == pytest.approx(0.1)
    assert only(document)["against"] == "a"


def test_a_ratio_has_the_variance_of_its_linearised_value(make_report: MakeReport) -> None:
    one = Measured(10, 0, 6.0, 90.0, 3.0, 40.0, 30.0, None)
    document = make_report(
        [arm("a", one), arm("b", one)], metrics=[{"role": "goal", "kind": "mean"}]
    )
    for variant in document["metrics"][0]["variants"]:
        assert variant["mean"] == pytest.approx(2.0)
        # Σ(x − 2y)² = 90 − 4·30 + 4·40, over (n − 1) and the squared mean of y.
        assert variant["variance"] == pytest.approx((90 - 120 + 160) / 9 / 9)


def test_the_family_is_goals_times_treatments(make_report: MakeReport) -> None:
    means = (10.0, 10.0, 10.0, 10.0)
    document = make_report(
        [
            arm("a", *(mean(1000, one) for one in means)),
            arm("b", *(mean(1000, one + 0.1) for one in means)),
            arm("c", *(mean(1000, one + 0.12) for one in means)),
        ],
        metrics=[GOAL, GOAL, {"role": "guardrail"}, {"role": "secondary"}],
    )
    differences = [
        [one["difference"] for one in metric["comparisons"]] for metric in document["metrics"]
    ]
    goals = [one for row in differences[:2] for one in row]
    assert {one["family"] for one in goals} == {4}
    raw = sorted(one["p_value"] for one in goals)
    holm = [min(1.0, 4 * raw[0]), min(1.0, 4 * raw[0])]
    assert sorted(one["adjusted_p_value"] for one in goals)[:2] == pytest.approx(holm)
    for one in differences[2] + differences[3]:
        assert (one["family"], one["adjusted_p_value"]) == (None, None)
        assert one["p_value"] is not None


def test_the_correction_decides(make_report: MakeReport) -> None:
    arms = [
        arm("a", mean(1000, 10.0), mean(1000, 10.0)),
        arm("b", mean(1000, 10.1), mean(1000, 10.0)),
    ]

    def verdict(correction: str) -> tuple[str, float]:
        document = make_report(arms, metrics=[GOAL, GOAL], plan={"correction": correction})
        first = document["metrics"][0]["comparisons"][0]
        return first["verdict"], first["difference"]["adjusted_p_value"]

    p_value = 0.0254
    assert verdict("none") == ("better", pytest.approx(p_value, abs=1e-4))
    assert verdict("holm") == ("inconclusive", pytest.approx(2 * p_value, abs=2e-4))


def test_non_inferiority_is_one_sided_at_alpha(make_report: MakeReport) -> None:
    """A loss of 0.5 %: its one-sided bound is −1.24 %, its two-sided one −1.38 %."""

    def held(margin: float, direction: str, change: float) -> bool:
        use = {"role": "guardrail", "margin": margin, "direction": direction}
        arms = [arm("a", mean(1000, 10.0)), arm("b", mean(1000, 10.0 + change))]
        return bool(only(make_report(arms, metrics=[use]))["non_inferior"])

    assert held(0.0125, "increase", -0.05)
    assert not held(0.0122, "increase", -0.05)
    assert held(0.0125, "decrease", 0.05)
    assert not held(0.0122, "decrease", 0.05)
    assert held(0.001, "decrease", -0.5)


def test_only_a_margin_asks_for_non_inferiority(make_report: MakeReport) -> None:
    arms = [arm("a", mean(100, 10.0)), arm("b", mean(100, 10.0))]
    assert only(make_report(arms, metrics=[{"role": "guardrail"}]))["non_inferior"] is None
    assert only(make_report(arms))["non_inferior"] is None


def test_chance_to_win_follows_the_direction(make_report: MakeReport) -> None:
    arms = [arm("a", mean(1000, 10.0)), arm("b", mean(1000, 10.1))]
    up, down = (
        only(make_report(arms, metrics=[{"role": "goal", "direction": direction}]))["bayesian"]
        for direction in ("increase", "decrease")
    )
    assert up["chance_to_win"] > 0.95
    assert up["chance_to_win"] + down["chance_to_win"] == pytest.approx(1)
    assert up["prior"] == {"mean": 0.0, "sd": 0.3}


@pytest.mark.parametrize(
    ("control", "treatment", "kind", "reasons"),
    [
        (mean(0, None), mean(50, 1.0), "sum", ("TOO_FEW_UNITS",) * 3),
        (mean(1, 1.0), mean(50, 1.0), "sum", ("TOO_FEW_UNITS",) * 3),
        (mean(6, 5.0, 0.0), mean(6, 6.0, 0.0), "sum", ("ZERO_VARIANCE",) * 3),
        (mean(50, 0.0), mean(50, 1.0), "sum", (None, "BASELINE_NEAR_ZERO", "BASELINE_NEAR_ZERO")),
        (
            Measured(9, 0, 1.0, 8.0, 0.0, 0.0, 0.0, None),
            Measured(9, 0, 1.0, 8.0, 1.0, 8.0, 0.0, None),
            "mean",
            ("ZERO_DENOMINATOR",) * 3,
        ),
        (mean(50, 2.0), Measured(50, 1, 2.0, 49.0, *(None,) * 4), "sum", ("VALUE_TOO_LARGE",) * 3),
    ],
)
def test_typed_reasons(
    make_report: MakeReport,
    control: Measured,
    treatment: Measured,
    kind: str,
    reasons: tuple[str | None, ...],
) -> None:
    arms = [arm("a", control), arm("b", treatment)]
    document = make_report(arms, metrics=[{"role": "goal", "kind": kind}])
    comparison = only(document)
    told = (comparison["reason"], comparison["lift"]["reason"], comparison["bayesian"]["reason"])
    assert told == reasons
    assert (comparison["verdict"] is None) == (reasons[0] is not None)
    # No NaN and no infinity anywhere: it is JSON.
    json.dumps(document, allow_nan=False)


def test_the_difference_stays_where_only_its_error_is_missing(make_report: MakeReport) -> None:
    arms = [arm("a", mean(6, 5.0, 0.0)), arm("b", mean(6, 6.0, 0.0))]
    difference = only(make_report(arms))["difference"]
    assert difference["estimate"] == 1.0
    assert (difference["interval"], difference["p_value"]) == (None, None)


def test_an_arm_nobody_met_is_listed(make_report: MakeReport) -> None:
    empty = arm("b", mean(0, None))
    document = make_report([arm("a", mean(10, 1.0)), empty])
    [metric] = document["metrics"]
    assert metric["variants"][1] == {"variant": "b", "n": 0, "mean": None, "variance": None}
    assert document["units"] == {"a": 10, "b": 0}


def test_waiting_units_and_the_next_maturity(make_report: MakeReport) -> None:
    young = Measured(8, 0, 1.0, 7.0, None, None, None, 1_760_000_000_000_000)
    document = make_report(
        [arm("a", young, units=10), arm("b", mean(9, 1.0), units=10)],
        metrics=[{"role": "goal", "window_hours": 24}],
    )
    assert document["metrics"][0]["waiting"] == 3
    assert document["next_maturity_at"] == "2025-10-10T08:53:20Z"


def test_a_hundred_metrics_and_four_arms(make_report: MakeReport) -> None:
    means = [10.0 + i for i in range(100)]
    document = make_report(
        [arm(key, *(mean(1000, one) for one in means)) for key in "abcd"], metrics=[GOAL] * 100
    )
    assert document["metrics"][99]["comparisons"][2]["difference"]["family"] == 300
