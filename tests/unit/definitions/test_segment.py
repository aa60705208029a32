"""A segment as conditions name it."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.assignment.conditions import compile_condition
from experiments.definitions.errors import Invalid
from experiments.definitions.segment import segment_from_document, segment_to_document


@pytest.mark.parametrize(
    ("fields", "inside", "outside"),
    [
        ({"condition": {"country": "CH"}}, {"country": "CH"}, {"country": "US"}),
        ({"condition": {}}, {}, None),
        ({"attribute": "id", "values": ["ann"]}, {"id": "ann"}, {"id": "bob"}),
        ({"attribute": "id", "values": []}, None, {"id": "bob"}),
        ({"attribute": "team", "values": ["us"]}, {"team": ["them", "us"]}, {}),
    ],
)
def test_who_is_in(
    fields: dict[str, Any], inside: dict[str, Any] | None, outside: dict[str, Any] | None
) -> None:
    segment = segment_from_document({"key": "s", **fields})
    named = compile_condition({"$savedGroup": {"id": "s"}}, groups={"s": segment.group})
    assert inside is None or named(inside)
    assert outside is None or not named(outside)
    assert segment_from_document(segment_to_document(segment)) == segment


@pytest.mark.parametrize(
    "fields", [{}, {"condition": {}, "attribute": "id"}, {"condition": {}, "values": ["ann"]}]
)
def test_it_is_one_of_the_two(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        segment_from_document({"key": "s", **fields})
    assert {one.code for one in caught.value.problems} == {"SEGMENT_AMBIGUOUS"}
