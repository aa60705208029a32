"""JSON values as JSON sees them: true is not 1, 1 is 1.0, and fields have no order."""

from __future__ import annotations

from typing import Any


def same_json(one: Any, two: Any) -> bool:
    if isinstance(one, dict):
        return (
            isinstance(two, dict)
            and one.keys() == two.keys()
            and all(same_json(value, two[name]) for name, value in one.items())
        )
    if isinstance(one, list):
        return (
            isinstance(two, list)
            and len(one) == len(two)
            and all(same_json(*pair) for pair in zip(one, two, strict=True))
        )
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    return bool(one == two)
