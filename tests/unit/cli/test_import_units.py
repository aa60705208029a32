"""One row per unit: what a column means, which events a row stands for, what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from experiments.cli.importing.reading import BadLine, Line
from experiments.cli.importing.units import Mapping, OutcomeColumn, UnitRows, survey
from experiments.definitions.errors import Invalid, Problem
from experiments.definitions.time import parse_instant
from experiments.events.reading import MAX_NAME, read_item

MAPPING = Mapping("gate", "unit", "arm", (OutcomeColumn("did", "did"),), None)


def line(number: int = 2, **cells: Any) -> Line:
    return Line(number, cells, "the text")


def rows(mapping: Mapping = MAPPING, *, numeric: set[str] | None = None) -> UnitRows:
    return UnitRows(
        mapping, variants=frozenset({"a", "b"}), unit_type="user", numeric=numeric or set()
    )


def value_of(cell: Any, *, numeric: bool) -> Any:
    """The outcome's value for a cell, None for no outcome, the code where it is refused."""
    items = rows(numeric={"did"} if numeric else set()).items(line(unit="1", arm="a", did=cell))
    if isinstance(items, BadLine):
        return items.code
    return items[1].get("value", 1) if len(items) > 1 else None


def test_a_row_is_an_exposure_and_its_outcomes() -> None:
    mapping = Mapping(
        "gate",
        "unit",
        "arm",
        (OutcomeColumn("came back", "back"), OutcomeColumn("spent", "spent")),
        "at",
    )
    at = "2026-01-31T09:30:00+01:00"
    items = rows(mapping, numeric={"spent"}).items(
        line(unit="42", arm="b", back="True", spent="1.5", at=at)
    )
    common = {"unit_id": "42", "unit_type": "user", "timestamp": at}
    assert items == [
        {"type": "exposure", "experiment": "gate", "variant": "b", **common},
        {
            "type": "outcome",
            "event": "came back",
            "event_id": "import:gate:came back:42",
            **common,
        },
        {
            "type": "outcome",
            "event": "spent",
            "event_id": "import:gate:spent:42",
            "value": 1.5,
            **common,
        },
    ]
    assert not any(isinstance(read_item(item), Problem) for item in items)


@pytest.mark.parametrize("cell", ["true", "TRUE", " yes ", "1", "1.0", True, 1, 1.0, Decimal(1)])
def test_yes(cell: Any) -> None:
    assert value_of(cell, numeric=False) == 1


@pytest.mark.parametrize("cell", ["false", "No", "0", "", "  ", None, False, 0, 0.0])
def test_no(cell: Any) -> None:
    assert value_of(cell, numeric=False) is None


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("2.5", 2.5), ("-3", -3.0), ("1e3", 1000.0), (7, 7.0), (Decimal("0.5"), 0.5), ("1", 1.0)],
)
def test_numbers(cell: Any, expected: float) -> None:
    assert value_of(cell, numeric=True) == expected


@pytest.mark.parametrize("cell", ["0", "0.0", "-0", 0, 0.0, "", None])
def test_nought_and_blank_are_no_outcome(cell: Any) -> None:
    assert value_of(cell, numeric=True) is None


@pytest.mark.parametrize(
    ("cell", "numeric", "code"),
    [
        ("maybe", False, "VALUE_INVALID"),
        ("2", False, "VALUE_INVALID"),
        ("true", True, "VALUE_INVALID"),
        (True, True, "VALUE_INVALID"),
        ("1,5", True, "VALUE_INVALID"),
        ("1_000", True, "VALUE_INVALID"),
        ([1], True, "VALUE_INVALID"),
        ("nan", True, "VALUE_NOT_FINITE"),
        ("1e999", True, "VALUE_NOT_FINITE"),
        (math.inf, True, "VALUE_NOT_FINITE"),
        (10**400, True, "VALUE_NOT_FINITE"),
    ],
)
def test_cells_that_are_refused(cell: Any, numeric: bool, code: str) -> None:
    assert value_of(cell, numeric=numeric) == code


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"unit": "", "arm": "a"}, "UNIT_MISSING"),
        ({"arm": "a"}, "UNIT_MISSING"),
        ({"unit": 1.0, "arm": "a"}, "UNIT_INVALID"),
        ({"unit": "1", "arm": " "}, "VARIANT_MISSING"),
        ({"unit": "1", "arm": "c"}, "UNKNOWN_VARIANT"),
    ],
)
def test_rows_that_are_refused(cells: dict[str, Any], code: str) -> None:
    refused = rows().items(line(9, **cells))
    assert isinstance(refused, BadLine)
    assert (refused.number, refused.code, refused.text) == (9, code, "the text")


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("", "TIMESTAMP_MISSING"),
        (None, "TIMESTAMP_MISSING"),
        ("2026-01-31 09:30:00", "TIMESTAMP_INVALID"),
        ("yesterday", "TIMESTAMP_INVALID"),
        (datetime(2026, 1, 31), "TIMESTAMP_INVALID"),  # noqa: DTZ001 — no offset is the point
    ],
)
def test_times_that_are_refused(at: Any, code: str) -> None:
    refused = rows(replace(MAPPING, exposed_at="at")).items(line(unit="1", arm="a", at=at))
    assert isinstance(refused, BadLine)
    assert refused.code == code


def test_typed_cells_name_units_and_variants() -> None:
    both = UnitRows(MAPPING, variants=frozenset({"true"}), unit_type="id", numeric=set())
    items = both.items(line(unit=42, arm=True))
    assert isinstance(items, list)
    assert (items[0]["unit_id"], items[0]["variant"]) == ("42", "true")


def test_event_ids_are_stable_distinct_and_short_enough() -> None:
    def event_id(event: str, unit: str) -> str:
        mapping = replace(MAPPING, outcomes=(OutcomeColumn(event, "did"),))
        items = rows(mapping).items(line(unit=unit, arm="a", did="1"))
        assert isinstance(items, list)
        found: str = items[1]["event_id"]
        return found

    long = "x" * 256
    assert event_id("did", long) == event_id("did", long)
    assert len(event_id("did", long)) <= MAX_NAME
    ids = {event_id("a:b", "c"), event_id("a", "b:c"), event_id("did", long), event_id("do", long)}
    assert len(ids) == 4


def test_the_survey_tells_numbers_from_yes_and_no() -> None:
    seen = survey(
        [
            line(unit="1", arm="a", did="1"),
            line(unit="2", arm="b", did="0"),
            BadLine(3, "ROW_UNREADABLE", "", ""),
            line(unit="3", arm="b", did="nonsense"),
            line(unit="4", arm="", did="nan"),
        ],
        MAPPING,
    )
    assert seen.variants == {"a": 1, "b": 2}
    assert seen.numeric == set()
    assert survey([line(unit="1", arm="a", did="2")], MAPPING).numeric == {"did"}
    assert survey([line(unit="1", arm="a", did=True)], MAPPING).numeric == set()


def test_the_survey_finds_the_earliest_time() -> None:
    mapping = replace(MAPPING, exposed_at="at")
    times = ("2026-01-02T00:00:00Z", "2026-01-02T00:30:00+01:00", "rubbish")
    lines = [line(unit="1", arm="a", did="1", at=at) for at in times]
    assert survey(lines, mapping).earliest == parse_instant("2026-01-01T23:30:00Z")
    assert survey(
        [line(unit="1", arm="a", did="1", at=datetime(2026, 1, 2, tzinfo=UTC))], mapping
    ).earliest == parse_instant(times[0])


def test_the_survey_refuses_columns_that_cannot_be_meant() -> None:
    with pytest.raises(Invalid, match="more than 50"):
        survey([line(unit="1", arm=str(n), did="1") for n in range(60)], MAPPING)
    with pytest.raises(Invalid, match="'did'"):
        survey([line(unit="1", arm="a")], MAPPING)
