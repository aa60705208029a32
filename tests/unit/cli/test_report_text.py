"""The report in the terminal: complete, in order, within its width."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.cli.report_text import report_text
from tests.unit.console.documents import STATES

WIDE = 200


@pytest.fixture(params=STATES)
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    return STATES[request.param]()


@pytest.mark.parametrize("width", [40, 72, WIDE])
def test_every_state_can_be_shown(document: dict[str, Any], width: int) -> None:
    text = report_text(document, width, colour=False)
    flat = " ".join(text.split())
    assert "\x1b" not in text
    assert " ".join(document["decision"]["reason"].split()) in flat
    for metric in document["metrics"]:
        assert flat.count(metric["name"]) >= len(metric["comparisons"])
    assert "nan" not in flat.lower().split()
    assert "None" not in flat
    for line in text.splitlines():
        assert len(line) <= width or " " not in line.strip()


def test_the_decision_stands_before_the_health_and_the_health_before_the_numbers() -> None:
    text = report_text(STATES["retention_worse"](), WIDE, colour=False)
    order = [text.index(word) for word in ("ROLL BACK", "Health", "Metric")]
    assert order == sorted(order)


def test_a_failed_check_shows() -> None:
    assert "sample ratio FAILED" in report_text(STATES["mismatch"](), WIDE, colour=False)
    assert "crossovers FAILED" in report_text(STATES["crossed"](), WIDE, colour=False)
    said = "refused events 1,337 (naming the experiment: FIELD_TYPE 1, UNKNOWN_VARIANT 1,200)"
    assert said in report_text(STATES["mismatch"](), WIDE, colour=False).replace("\n        ", " ")
    assert "FAILED" not in report_text(STATES["win"](), WIDE, colour=False)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("segment", "running since 2026-03-08 09:30 UTC, segment Regular customers"),
        ("dry_run", "running since 2026-03-08 09:30 UTC, phase 1 (dry run)"),
        ("held_back", "shipped since 2026-03-20 08:30 UTC, phase 2 (hold-back)"),
        (
            "first_phase",
            "running since 2026-03-08 09:30 UTC, phase 1 (main) until 2026-03-20 08:30 UTC",
        ),
        ("win", "production, running since 2026-03-08 09:30 UTC, as of"),
    ],
)
def test_the_head_names_phase_and_segment(state: str, said: str) -> None:
    assert said in report_text(STATES[state](), WIDE, colour=False)


def test_three_arms_have_a_row_each() -> None:
    document = STATES["three_arms"]()
    text = report_text(document, WIDE, colour=False)
    rows = text[text.index("Metric") :].splitlines()[1:]
    pairs = [
        (metric["name"], one["variant"])
        for metric in document["metrics"]
        for one in metric["comparisons"]
    ]
    for row, (name, variant) in zip(rows, pairs, strict=False):
        assert row.startswith(name)
        assert f"  {variant}  " in row


def test_a_bayesian_plan_shows_the_chance_to_win() -> None:
    text = report_text(STATES["bayesian_win"](), WIDE, colour=False)
    document = STATES["bayesian_win"]()
    chance = document["metrics"][0]["comparisons"][0]["bayesian"]["chance_to_win"]
    assert "Chance to win" in text
    assert f"{100 * chance:.1f} %" in text


def test_a_sequential_plan_shows_always_valid_numbers() -> None:
    document = STATES["sequential_win"]()
    text = report_text(document, WIDE, colour=False)
    (comparison,) = document["metrics"][0]["comparisons"]
    lower, upper = comparison["sequential"]["lift_interval"]
    assert "Always-valid p" in text
    assert f"{comparison['sequential']['p_value']:.4f}" in text
    assert f"[{100 * lower:+.2f}, {100 * upper:+.2f}]" in text
    assert "95 % confidence sequences and always-valid p-values" in text
    assert "Read once" not in text


def test_a_metric_without_a_window_says_how_it_is_read() -> None:
    text = report_text(STATES["mixed"](), WIDE, colour=False)
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert "always valid" in rows["Purchase"]
    assert "fixed horizon" in rows["Revenue"]
    assert "Read once, at the planned size: Revenue. Without a window" in text


def test_what_cannot_be_computed_says_why() -> None:
    document = STATES["not_computable"]()
    reason = document["metrics"][0]["comparisons"][0]["reason"]
    text = report_text(document, WIDE, colour=False)
    assert reason.lower().replace("_", " ") in text


def test_colour_only_where_asked_for() -> None:
    document = STATES["win"]()
    assert "\x1b[" in report_text(document, WIDE, colour=True)
