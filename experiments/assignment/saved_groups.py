"""Segments in conditions: put in where a condition names them, or published as lists of members.

No SDK knows `$savedGroup` by itself, but all know `$inGroup` and the lists of a payload.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from experiments.definitions.experiment import Document
from experiments.definitions.segment import Segment


class SavedGroups:
    """`named` are the lists that conditions asked for so far, by segment."""

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._segments = {segment.key: segment for segment in segments}
        self.named: dict[str, list[Any]] = {}

    def inlined(self, condition: Any, within: frozenset[str] = frozenset()) -> Any:
        """The condition as every SDK reads it."""
        if isinstance(condition, list):
            return [self.inlined(part, within) for part in condition]
        if not isinstance(condition, dict):
            return condition
        for operator in ("$inGroup", "$notInGroup"):
            self._name(condition.get(operator))
        plain = {
            name: self.inlined(operand, within)
            for name, operand in condition.items()
            if name != "$savedGroup"
        }
        if "$savedGroup" not in condition:
            return plain
        group = self._group(condition["$savedGroup"], within)
        return {"$and": [plain, group]} if plain else group

    def _group(self, reference: Any, within: frozenset[str]) -> Document:
        """What a reference stands for; one that makes no sense stays, and matches nobody."""
        key = reference.get("id") if isinstance(reference, dict) else None
        segment = self._segments.get(key) if isinstance(key, str) else None
        if segment is None or segment.key in within:
            return {"$savedGroup": reference}
        if segment.condition is not None:
            inner: Document = self.inlined(segment.condition, within | {segment.key})
            return inner
        self._name(segment.key)
        attribute = reference.get("attributeKey") or segment.attribute
        return {str(attribute): {"$inGroup": segment.key}}

    def _name(self, key: Any) -> None:
        segment = self._segments.get(key) if isinstance(key, str) else None
        if segment is not None and segment.attribute is not None:
            self.named[segment.key] = list(segment.values)
