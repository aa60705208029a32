"""Items that are read many at once give what they give one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.definitions.time import DAY, SECOND, format_instant, parse_instant, parse_instants
from experiments.events.clocks import BatchClock
from experiments.events.plain import read_exposures, settle_outcomes
from experiments.events.reading import MAX_DEPTH, MAX_ITEM_BYTES, OutcomeItem, read_item
from experiments.events.records import OutcomeRecord
from experiments.events.settling import settle_outcome

RECEIVED_AT = 1_767_225_600 * SECOND


def nested(levels: int) -> Any:
    return {"a": nested(levels - 1)} if levels > 1 else {"a": 1}


texts = st.text(max_size=8) | st.text(st.characters(exclude_categories=()), max_size=8)
odd = st.sampled_from(
    ["", "a" * 200, "a" * 201, "a" * 257, "😀" * 200, '"', "\\", "\0", "\\u0000", "\n", "\x7f",
     "\u2028", "\xa0", "\xad", "\ud800", "%s", "%", None, True, 1, 1.5, [], {}]
)  # fmt: skip
numbers = st.integers() | st.floats() | st.sampled_from([10**308, 10**400, -0.0, 1e22, 5e-324])
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=6
)
objects = st.dictionaries(texts, values, max_size=3) | st.sampled_from(
    [nested(MAX_DEPTH - 1), nested(MAX_DEPTH), {"a": "x" * MAX_ITEM_BYTES}, {"a": "\\u0000"}]
)
times = st.integers(0, RECEIVED_AT + 3 * DAY).map(format_instant) | st.sampled_from(
    ["2026-01-01T00:00:00.1234567Z", "2026-01-01t00:00:00z", "2026-01-01 00:00:00+01:00",
     "2026-01-01T24:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00", "1969-12-31T23:59:59Z",
     "2026-01-01T00:00:00Z\n", "٢026-01-01T00:00:00Z", "1970-01-01T00:00:00+00:01", "2026-W01-1"]
)  # fmt: skip
good = {
    "type": st.just("outcome"),
    "event": st.sampled_from(["purchase", "grün"]),
    "unit_id": st.uuids().map(str),
    "event_id": st.uuids().map(str),
    "unit_type": st.sampled_from(["user", "device"]),
    "value": st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False),
    "timestamp": st.integers(0, RECEIVED_AT + DAY).map(format_instant),
    "properties": st.dictionaries(st.text("ab"), st.text("cd") | st.integers()),
}
good_exposure = {
    "type": st.just("exposure"),
    "experiment": st.sampled_from(["checkout", "grün"]),
    "variant": st.sampled_from(["blue", "red"]),
    **{name: good[name] for name in ("unit_id", "event_id", "unit_type", "timestamp")},
    "attributes": good["properties"],
    "in_experiment": st.booleans(),
    "hash_used": st.booleans(),
    "overridden": st.booleans(),
}
bad = {
    "type": st.sampled_from(["exposure", "outcomes", None]),
    "event": texts | odd,
    "unit_id": texts | odd,
    "event_id": texts | odd,
    "unit_type": texts | odd,
    "value": numbers | odd,
    "timestamp": times | odd,
    "properties": objects | odd,
    "experiment": texts | odd,
    "variant": texts | odd,
    "attributes": objects
    | odd
    | st.sampled_from([64, 65]).map(lambda size: {str(n): n for n in range(size)}),
    "in_experiment": odd,
    "overridden": odd,
    "ids": st.just({"user": "u", "device": "d"}),
    "unknown": scalars,
}
skews = st.none() | st.sampled_from([0, SECOND, -DAY, DAY, 2 * DAY, RECEIVED_AT])


@st.composite
def batches(draw: st.DrawFn) -> list[Any]:
    """Items with some fields in common, a few of them odd."""
    of_kind = draw(st.sampled_from([good, good_exposure]))
    fields = draw(st.permutations(sorted(of_kind)))
    left_out = draw(st.sets(st.sampled_from(fields), max_size=4))
    shape = {name: of_kind[name] for name in fields if name not in left_out}
    items = draw(st.lists(st.fixed_dictionaries(shape), min_size=1, max_size=6))
    for item in draw(st.lists(st.sampled_from(items), max_size=2)):
        name = draw(st.sampled_from(sorted(bad)))
        item[name] = draw(bad[name])
    return [*items, *draw(st.lists(values, max_size=1))]


def one_by_one(raw: Any, clock: BatchClock) -> OutcomeRecord | None:
    item = read_item(raw)
    if not isinstance(item, OutcomeItem):
        return None
    return settle_outcome("production", item, clock.place(item.client_at), clock.received_at)


@given(batches(), skews)
def test_as_one_by_one(items: list[Any], skew: int | None):
    clock = BatchClock(RECEIVED_AT, None if skew is None else RECEIVED_AT - skew)
    for raw, record in zip(items, settle_outcomes("production", items, clock), strict=True):
        if record is None:
            continue
        expected = one_by_one(raw, clock)
        assert expected is not None
        if "event_id" not in raw and "timestamp" not in raw:  # its id is made anew each time
            expected = expected._replace(event_id=record.event_id)
        # repr tells 1 from 1.0 and 0.0 from -0.0.
        assert repr(record) == repr(expected)


@given(batches())
def test_exposures_as_one_by_one(items: list[Any]):
    for raw, item in zip(items, read_exposures(items), strict=True):
        if item is not None:
            assert repr(item) == repr(read_item(raw))


@pytest.mark.parametrize(
    ("of_kind", "needed"),
    [
        (good, ("type", "event", "unit_id")),
        (good_exposure, ("type", "experiment", "variant", "unit_id")),
    ],
)
@given(data=st.data())
def test_good_items_are_plain(of_kind: dict[str, Any], needed: tuple[str], data: st.DataObject):
    """So that the comparisons above are not of nothing."""
    optional = data.draw(st.sets(st.sampled_from(sorted(of_kind.keys() - needed))))
    shape = {name: of_kind[name] for name in (*needed, *sorted(optional))}
    items = data.draw(st.lists(st.fixed_dictionaries(shape), min_size=1, max_size=6))
    parsed = json.loads(json.dumps(items))
    clock = BatchClock(RECEIVED_AT, None)
    settled, read = settle_outcomes("production", parsed, clock), read_exposures(parsed)
    plain, other = (settled, read) if of_kind is good else (read, settled)
    assert None not in plain
    assert set(other) == {None}


@given(st.lists(times, max_size=4))
def test_many_times_are_read_as_one(stamps: list[str]):
    def read_each() -> list[int] | None:
        try:
            return [parse_instant(one) for one in stamps]
        except ValueError:
            return None

    def read_all() -> list[int] | None:
        try:
            return parse_instants(stamps)
        except ValueError:
            return None

    assert read_all() == read_each()
