"""Many plain items at once, column by column: what `reading` and `settling` do one by one.

Items of a batch mostly have the same fields, and nothing is wrong with them. Such items are turned
into columns, each of which is checked and converted as a whole. Where anything of a group of
items with the same fields is out of the ordinary, the group is not plain and is read one by one,
so that every refusal is said in one place. Plain or not, an item gives the same.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import repeat
from typing import Any, TypeVar

from experiments.definitions.keys import is_key
from experiments.definitions.time import parse_instants
from experiments.events.clocks import BatchClock
from experiments.events.event_ids import canonical_text, id_from_content, new_id
from experiments.events.reading import (
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    MAX_ITEM_BYTES,
    MAX_NAME,
    MAX_UNIT_ID,
    ExposureItem,
    is_deeper,
)
from experiments.events.records import OutcomeRecord, UnitId
from experiments.events.unit_hash import unit_hash, unit_hashes

_OPTIONAL = frozenset({"event_id", "unit_type", "timestamp"})
_NEEDED = {
    "exposure": frozenset({"type", "experiment", "variant", "unit_id"}),
    "outcome": frozenset({"type", "event", "unit_id"}),
}
_FLAGS = {"in_experiment": True, "hash_used": True, "overridden": False}  # where it is left out
_KNOWN = {
    "exposure": _NEEDED["exposure"] | _OPTIONAL | _FLAGS.keys() | {"attributes"},
    "outcome": _NEEDED["outcome"] | _OPTIONAL | {"value", "properties"},
}
_LENGTHS = {
    "event_id": MAX_NAME,
    "unit_id": MAX_UNIT_ID,
    "timestamp": MAX_NAME,
    "experiment": MAX_NAME,
    "variant": MAX_NAME,
    "event": MAX_NAME,
}
_ATTRIBUTES_BYTES = MAX_ITEM_BYTES - 8_192  # the other fields of an exposure take less than these

Column = Sequence[Any]
Columns = dict[str, Column]
T = TypeVar("T")


class _NotPlain(Exception):
    """Something in a group is to be looked at item by item."""


def settle_outcomes(
    environment: str, items: Sequence[Any], clock: BatchClock
) -> list[OutcomeRecord | None]:
    """The record of each outcome that is plain, None for every other item, in their order."""
    return _by_columns(items, "outcome", lambda columns: _settled(environment, columns, clock))


def read_exposures(items: Sequence[Any]) -> list[ExposureItem | None]:
    """Each exposure that is plain, None for every other item, in their order."""
    return _by_columns(items, "exposure", _exposures)


def _by_columns(
    items: Sequence[Any], kind: str, convert: Callable[[Columns], Iterable[T]]
) -> list[T | None]:
    places: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, raw in enumerate(items):
        if type(raw) is dict and raw.get("type") == kind:
            places[tuple(raw)].append(place)
    found: list[T | None] = [None] * len(items)
    for names, group in places.items():
        if not (_KNOWN[kind].issuperset(names) and _NEEDED[kind].issubset(names)):
            continue
        # All have their fields in the same order, so that values alone make the columns.
        values = zip(*(items[place].values() for place in group), strict=True)
        columns: Columns = dict(zip(names, values, strict=True))
        try:
            for name, longest in _LENGTHS.items():
                _check_texts(columns.get(name, ()), longest)
            for place, converted in zip(group, convert(columns), strict=True):
                found[place] = converted
        except (_NotPlain, ValueError, OverflowError):
            continue
    return found


def _exposures(columns: Columns) -> Iterable[ExposureItem]:
    count = len(columns["type"])
    for name in _FLAGS:
        _check_types(columns.get(name, ()), {bool})
    attributes: Iterable[str | None] = repeat(None)
    if "attributes" in columns:
        attributes = texts = list(map(_object, columns["attributes"]))
        if (
            max(map(len, columns["attributes"])) > MAX_ATTRIBUTES
            or max(map(len, map(str.encode, texts))) > _ATTRIBUTES_BYTES
        ):
            raise _NotPlain
    unit_types = columns.get("unit_type", ("id",) * count)
    units = zip(
        unit_types, columns["unit_id"], _hashes(unit_types, columns["unit_id"]), strict=True
    )
    return map(
        ExposureItem._make,
        zip(
            columns.get("event_id", repeat(None)),
            columns["experiment"],
            columns["variant"],
            zip(map(UnitId._make, units), strict=True),
            _times(columns) if "timestamp" in columns else repeat(None),
            attributes,
            *(columns.get(name, repeat(absent)) for name, absent in _FLAGS.items()),
            strict=False,  # what was left out repeats for ever
        ),
    )


def _settled(environment: str, columns: Columns, clock: BatchClock) -> Iterable[OutcomeRecord]:
    count = len(columns["type"])
    written = dict(columns)  # as they stand in the canonical text
    values: Iterable[float] = repeat(1.0)
    if "value" in columns:
        values = _numbers(columns["value"])
        written["value"] = list(map(repr, columns["value"]))
    properties: Iterable[str | None] = repeat(None)
    if "properties" in columns:
        properties = written["properties"] = list(map(_object, columns["properties"]))
    digests = _digests(written)
    at: Iterable[int] = repeat(clock.received_at)
    client_at: Iterable[int | None] = repeat(None)
    unit_types = columns.get("unit_type", ("id",) * count)
    made = (new_id() for _ in range(count))
    if "timestamp" in columns:
        times = _times(columns)
        at, client_at = _corrected(times, clock), times
        made = (id_from_content(*pair) for pair in zip(digests, times, strict=True))
    return map(
        OutcomeRecord._make,
        zip(
            repeat(environment),
            columns.get("event_id", made),
            columns["event"],
            unit_types,
            columns["unit_id"],
            _hashes(unit_types, columns["unit_id"]),
            values,
            at,
            repeat("client" if "timestamp" in columns else "server"),
            client_at,
            repeat(clock.received_at),
            repeat(False),
            properties,
            digests,
            repeat(()),
            repeat(()),
        ),
    )


def _check_texts(column: Column, longest: int) -> None:
    """Texts that JSON writes as they are, between quotes.

    `isprintable` is narrower than that, and quick: it holds no control and no surrogate.
    """
    if not column:
        return
    _check_types(column, {str})
    lengths = list(map(len, column))
    joined = "".join(column)
    if (
        min(lengths) < 1
        or max(lengths) > longest
        or not joined.isprintable()
        or '"' in joined
        or "\\" in joined
    ):
        raise _NotPlain


def _check_types(column: Column, types: set[type]) -> None:
    if not set(map(type, column)) <= types:
        raise _NotPlain


def _numbers(column: Column) -> list[float]:
    _check_types(column, {int, float})
    numbers = list(map(float, column))
    if not all(map(math.isfinite, numbers)):
        raise _NotPlain
    return numbers


def _object(value: Any) -> str:
    if type(value) is not dict or is_deeper(value, MAX_DEPTH - 1):
        raise _NotPlain
    text = canonical_text(value)
    if "\\u0000" in text:
        raise _NotPlain
    return text


def _digests(written: Columns) -> list[str]:
    """Those of the items' canonical texts."""
    names = tuple(sorted(written))
    texts = map(_template(names).__mod__, zip(*(written[name] for name in names), strict=True))
    encoded = list(map(str.encode, texts))
    if max(map(len, encoded)) > MAX_ITEM_BYTES:
        raise _NotPlain
    return [blake2b(text, digest_size=16).hexdigest() for text in encoded]


@lru_cache
def _template(names: tuple[str, ...]) -> str:
    pairs = (f'"{one}":%s' if one in {"value", "properties"} else f'"{one}":"%s"' for one in names)
    return f"{{{','.join(pairs)}}}"


def _times(columns: Columns) -> list[int]:
    times = parse_instants(columns["timestamp"])
    if min(times) < 0:
        raise _NotPlain
    return times


def _corrected(times: list[int], clock: BatchClock) -> list[int]:
    skew = clock.skew
    at = [time + skew for time in times] if skew else times
    if not clock.is_possible(min(at)) or not clock.is_possible(max(at)):
        raise _NotPlain
    return at


def _hashes(unit_types: Column, unit_ids: Column) -> Sequence[int]:
    _check_types(unit_types, {str})
    distinct = set(unit_types)
    if not all(map(is_key, distinct)):
        raise _NotPlain
    if len(distinct) == 1:
        return unit_hashes(unit_types[0], unit_ids)
    return list(map(unit_hash, unit_types, unit_ids))
