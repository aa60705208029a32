"""Reports of what is no ordinary run: dry run, hold-back, holdout, segment, earlier phase."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from experiments.analysis.task import Arm, Measured
from experiments.definitions.lifecycle import Terms
from experiments.definitions.segment import Segment

MakeReport = Callable[..., dict[str, Any]]
VIP = Segment("vip", "Regular customers", condition={"plan": "pro"})
DRY = {"start": Terms(dry_run=True)}
SHIP = {"ship": Terms(winner="b", holdback=0.1)}
SHIPPED = {"verbs": ("start", "ship"), "terms": SHIP}
HOLDOUT = {"holdout": {}}
MISMATCH = [2_000, 1_000]


def arms(*means: float, units: list[int] | None = None, keys: str = "abc") -> list[Arm]:
    numbers = units or [1_000] * len(means)
    return [
        Arm(key, n, n, 0, 0, None, None, {}, (Measured(n, 0, mean, n - 1.0, *(None,) * 4),))
        for key, mean, n in zip(keys, means, numbers, strict=False)
    ]


def said(document: dict[str, Any]) -> tuple[str, str, str | None]:
    decision = document["decision"]
    return decision["recommendation"], decision["rule"], decision["variant"]


KEEP = "keep_running"
# (what holds) → (recommendation, rule, variant)
CASES: list[tuple[str, list[Arm], dict[str, Any], tuple[str, str, str | None]]] = [
    ("a dry run that is better", arms(10, 11), {"terms": DRY}, (KEEP, "dry_run", None)),
    ("a dry run that is worse", arms(10, 9), {"terms": DRY}, (KEEP, "dry_run", None)),
    ("a dry run without units", arms(0, 0, units=[0, 0]), {"terms": DRY}, (KEEP, "no_units", None)),
    (
        "a dry run that loses units",
        arms(10, 10, units=MISMATCH),
        {"terms": DRY},
        ("unhealthy", "sample_ratio_mismatch", None),
    ),
    ("a hold-back", arms(10, 11, units=[100, 900]), SHIPPED, (KEEP, "holdback", None)),
    (
        "a hold-back on its second day",
        arms(10, 10, units=[100, 900]),
        SHIPPED | {"days": 2},
        (KEEP, "holdback", None),
    ),
    (
        "a hold-back that does harm",
        arms(10, 9, units=[100, 900]),
        SHIPPED,
        ("roll_back", "goal_worse", "b"),
    ),
    ("a holdout that is better", arms(10, 11), HOLDOUT, (KEEP, "holdout", None)),
    ("a holdout that is worse", arms(10, 9), HOLDOUT, (KEEP, "holdout", None)),
    (
        "a holdout that loses units",
        arms(10, 9, units=MISMATCH),
        HOLDOUT,
        ("unhealthy", "sample_ratio_mismatch", None),
    ),
    ("a segment that is better", arms(10, 11), {"segment": VIP}, (KEEP, "segment", None)),
    ("a segment that is worse", arms(10, 9), {"segment": VIP}, (KEEP, "segment", None)),
    (
        "a segment that loses units",
        arms(10, 9, units=MISMATCH),
        {"segment": VIP},
        (KEEP, "segment", None),
    ),
    (
        "a segment without units",
        arms(0, 0, units=[0, 0]),
        {"segment": VIP},
        (KEEP, "segment", None),
    ),
    (
        "a segment of a draft",
        arms(0, 0, units=[0, 0]),
        {"segment": VIP, "verbs": ()},
        (KEEP, "not_started", None),
    ),
]


@pytest.mark.parametrize(
    ("found", "names", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_rules(
    make_report: MakeReport,
    found: list[Arm],
    names: dict[str, Any],
    expected: tuple[str, str, str | None],
) -> None:
    document = make_report(found, **names)
    assert said(document) == expected
    assert document["decision"]["reason"].endswith(".")
    assert document["decision"]["reason"].count(". ") == 0


def test_a_report_names_its_phase_and_segment(make_report: MakeReport) -> None:
    plain = make_report(arms(10, 11))
    assert (plain["phase"], plain["phase_kind"], plain["segment"]) == (1, "main", None)
    assert plain["holdout"] is False
    dry = make_report(arms(10, 11), terms=DRY, segment=VIP)
    assert (dry["phase"], dry["phase_kind"]) == (1, "dry_run")
    assert dry["segment"] == {"key": "vip", "name": "Regular customers"}
    assert make_report(arms(10, 11), **HOLDOUT)["holdout"] is True
    draft = make_report(arms(0, 0, units=[0, 0]), verbs=())
    assert (draft["phase"], draft["phase_kind"]) == (None, None)


def test_a_hold_back_goes_by_its_own_weights_and_compares_two_arms(make_report: MakeReport) -> None:
    variants = [{"key": "a", "weight": 0.2}, {"key": "b", "weight": 0.4}]
    variants.append({"key": "c", "weight": 0.4})
    document = make_report(arms(10, 11, units=[100, 900]), variants=variants, **SHIPPED)
    assert document["health"]["srm"]["expected"] == {"a": 0.1, "b": 0.9}
    assert document["health"]["srm"]["flagged"] is False
    assert document["units"] == {"a": 100, "b": 900}
    (metric,) = document["metrics"]
    assert [one["variant"] for one in metric["comparisons"]] == ["b"]
    assert metric["comparisons"][0]["difference"]["family"] == 1
    assert (document["phase"], document["phase_kind"], document["winner"]) == (2, "holdback", "b")
    assert document["ended_at"] is None
    assert document["decision"]["reason"] == (
        "Hold-back: metric_0 is 10 % higher than in a (p < 0.0001); it measures what is shipped"
        " already."
    )
    assert document["decision"]["facts"]["lift"] == pytest.approx(0.1)


def test_units_in_an_arm_without_weight_are_a_mismatch(make_report: MakeReport) -> None:
    variants = [{"key": "a", "weight": 0.2}, {"key": "b", "weight": 0.4}]
    variants.append({"key": "c", "weight": 0.4})
    found = arms(10, 11, 10, units=[100, 900, 3])
    document = make_report(found, variants=variants, **SHIPPED)
    assert said(document) == ("unhealthy", "sample_ratio_mismatch", None)
    assert document["units"] == {"a": 100, "b": 900, "c": 3}
    assert document["health"]["srm"]["expected"]["c"] == 0
    (metric,) = document["metrics"]
    assert [one["variant"] for one in metric["comparisons"]] == ["b"]


def test_a_holdout_without_outcomes_says_that_nothing_can_be_compared(
    make_report: MakeReport,
) -> None:
    document = make_report(arms(10, 10, units=[1, 1]), **HOLDOUT)
    assert document["decision"]["reason"] == (
        "Holdout, all launches together: nothing can be compared yet; it measures, and has nothing"
        " to ship."
    )
    assert document["decision"]["facts"] == {}


def test_an_earlier_phase_is_over_while_the_experiment_runs(make_report: MakeReport) -> None:
    anew = {"verbs": ("start", "rerandomise"), "days": 1}
    first = make_report(arms(10, 11), phase=1, **anew)
    assert (first["phase"], first["status"]) == (1, "running")
    assert first["ended_at"] is not None
    assert said(first) == ("ship", "goal_better", "b")
    latest = make_report(arms(10, 11), **anew)
    assert (latest["phase"], latest["ended_at"]) == (2, None)
    assert said(latest) == (KEEP, "waiting_for_days", None)
