"""What an item may look like, and what is said where it does not."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from experiments.definitions.errors import Problem
from experiments.definitions.time import parse_instant
from experiments.events.reading import (
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    MAX_ITEM_BYTES,
    ExposureItem,
    OutcomeItem,
    read_item,
)
from experiments.events.unit_hash import unit_hash

EXPOSURE = {"type": "exposure", "experiment": "checkout", "variant": "blue", "unit_id": "42"}
OUTCOME = {"type": "outcome", "event": "purchase", "unit_id": "42"}


def outcome(raw: dict[str, Any]) -> OutcomeItem:
    item = read_item(raw)
    assert isinstance(item, OutcomeItem), item
    return item


def exposure(raw: dict[str, Any]) -> ExposureItem:
    item = read_item(raw)
    assert isinstance(item, ExposureItem), item
    return item


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def test_least_outcome_has_value_one_and_the_default_type() -> None:
    item = outcome(OUTCOME)
    assert (item.event, item.value, item.event_id, item.client_at) == ("purchase", 1.0, None, None)
    assert item.properties is None
    [unit] = item.ids
    assert (unit.unit_type, unit.unit_id, unit.unit_hash) == ("id", "42", unit_hash("id", "42"))


def test_every_field_of_an_outcome() -> None:
    item = outcome(
        {
            **OUTCOME,
            "unit_type": "user",
            "event_id": "e1",
            "value": -2,
            "timestamp": "2026-01-31T10:30:00.25+01:00",
            "properties": {"b": [1, {"c": None}], "a": "é"},
        }
    )
    assert item.event_id == "e1"
    assert item.value == -2.0
    assert item.client_at == parse_instant("2026-01-31T09:30:00.25Z")
    assert item.properties == '{"a":"é","b":[1,{"c":null}]}'
    assert item.ids[0].unit_type == "user"


def test_least_exposure_counts() -> None:
    item = exposure(EXPOSURE)
    assert (item.in_experiment, item.hash_used, item.overridden) == (True, True, False)
    assert item.attributes is None


def test_flags_and_attributes_of_an_exposure() -> None:
    flags = {"in_experiment": False, "hash_used": False, "overridden": True}
    item = exposure({**EXPOSURE, **flags, "attributes": {"country": "FR"}})
    assert (item.in_experiment, item.hash_used, item.overridden) == (False, False, True)
    assert item.attributes == '{"country":"FR"}'


def test_ids_come_in_the_order_of_their_types_however_they_were_written() -> None:
    one = {"type": "outcome", "event": "e", "ids": {"user": "42", "device": "a1"}}
    other = {"ids": {"device": "a1", "user": "42"}, "event": "e", "type": "outcome"}
    assert outcome(one) == outcome(other)
    assert [unit.unit_type for unit in outcome(one).ids] == ["device", "user"]


def test_digest_tells_bodies_apart() -> None:
    assert outcome(OUTCOME).digest != outcome({**OUTCOME, "value": 1}).digest
    assert outcome(OUTCOME).digest == outcome(dict(reversed(OUTCOME.items()))).digest


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z"),
        ("2026-01-31t09:30:00z", "2026-01-31T09:30:00Z"),
        ("2026-01-31 09:30:00-00:00", "2026-01-31T09:30:00Z"),
        ("2026-01-31T09:30:00.123456789Z", "2026-01-31T09:30:00.123456Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_timestamps(text: str, same: str) -> None:
    assert outcome({**OUTCOME, "timestamp": text}).client_at == parse_instant(same)


@pytest.mark.parametrize(
    ("raw", "code", "path"),
    [
        (None, "ITEM_NOT_OBJECT", ""),
        ([OUTCOME], "ITEM_NOT_OBJECT", ""),
        ("purchase", "ITEM_NOT_OBJECT", ""),
        ({}, "TYPE_UNKNOWN", "type"),
        ({**OUTCOME, "type": "click"}, "TYPE_UNKNOWN", "type"),
        ({**OUTCOME, "type": ["outcome"]}, "TYPE_UNKNOWN", "type"),
        ({**OUTCOME, "amount": 1}, "FIELD_UNKNOWN", "amount"),
        ({**OUTCOME, "variant": "blue"}, "FIELD_UNKNOWN", "variant"),
        ({**EXPOSURE, "value": 1}, "FIELD_UNKNOWN", "value"),
        ({"type": "outcome", "unit_id": "42"}, "FIELD_MISSING", "event"),
        ({"type": "exposure", "variant": "b", "unit_id": "4"}, "FIELD_MISSING", "experiment"),
        ({"type": "exposure", "experiment": "b", "unit_id": "4"}, "FIELD_MISSING", "variant"),
        ({**OUTCOME, "event": 5}, "FIELD_TYPE", "event"),
        ({**OUTCOME, "event": ""}, "FIELD_LENGTH", "event"),
        ({**OUTCOME, "event": "x" * 201}, "FIELD_LENGTH", "event"),
        ({**OUTCOME, "event_id": None}, "FIELD_TYPE", "event_id"),
        ({**OUTCOME, "event_id": "x" * 201}, "FIELD_LENGTH", "event_id"),
        ({"type": "outcome", "event": "e"}, "UNIT_MISSING", "unit_id"),
        ({"type": "outcome", "event": "e", "unit_type": "user"}, "UNIT_MISSING", "unit_id"),
        ({**OUTCOME, "unit_id": 42}, "FIELD_TYPE", "unit_id"),
        ({**OUTCOME, "unit_id": ""}, "FIELD_LENGTH", "unit_id"),
        ({**OUTCOME, "unit_id": "x" * 257}, "FIELD_LENGTH", "unit_id"),
        ({**OUTCOME, "unit_type": "a b"}, "UNIT_TYPE_INVALID", "unit_type"),
        ({**OUTCOME, "unit_type": "user\n"}, "UNIT_TYPE_INVALID", "unit_type"),
        ({**OUTCOME, "unit_type": 3}, "UNIT_TYPE_INVALID", "unit_type"),
        ({**OUTCOME, "ids": {"user": "42"}}, "UNIT_AMBIGUOUS", "ids"),
        ({"type": "outcome", "event": "e", "ids": {}}, "IDS_INVALID", "ids"),
        ({"type": "outcome", "event": "e", "ids": ["42"]}, "IDS_INVALID", "ids"),
        (
            {"type": "outcome", "event": "e", "ids": {f"t{n}": "1" for n in range(9)}},
            "IDS_INVALID",
            "ids",
        ),
        ({"type": "outcome", "event": "e", "ids": {"user": 42}}, "FIELD_TYPE", "ids.user"),
        ({"type": "outcome", "event": "e", "ids": {"!": "42"}}, "UNIT_TYPE_INVALID", "ids.!"),
        ({**OUTCOME, "value": "1"}, "FIELD_TYPE", "value"),
        ({**OUTCOME, "value": True}, "FIELD_TYPE", "value"),
        ({**OUTCOME, "value": None}, "FIELD_TYPE", "value"),
        ({**OUTCOME, "value": math.nan}, "NUMBER_NOT_FINITE", ""),
        ({**OUTCOME, "value": math.inf}, "NUMBER_NOT_FINITE", ""),
        ({**OUTCOME, "properties": {"deep": [-math.inf]}}, "NUMBER_NOT_FINITE", ""),
        ({**OUTCOME, "value": 10**400}, "NUMBER_TOO_LARGE", "value"),
        ({**OUTCOME, "properties": [1]}, "FIELD_TYPE", "properties"),
        ({**EXPOSURE, "attributes": "FR"}, "FIELD_TYPE", "attributes"),
        ({**EXPOSURE, "in_experiment": 0}, "FIELD_TYPE", "in_experiment"),
        ({**EXPOSURE, "overridden": None}, "FIELD_TYPE", "overridden"),
        ({**OUTCOME, "timestamp": 1767225600}, "TIMESTAMP_INVALID", "timestamp"),
        ({**OUTCOME, "timestamp": "1767225600"}, "TIMESTAMP_INVALID", "timestamp"),
        ({**OUTCOME, "timestamp": "2026-01-31T09:30:00"}, "TIMESTAMP_INVALID", "timestamp"),
        ({**OUTCOME, "timestamp": "2026-01-31"}, "TIMESTAMP_INVALID", "timestamp"),
        ({**OUTCOME, "timestamp": "20260131T093000Z"}, "TIMESTAMP_INVALID", "timestamp"),
        ({**OUTCOME, "timestamp": "2026-02-31T09:30:00Z"}, "TIMESTAMP_INVALID", "timestamp"),
        ({**OUTCOME, "timestamp": "2026-01-31T09:30:00+30:00"}, "TIMESTAMP_INVALID", "timestamp"),
        ({**OUTCOME, "timestamp": "٢٠٢٦-01-31T09:30:00Z"}, "TIMESTAMP_INVALID", "timestamp"),
        ({**OUTCOME, "timestamp": "0001-01-01T00:00:00Z"}, "TIMESTAMP_TOO_EARLY", "timestamp"),
        ({**OUTCOME, "timestamp": "0001-01-01T00:00:00+14:00"}, "TIMESTAMP_TOO_EARLY", "timestamp"),
        ({**OUTCOME, "event": "a\0b"}, "TEXT_INVALID", ""),
        ({**OUTCOME, "properties": {"a": ["\0"]}}, "TEXT_INVALID", ""),
        ({**OUTCOME, "properties": {"\0": 1}}, "TEXT_INVALID", ""),
        ({**OUTCOME, "unit_id": "\ud800"}, "TEXT_INVALID", ""),
        ({**OUTCOME, "properties": {"note": "x" * MAX_ITEM_BYTES}}, "ITEM_TOO_LARGE", ""),
        ({**OUTCOME, "properties": nested(MAX_DEPTH)}, "ITEM_TOO_DEEP", ""),
        ({**OUTCOME, "properties": nested(900)}, "ITEM_TOO_DEEP", ""),
        (
            {**EXPOSURE, "attributes": {str(n): n for n in range(MAX_ATTRIBUTES + 1)}},
            "TOO_MANY_ATTRIBUTES",
            "attributes",
        ),
    ],
)
def test_refusals(raw: Any, code: str, path: str) -> None:
    problem = read_item(raw)
    assert isinstance(problem, Problem), problem
    assert (problem.code, problem.path) == (code, path)
    assert problem.message


def test_limits_themselves_are_allowed() -> None:
    assert outcome({**OUTCOME, "properties": nested(MAX_DEPTH - 1)})
    assert exposure({**EXPOSURE, "attributes": {str(n): n for n in range(MAX_ATTRIBUTES)}})
    assert outcome({**OUTCOME, "event": "x" * 200, "unit_id": "y" * 256, "event_id": "z" * 200})
    room = MAX_ITEM_BYTES - len(
        json.dumps({**OUTCOME, "properties": {"a": ""}}, separators=(",", ":"))
    )
    assert outcome({**OUTCOME, "properties": {"a": "x" * room}})
    assert isinstance(read_item({**OUTCOME, "properties": {"a": "x" * (room + 1)}}), Problem)


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert outcome({**OUTCOME, "event": "\\u0000"}).event == "\\u0000"


def test_an_unknown_field_is_answered_with_the_known_ones() -> None:
    problem = read_item({**OUTCOME, "amount": 1})
    assert isinstance(problem, Problem)
    for name in ("event_id", "unit_id", "ids", "value", "timestamp", "properties"):
        assert name in problem.message
