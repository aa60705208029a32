"""Whether the numbers can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from experiments.analysis.task import Arm

MakeReport = Callable[..., dict[str, Any]]


def arm(variant: str, units: int, exposed: int | None = None, **other: Any) -> Arm:
    names: dict[str, Any] = {
        "asked": 0,
        "disagree": 0,
        "last_exposure_at": None,
        "last_outcome_at": None,
        "events": {},
    }
    return Arm(
        variant=variant,
        units=units,
        exposed=units if exposed is None else exposed,
        measured=(),
        **(names | other),
    )


def health(make_report: MakeReport, *arms: Arm, **other: Any) -> dict[str, Any]:
    return dict(make_report(list(arms), metrics=[], **other)["health"])


def test_sample_ratio_of_the_cookie_cats(make_report: MakeReport) -> None:
    srm = health(make_report, arm("gate_30", 44_700), arm("gate_40", 45_489))["srm"]
    assert srm["p_value"] == pytest.approx(0.0086, abs=5e-5)
    assert (srm["flagged"], srm["method"]) == (False, "chi-squared")
    assert srm["expected"] == {"gate_30": 0.5, "gate_40": 0.5}


def test_sample_ratio_with_and_without_crossovers(make_report: MakeReport) -> None:
    srm = health(make_report, arm("a", 1000, 1300), arm("b", 1300), crossovers=300)["srm"]
    assert srm["flagged"]
    assert srm["with_crossovers"] == {"p_value": pytest.approx(1.0), "flagged": False}


def test_nobody(make_report: MakeReport) -> None:
    checks = health(make_report, arm("a", 0), arm("b", 0))
    assert (checks["srm"]["p_value"], checks["srm"]["reason"]) == (None, "TOO_FEW_UNITS")
    assert checks["crossovers"] == {"units": 0, "share": 0.0, "flagged": False}


def test_an_arm_of_weight_zero(make_report: MakeReport) -> None:
    variants = [{"key": "a", "weight": 1.0}, {"key": "b", "weight": 0.0}]
    assert health(make_report, arm("a", 100), arm("b", 1), variants=variants)["srm"]["flagged"]


def test_crossovers_are_a_share_of_all_exposed(make_report: MakeReport) -> None:
    checks = health(make_report, arm("a", 45, 55), arm("b", 45, 55), crossovers=10)
    assert checks["crossovers"] == {"units": 10, "share": 0.1, "flagged": True}


@pytest.mark.parametrize(
    ("disagree", "asked", "flagged"), [(10, 999, True), (10, 1000, False), (9, 100, False)]
)
def test_disagreement_with_the_hash(
    make_report: MakeReport, disagree: int, asked: int, *, flagged: bool
) -> None:
    arms = (arm("a", 1000, asked=asked, disagree=disagree), arm("b", 1000))
    found = health(make_report, *arms)["hash_disagreement"]
    assert found == {"units": disagree, "share": disagree / asked, "flagged": flagged}
    assert health(make_report, *arms, assignment="external")["hash_disagreement"] is None


def test_last_seen_and_events(make_report: MakeReport) -> None:
    at = 1_760_000_000_000_000
    checks = health(
        make_report,
        arm("a", 10, last_exposure_at=at, last_outcome_at=at + 5, events={"buy": 2}),
        arm("b", 10, last_exposure_at=at - 1, events={"buy": 3}),
    )
    assert checks["events"] == {"buy": 5}
    assert checks["last_exposure_at"] == "2025-10-09T08:53:20Z"
    assert checks["last_outcome_at"] == "2025-10-09T08:53:20.000005Z"
