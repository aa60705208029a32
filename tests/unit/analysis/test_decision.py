"""Every rule of the decision, and the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from experiments.analysis.task import Arm, Measured
from experiments.definitions.time import HOUR

MakeReport = Callable[..., dict[str, Any]]
GOAL = {"role": "goal"}
GUARDRAIL = {"role": "guardrail"}
MARGIN = {"role": "guardrail", "margin": 0.02}


def arm(variant: str, *means: float, n: int = 1000, waiting: int = 0, **other: Any) -> Arm:
    """An arm whose metrics have these means, a variance of 1 and `n` mature units."""
    return Arm(
        variant=variant,
        units=other.pop("units", n + waiting),
        exposed=other.pop("exposed", n + waiting),
        asked=0,
        disagree=0,
        last_exposure_at=None,
        last_outcome_at=None,
        events={},
        measured=tuple(
            Measured(n, 0, mean, float(n - 1), None, None, None, None) for mean in means
        ),
    )


FLAT, UP, DOWN = (arm("b", mean) for mean in (10.0, 10.2, 9.8))
CONTROL = arm("a", 10.0)
EARLY = {"days": 2}
PLANNED = {"plan": {"planned_units": 2001}}
MISMATCH = {"units": 1400, "exposed": 1400}

# (what holds) → (recommendation, rule, variant)
CASES: list[tuple[str, list[Arm], dict[str, Any], tuple[str, str, str | None]]] = [
    ("draft", [arm("a", 10), FLAT], {"verbs": ()}, ("keep_running", "not_started", None)),
    (
        "nobody",
        [arm("a", 0.0, n=0), arm("b", 0.0, n=0)],
        {},
        ("keep_running", "no_units", None),
    ),
    (
        "mismatch goes before a loss",
        [CONTROL, arm("b", 9.0, **MISMATCH)],
        {},
        ("unhealthy", "sample_ratio_mismatch", None),
    ),
    ("crossovers", [CONTROL, UP], {"crossovers": 21}, ("unhealthy", "crossovers", None)),
    ("1 % crossovers", [CONTROL, UP], {"crossovers": 20}, ("ship", "goal_better", "b")),
    (
        "nine crossovers of few",
        [arm("a", 10.0, n=100), arm("b", 11.0, n=100)],
        {"crossovers": 9},
        ("ship", "goal_better", "b"),
    ),
    ("a loss goes before the time", [CONTROL, DOWN], EARLY, ("roll_back", "goal_worse", "b")),
    ("a loss goes before the plan", [CONTROL, DOWN], PLANNED, ("roll_back", "goal_worse", "b")),
    (
        "a guardrail loses",
        [arm("a", 10.0, 10.0), arm("b", 10.2, 9.8)],
        {"metrics": [GOAL, GUARDRAIL], "days": 2},
        ("roll_back", "guardrail_worse", "b"),
    ),
    (
        "a secondary metric loses",
        [arm("a", 10.0, 10.0), arm("b", 10.2, 9.8)],
        {"metrics": [GOAL, {"role": "secondary"}]},
        ("ship", "goal_better", "b"),
    ),
    ("too early", [CONTROL, UP], EARLY, ("keep_running", "waiting_for_days", None)),
    ("one day to go", [CONTROL, UP], {"days": 6.01}, ("keep_running", "waiting_for_days", None)),
    ("a week", [CONTROL, UP], {"days": 7}, ("ship", "goal_better", "b")),
    ("too few", [CONTROL, UP], PLANNED, ("keep_running", "waiting_for_units", None)),
    (
        "enough, but not seen for long enough",
        [arm("a", 10.0, waiting=100), arm("b", 10.2, waiting=100)],
        PLANNED,
        ("keep_running", "waiting_for_units", None),
    ),
    (
        "enough on the second day",
        [CONTROL, UP],
        {"plan": {"planned_units": 2000}, "days": 2},
        ("ship", "goal_better", "b"),
    ),
    (
        "stopped early",
        [CONTROL, UP],
        {"verbs": ("start", "stop"), "plan": {"planned_units": 10**6}, "days": 1},
        ("ship", "goal_better", "b"),
    ),
    (
        "paused waits on",
        [CONTROL, UP],
        {"verbs": ("start", "pause"), "days": 1},
        ("keep_running", "waiting_for_days", None),
    ),
    (
        "better, the guardrail holds its margin",
        [arm("a", 10.0, 10.0), arm("b", 10.2, 10.0)],
        {"metrics": [GOAL, MARGIN]},
        ("ship", "goal_better", "b"),
    ),
    (
        "better, the guardrail is not shown to hold it",
        [arm("a", 10.0, 10.0), arm("b", 10.2, 9.94)],
        {"metrics": [GOAL, {"role": "guardrail", "margin": 0.01}]},
        ("keep_running", "guardrail_unproven", None),
    ),
    (
        "a significant loss within the margin is allowed",
        [arm("a", 10.0, 10.0), arm("b", 10.2, 9.9)],
        {"metrics": [GOAL, MARGIN]},
        ("ship", "goal_better", "b"),
    ),
    (
        "better, a guardrail without margin is only not better",
        [arm("a", 10.0, 10.0), arm("b", 10.2, 9.95)],
        {"metrics": [GOAL, GUARDRAIL]},
        ("ship", "goal_better", "b"),
    ),
    (
        "only the second goal is better",
        [arm("a", 10.0, 10.0), arm("b", 10.0, 10.3)],
        {"metrics": [GOAL, GOAL]},
        ("keep_running", "inconclusive", None),
    ),
    (
        "lower is better",
        [CONTROL, DOWN],
        {"metrics": [{"role": "goal", "direction": "decrease"}]},
        ("ship", "goal_better", "b"),
    ),
    (
        "lower is better and it is higher",
        [CONTROL, UP],
        {"metrics": [{"role": "goal", "direction": "decrease"}]},
        ("roll_back", "goal_worse", "b"),
    ),
    (
        "the best of three",
        [arm("a", 10.0), arm("b", 10.2), arm("c", 10.4)],
        {},
        ("ship", "goal_better", "c"),
    ),
    (
        "the best that its guardrail lets through",
        [arm("a", 10.0, 10.0), arm("b", 10.2, 10.0), arm("c", 10.4, 9.94)],
        {"metrics": [GOAL, {"role": "guardrail", "margin": 0.01}]},
        ("ship", "goal_better", "b"),
    ),
    (
        "no effect that matters",
        [CONTROL, FLAT],
        {"plan": {"minimum_effect": 0.01}},
        ("no_detectable_effect", "within_minimum_effect", None),
    ),
    (
        "an effect that may matter",
        [CONTROL, FLAT],
        {"plan": {"minimum_effect": 0.005}},
        ("keep_running", "inconclusive", None),
    ),
    ("no goal", [CONTROL, UP], {"metrics": [GUARDRAIL]}, ("keep_running", "no_goal", None)),
    (
        "no metric",
        [arm("a"), arm("b")],
        {"metrics": []},
        ("keep_running", "no_metrics", None),
    ),
    (
        "nothing to compare",
        [arm("a", 10.0, n=1), arm("b", 10.0, n=1)],
        {},
        ("keep_running", "not_computable", None),
    ),
    (
        "by the posterior",
        [CONTROL, arm("b", 10.09)],
        {"plan": {"basis": "bayesian"}},
        ("ship", "goal_better", "b"),
    ),
    (
        "not by the p-value",
        [CONTROL, arm("b", 10.08)],
        {},
        ("keep_running", "inconclusive", None),
    ),
    (
        "worse by the posterior",
        [CONTROL, arm("b", 9.9)],
        {"plan": {"basis": "bayesian"}},
        ("roll_back", "goal_worse", "b"),
    ),
]


@pytest.mark.parametrize(
    ("arms", "names", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_rules(
    make_report: MakeReport,
    arms: list[Arm],
    names: dict[str, Any],
    expected: tuple[str, str, str | None],
) -> None:
    decision = make_report(arms, **names)["decision"]
    assert (decision["recommendation"], decision["rule"], decision["variant"]) == expected
    assert decision["reason"].endswith(".")
    assert decision["reason"].count(". ") == 0


def test_what_is_left(make_report: MakeReport) -> None:
    days = make_report([CONTROL, UP], days=2.5)["decision"]
    assert days["facts"] == {"days_left": 5}
    assert days["reason"] == "Keep running: 5 of the first 7 days are still to come."
    units = make_report([CONTROL, UP], plan={"planned_units": 5000})["decision"]
    assert units["facts"] == {"units": 2000, "planned_units": 5000, "units_left": 3000}
    assert "3,000 to go" in units["reason"]


def test_a_loss_in_words(make_report: MakeReport) -> None:
    decision = make_report([arm("a", 10.0, 10.0), arm("b", 10.0, 9.8)], metrics=[GOAL, GOAL])[
        "decision"
    ]
    assert decision["reason"] == (
        "Roll back b: metric_1 is 2 % lower than in a (p < 0.0001 over 2 comparisons),"
        " which is significantly worse."
    )
    facts = decision["facts"]
    assert (facts["metric"], facts["variant"]) == ("metric_1", "b")
    assert facts["lift"] == pytest.approx(-0.02)
    assert facts["adjusted_p_value"] == pytest.approx(2 * facts["p_value"])


def test_a_draft_has_no_dates(make_report: MakeReport) -> None:
    document = make_report([arm("a", 0.0, n=0), arm("b", 0.0, n=0)], verbs=())
    assert document["started_at"] is None
    assert document["phase"] is None
    assert document["units"] == {"a": 0, "b": 0}


def test_dates_of_a_stopped_experiment(make_report: MakeReport) -> None:
    stopped = make_report([CONTROL, UP], verbs=("start", "stop"))
    assert stopped["ended_at"] == stopped["started_at"]
    assert make_report([CONTROL, UP], verbs=("start", "pause"))["ended_at"] is None
    shipped = make_report([CONTROL, UP], verbs=("start", "ship"))
    assert (shipped["status"], shipped["winner"]) == ("shipped", "b")


def test_hours_do_not_shorten_the_week(make_report: MakeReport) -> None:
    almost = make_report([CONTROL, UP], days=7 - 1 / (24 * HOUR))
    assert almost["decision"]["facts"] == {"days_left": 1}
