"""Batches that take several statements: verdicts and rows are those of small ones."""

from __future__ import annotations

from typing import Any

from experiments.definitions.time import HOUR, SECOND, format_instant
from experiments.store import tables


def test_overlapping_batches_of_outcomes(log: Any) -> None:
    first = [log.outcome(f"e{n:04}", value=n / 7) for n in range(250)]
    second = [log.outcome(f"e{n:04}", value=n / 7) for n in range(120, 470)]
    second[7]["value"] = -1
    assert log.statuses(*first) == ["stored"] * 250
    expected = ["duplicate"] * 130 + ["stored"] * 220
    expected[7] = "conflict"
    assert log.statuses(*second) == expected
    rows = log.rows(tables.outcomes)
    assert [(row["event_id"], row["value"]) for row in rows] == [
        (f"e{n:04}", n / 7) for n in range(470)
    ]


def test_a_large_batch_of_earlier_exposures(log: Any) -> None:
    def seen(at: int, units: range) -> list[dict[str, Any]]:
        return [log.exposure(f"u{n:04}", timestamp=format_instant(at)) for n in units]

    late, early = log.started + 2 * HOUR, log.started + HOUR
    assert log.statuses(*seen(late, range(250))) == ["stored"] * 250
    again = [*seen(early, range(150)), *seen(late + SECOND, range(150, 260))]
    assert log.statuses(*again) == ["duplicate"] * 250 + ["stored"] * 10
    rows = log.rows(tables.exposures)
    assert [row["first_at"] for row in rows] == (
        [early] * 150 + [late] * 100 + [late + SECOND] * 10
    )
