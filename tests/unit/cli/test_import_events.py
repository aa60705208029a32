"""A file of events: cells become the fields of an item."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from experiments.cli.importing.events import event_of
from experiments.cli.importing.reading import BadLine, Line
from experiments.definitions.errors import Problem
from experiments.events.reading import read_item


def event(**cells: Any) -> Any:
    return event_of(Line(5, cells, ""))


def test_texts_of_csv() -> None:
    items = event(
        type="exposure",
        event_id="",
        experiment="gate",
        variant="a",
        ids='{"user": "42", "device": "d1"}',
        timestamp="2026-01-31T09:30:00Z",
        attributes='{"country": "DE"}',
        hash_used="false",
        value="",
    )
    assert items == [
        {
            "type": "exposure",
            "experiment": "gate",
            "variant": "a",
            "ids": {"user": "42", "device": "d1"},
            "timestamp": "2026-01-31T09:30:00Z",
            "attributes": {"country": "DE"},
            "hash_used": False,
        }
    ]
    assert not isinstance(read_item(items[0]), Problem)


def test_values_of_parquet() -> None:
    (item,) = event(
        type="outcome",
        event="spent",
        ids=[("user", "42")],
        properties={"sku": "x", "colour": None},
        value=Decimal("2.50"),
        timestamp=datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
        event_id=None,
    )
    assert item["ids"] == {"user": "42"}
    assert item["properties"] == {"sku": "x"}
    assert item["value"] == 2.5
    assert not isinstance(read_item(item), Problem)


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"value": "much"}, "VALUE_INVALID"),
        ({"overridden": "perhaps"}, "VALUE_INVALID"),
        ({"attributes": "{"}, "VALUE_INVALID"),
        ({"timestamp": datetime(2026, 1, 31)}, "VALUE_INVALID"),  # noqa: DTZ001
        ({"event": "spent"}, "ID_OR_TIME_MISSING"),
    ],
)
def test_lines_that_are_refused(cells: dict[str, Any], code: str) -> None:
    refused = event(type="outcome", unit_id="1", **cells)
    assert isinstance(refused, BadLine)
    assert (refused.number, refused.code) == (5, code)
    assert "unit_id" in refused.text
