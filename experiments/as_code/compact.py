"""Definitions as people write them: without what would be the same if it were left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from experiments.as_code.kinds import BY_SUBJECT
from experiments.as_code.shapes import Check, ListOf, Shape
from experiments.definitions.errors import Invalid
from experiments.definitions.json_values import same_json

Document = dict[str, Any]


def compact(subject: str, definition: Document) -> Document:
    """The shortest document that means the same, in the order of the kind's fields."""
    kind = BY_SUBJECT[subject]
    whole = kind.normal(definition)
    document: Document = _copy(whole)

    def is_same() -> bool:
        try:
            return same_json(kind.normal(document), whole)
        except Invalid:
            return False

    _shorten(document, kind.shape, is_same)
    ordered: Document = _ordered(document, kind.shape)
    return ordered


def _shorten(value: Any, check: Check, is_same: Callable[[], bool]) -> None:
    """Take optional fields out of `value`, in place, as long as the whole stays the same."""
    if isinstance(check, ListOf) and isinstance(value, list):
        for one in reversed(value):  # the first variant is the control only if no other says so
            _shorten(one, check.check, is_same)
    elif isinstance(check, Shape) and isinstance(value, dict):
        for name, field in check.fields.items():
            if name not in value:
                continue
            if not (field.required or field.placed):
                taken = value.pop(name)
                if is_same():
                    continue
                value[name] = taken
            _shorten(value[name], field.check, is_same)


def _ordered(value: Any, check: Check) -> Any:
    if isinstance(check, ListOf) and isinstance(value, list):
        return [_ordered(one, check.check) for one in value]
    if isinstance(check, Shape) and isinstance(value, dict):
        return {
            name: _ordered(value[name], field.check)
            for name, field in check.fields.items()
            if name in value
        }
    return value


def _copy(value: Any) -> Any:
    """Objects and lists anew, so that fields may be taken out."""
    if isinstance(value, dict):
        return {name: _copy(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_copy(inner) for inner in value]
    return value
