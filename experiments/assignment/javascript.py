"""JSON values as JavaScript converts and compares them.

The SDKs follow the one in JavaScript, and the same condition has to hold in all of them: a text
that holds a number is compared as one, a missing attribute is null, an id that is a number is
hashed as JavaScript writes it.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

_EXACT = 2**53  # JavaScript has only doubles
_NESTED = 50  # deeper lists and objects are neither written out nor equal to anything
_SPACES = (
    "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_DECIMAL = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_OTHER_BASE = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


def truthy(value: Any) -> bool:
    if isinstance(value, dict | list):
        return True
    return bool(value) and value == value  # noqa: PLR0124 — NaN is falsy


def text(value: Any, nested: int = _NESTED) -> str:
    """What `String(value)` gives."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number_text(value)
    if isinstance(value, list):
        if nested == 0:
            return ""
        return ",".join("" if one is None else text(one, nested - 1) for one in value)
    return "[object Object]"


def number(value: Any) -> float:
    """What `Number(value)` gives; NaN where it is none, which compares as false."""
    if isinstance(value, int | float):  # a bool is an int
        return double(value)
    if value is None:
        return 0.0
    if not isinstance(value, str):
        value = text(value)
    stripped = value.strip(_SPACES)
    if not stripped:
        return 0.0
    if _DECIMAL.fullmatch(stripped):
        return float(stripped)
    if _OTHER_BASE.fullmatch(stripped):
        return double(int(stripped, 0))
    return math.nan


def double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def identity(value: Any) -> Any:
    """A key that two primitives share where `===` holds; None for a list or an object.

    Python takes True for 1, and tells integers apart that are one double.
    """
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, str):
        return ("text", value)
    if isinstance(value, int | float):
        return double(value)
    return "null" if value is None else None


def same_json(one: Any, two: Any, nested: int = _NESTED) -> bool:
    """Whether two values are written alike by `JSON.stringify`, the order of keys included."""
    if isinstance(one, list):
        return (
            isinstance(two, list)
            and len(one) == len(two)
            and nested > 0
            and all(same_json(a, b, nested - 1) for a, b in zip(one, two, strict=True))
        )
    if isinstance(one, dict):
        return (
            isinstance(two, dict)
            and _keys(one) == _keys(two)
            and nested > 0
            and all(same_json(value, two[key], nested - 1) for key, value in one.items())
        )
    key = identity(one)
    return key is not None and key == identity(two)


def code_units(value: str) -> bytes:
    """Bytes that sort as JavaScript sorts texts: by UTF-16 code units, not by code points."""
    return value.encode("utf-16-be", "surrogatepass")


def as_object(value: Any) -> dict[str, Any]:
    """What the parts of a dotted path may find in a value; nothing in a primitive."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {**{str(index): one for index, one in enumerate(value)}, "length": len(value)}
    return {}


def look_up(value: Any, keys: tuple[str, ...]) -> Any:
    """The value at a path, None where there is none; a list has indices and a length."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list):
            if key == "length":
                value = len(value)
            elif _INDEX.fullmatch(key) and int(key) < len(value):
                value = value[int(key)]
            else:
                return None
        else:
            return None
    return value


def _number_text(value: float) -> str:
    if isinstance(value, int) and -_EXACT <= value <= _EXACT:
        return str(value)
    value = double(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return repr(value).replace("e-0", "e-")


def _keys(value: dict[str, Any]) -> list[str]:
    """In the order of JavaScript: indices first, by number."""
    return sorted(value, key=lambda key: (0, int(key)) if _INDEX.fullmatch(key) else (1, 0))
