from __future__ import annotations

import pytest

from experiments.definitions.time import SECOND, format_instant, parse_instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59Z", -SECOND),
        ("2026-01-31T09:30:00.000001Z", 1769851800 * SECOND + 1),
    ],
)
def test_reading(text: str, instant: int):
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T09:30:00",
        "2026-01-31",
        "1769851800",
        "",
        "now",
        "2026-W05-6T09:30:00Z",
        "2026-02-31T00:00:00Z",
        "20260131T093000Z",
        "2026-01-31T09:30Z",
    ],
)
def test_what_has_no_offset_is_refused(text: str):
    with pytest.raises(ValueError):
        parse_instant(text)


@pytest.mark.parametrize("instant", [0, 1, -1, 1769851800_000000, 1769851800_123456])
def test_writing_is_reading_backwards(instant: int):
    assert parse_instant(format_instant(instant)) == instant
