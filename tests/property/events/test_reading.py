"""Whatever JSON comes in, an item is read or a problem says why not."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from experiments.definitions.errors import Problem
from experiments.definitions.time import format_instant
from experiments.events.clocks import BatchClock
from experiments.events.dead_letters import dead_letter
from experiments.events.event_ids import canonical_text, digest_of
from experiments.events.reading import ExposureItem, OutcomeItem, read_item

LAST = 253_402_300_799_000_000  # the end of the year 9999

# Python's parser takes NaN, Infinity and lone surrogates, so that the intake must expect them.
texts = st.text(st.characters(exclude_categories=()), max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(
    [
        "type",
        "event_id",
        "unit_id",
        "unit_type",
        "ids",
        "timestamp",
        "experiment",
        "variant",
        "attributes",
        "in_experiment",
        "hash_used",
        "overridden",
        "event",
        "value",
        "properties",
    ]
)
bases = st.sampled_from(
    [
        {},
        {"type": "exposure", "experiment": "e", "variant": "v", "unit_id": "u"},
        {"type": "outcome", "event": "e", "unit_id": "u"},
        {"type": "outcome", "event": "e", "ids": {"user": "u", "device": "d"}},
    ]
)
items = st.builds(lambda base, extra: {**base, **extra}, bases, st.dictionaries(fields, values))


@given(values | items)
def test_nothing_raises_and_every_problem_says_something(raw: Any) -> None:
    read = read_item(raw)
    if isinstance(read, Problem):
        assert read.code
        assert read.message
        letter = dead_letter("production", raw, read, key_selector="s", received_at=0)
        assert letter.body.isascii()
        assert "\0" not in letter.body
        assert canonical_or_none(json.loads(letter.body)) == canonical_or_none(raw)
    else:
        assert all(1 <= len(one.unit_id) <= 256 for one in read.ids)
        for text in (read.event_id, *(one.unit_id for one in read.ids)):
            assert text is None or (text.encode() and "\0" not in text)
        if isinstance(read, OutcomeItem):
            assert math.isfinite(read.value)
            assert read.digest == digest_of(canonical_text(raw))
        else:
            assert isinstance(read, ExposureItem)


def canonical_or_none(raw: Any) -> str:
    return json.dumps(raw, sort_keys=True)


@given(items, st.randoms())
def test_the_order_of_fields_means_nothing(raw: dict[str, Any], random: Any) -> None:
    shuffled = list(raw.items())
    random.shuffle(shuffled)
    assert repr(read_item(dict(shuffled))) == repr(read_item(raw))


@given(
    received_at=st.integers(10**15, LAST),
    sent_at=st.none() | st.integers(-(10**17), LAST),
    client_at=st.none() | st.integers(0, LAST),
)
def test_a_time_is_always_one_that_can_be_and_be_written(
    received_at: int, sent_at: int | None, client_at: int | None
) -> None:
    moment = BatchClock(received_at, sent_at).place(client_at)
    assert 0 <= moment.at <= received_at + 86_400_000_000
    assert moment.client_at == client_at
    assert moment.clamped <= (moment.clock == "server")
    if moment.at <= LAST:
        assert format_instant(moment.at)


@given(
    skew=st.integers(-(10**13), 10**13),
    gap=st.integers(0, 10**9),
    client_at=st.integers(10**15, 2 * 10**15),
)
def test_within_one_batch_order_and_distance_are_kept(skew: int, gap: int, client_at: int) -> None:
    sent_at = client_at + gap
    clock = BatchClock(sent_at + skew, sent_at)
    first, second = clock.place(client_at), clock.place(client_at + gap)
    assert second.at - first.at == gap
