"""One raw item, parsed from JSON, becomes an exposure, an outcome, or a problem.

    exposure  type, event_id?, experiment, variant, unit_id + unit_type? | ids, timestamp?,
              attributes?, in_experiment?, hash_used?, overridden?
    outcome   type, event_id?, event, unit_id + unit_type? | ids, value?, timestamp?, properties?

Nothing is guessed: no number is read from a text, no text from a number, null is not "left out".
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, NoReturn

from experiments.definitions.errors import Problem
from experiments.definitions.keys import is_key
from experiments.definitions.time import Instant, parse_instant
from experiments.events.event_ids import canonical_text, digest_of
from experiments.events.records import UnitId
from experiments.events.unit_hash import unit_hash

MAX_ITEMS = 1_000
MAX_ITEM_BYTES = 32 * 1024
MAX_DEPTH = 20
MAX_ATTRIBUTES = 64
MAX_IDS = 8
MAX_UNIT_ID = 256
MAX_NAME = 200

_COMMON = ("type", "event_id", "unit_id", "unit_type", "ids", "timestamp")
_FLAGS = ("in_experiment", "hash_used", "overridden")
_FIELDS = {
    "exposure": (*_COMMON, "experiment", "variant", "attributes", *_FLAGS),
    "outcome": (*_COMMON, "event", "value", "properties"),
}
_KNOWN = {kind: frozenset(fields) for kind, fields in _FIELDS.items()}


class ExposureItem(NamedTuple):
    """`ids` are in the order of their types; `attributes` is compact JSON."""

    event_id: str | None
    experiment: str
    variant: str
    ids: tuple[UnitId, ...]
    client_at: Instant | None
    attributes: str | None
    in_experiment: bool
    hash_used: bool
    overridden: bool


class OutcomeItem(NamedTuple):
    """`digest` is that of the whole raw item; `properties` is compact JSON."""

    event_id: str | None
    event: str
    ids: tuple[UnitId, ...]
    value: float
    client_at: Instant | None
    properties: str | None
    digest: str


Item = ExposureItem | OutcomeItem


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read_item(raw: Any) -> Item | Problem:
    """Read one item of a batch; the first thing that is wrong with it comes back as a problem."""
    try:
        return _read(raw)
    except _Refused as refused:
        return refused.problem


def _read(raw: Any) -> Item:
    if not isinstance(raw, dict):
        _refuse("", "ITEM_NOT_OBJECT", f"an event is a JSON object, this is {_name_of(raw)}")
    text = _checked_text(raw)
    kind = raw.get("type")
    if not isinstance(kind, str) or kind not in _FIELDS:
        _refuse("type", "TYPE_UNKNOWN", "set `type` to 'exposure' or 'outcome'")
    unknown = raw.keys() - _KNOWN[kind]
    if unknown:
        _refuse(
            min(unknown),
            "FIELD_UNKNOWN",
            f"an {kind} has no such field; it has {', '.join(_FIELDS[kind])}",
        )
    event_id = _text(raw, "event_id", MAX_NAME) if "event_id" in raw else None
    client_at = _timestamp(raw["timestamp"]) if "timestamp" in raw else None
    ids = _ids(raw)
    if kind == "exposure":
        return ExposureItem(
            event_id=event_id,
            experiment=_text(raw, "experiment", MAX_NAME),
            variant=_text(raw, "variant", MAX_NAME),
            ids=ids,
            client_at=client_at,
            attributes=_object(raw, "attributes", MAX_ATTRIBUTES),
            in_experiment=_flag(raw, "in_experiment", absent=True),
            hash_used=_flag(raw, "hash_used", absent=True),
            overridden=_flag(raw, "overridden", absent=False),
        )
    return OutcomeItem(
        event_id=event_id,
        event=_text(raw, "event", MAX_NAME),
        ids=ids,
        value=_number(raw["value"]) if "value" in raw else 1.0,
        client_at=client_at,
        properties=_object(raw, "properties", None),
        digest=digest_of(text),
    )


def _checked_text(raw: dict[str, Any]) -> str:
    """The canonical text of an item whose depth, numbers, texts and size are in bounds."""
    if is_deeper(raw, MAX_DEPTH):
        _refuse("", "ITEM_TOO_DEEP", f"an event is at most {MAX_DEPTH} levels deep; flatten it")
    try:
        text = canonical_text(raw)
    except ValueError:
        _refuse("", "NUMBER_NOT_FINITE", "a number is NaN, infinite or endless; send finite ones")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        _refuse("", "TEXT_INVALID", "a text holds half of a surrogate pair; send valid Unicode")
    if size > MAX_ITEM_BYTES:
        _refuse(
            "",
            "ITEM_TOO_LARGE",
            f"an event is at most {MAX_ITEM_BYTES} bytes of JSON, this has {size}",
        )
    # The escape may also be the tail of an escaped backslash: look at the texts themselves.
    if "\\u0000" in text and _holds_nul(raw):
        _refuse("", "TEXT_INVALID", "a text holds the character U+0000; leave it out")
    return text


def is_deeper(value: Any, levels: int) -> bool:
    """Whether an object or a list nests more levels than these, its own counted."""
    if isinstance(value, dict):
        value = value.values()
    return levels == 0 or any(
        is_deeper(child, levels - 1) for child in value if isinstance(child, dict | list)
    )


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(child) for key, child in value.items())
    return isinstance(value, list) and any(_holds_nul(child) for child in value)


def _ids(raw: dict[str, Any]) -> tuple[UnitId, ...]:
    """Every id that the item names, in the order of the types, whatever order JSON gave them."""
    if "ids" not in raw:
        if "unit_id" not in raw:
            _refuse("unit_id", "UNIT_MISSING", "name the unit: `unit_id`, or `ids` for several")
        pairs = {_unit_type(raw.get("unit_type", "id"), "unit_type"): raw["unit_id"]}
        path = ""
    else:
        if "unit_id" in raw or "unit_type" in raw:
            _refuse(
                "ids",
                "UNIT_AMBIGUOUS",
                "`unit_id` with `unit_type` is short for one entry of `ids`; send one of the two",
            )
        pairs, path = raw["ids"], "ids."
        if not isinstance(pairs, dict) or not 1 <= len(pairs) <= MAX_IDS:
            _refuse(
                "ids",
                "IDS_INVALID",
                f"`ids` is an object of 1 to {MAX_IDS} ids by type, such as"
                ' {"user": "42", "device": "a1"}',
            )
    found = []
    for unit_type in sorted(pairs):
        name = f"{path}{_unit_type(unit_type, path + unit_type)}" if path else "unit_id"
        unit_id = _sized_text(pairs[unit_type], name, MAX_UNIT_ID)
        found.append(UnitId(unit_type, unit_id, unit_hash(unit_type, unit_id)))
    return tuple(found)


def _unit_type(value: Any, path: str) -> str:
    if not isinstance(value, str) or not is_key(value):
        _refuse(
            path,
            "UNIT_TYPE_INVALID",
            "a unit type is 1–100 letters, digits, '_', '-' and '.', such as user or device",
        )
    return value


def _text(raw: dict[str, Any], name: str, longest: int) -> str:
    if name not in raw:
        _refuse(name, "FIELD_MISSING", f"`{name}` is required here; set it")
    return _sized_text(raw[name], name, longest)


def _sized_text(value: Any, path: str, longest: int) -> str:
    if not isinstance(value, str):
        _refuse(path, "FIELD_TYPE", f"send a text in quotes, this is {_name_of(value)}")
    if not 1 <= len(value) <= longest:
        _refuse(path, "FIELD_LENGTH", f"send 1 to {longest} characters, this has {len(value)}")
    return value


def _timestamp(value: Any) -> Instant:
    if not isinstance(value, str):
        _refuse(
            "timestamp",
            "TIMESTAMP_INVALID",
            f"a timestamp is text such as 2026-01-31T09:30:00.250Z, this is {_name_of(value)}",
        )
    try:
        instant = parse_instant(value)
    except ValueError:
        _refuse(
            "timestamp",
            "TIMESTAMP_INVALID",
            "a timestamp is an RFC 3339 date and time with an offset, such as"
            " 2026-01-31T09:30:00.250Z",
        )
    if instant < 0:
        _refuse("timestamp", "TIMESTAMP_TOO_EARLY", "before 1970; send the time of the event")
    return instant


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse("value", "FIELD_TYPE", f"send a number, this is {_name_of(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        _refuse("value", "NUMBER_TOO_LARGE", "send a number whose size is below 1.8e308")
    return number


def _object(raw: dict[str, Any], name: str, most: int | None) -> str | None:
    if name not in raw:
        return None
    value = raw[name]
    if not isinstance(value, dict):
        _refuse(name, "FIELD_TYPE", f"send a JSON object, this is {_name_of(value)}")
    if most is not None and len(value) > most:
        _refuse(
            name,
            "TOO_MANY_ATTRIBUTES",
            f"at most {most}, this has {len(value)}; send those that segments need",
        )
    return canonical_text(value)


def _flag(raw: dict[str, Any], name: str, *, absent: bool) -> bool:
    value = raw.get(name, absent)
    if not isinstance(value, bool):
        _refuse(name, "FIELD_TYPE", f"send true or false, this is {_name_of(value)}")
    return value


def _name_of(value: Any) -> str:
    if value is None:
        return "null (leave the field out instead)"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "something else")


def _refuse(path: str, code: str, message: str) -> NoReturn:
    raise _Refused(Problem(path, code, message))
