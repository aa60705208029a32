"""A segment: units by a condition over attributes, or by a list of an attribute's values.

Audiences name one as a saved group, `{"$savedGroup": {"id": KEY}}`, or a list as `$inGroup`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments.definitions.errors import Invalid, Problem
from experiments.definitions.keys import KEY_RULE, is_key

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Segment:
    """Either `condition`, or `attribute` with the `values` that are in."""

    key: str
    name: str
    condition: Document | None = None
    attribute: str | None = None
    values: tuple[Any, ...] = ()

    @property
    def group(self) -> Document:
        """As the condition language takes a saved group."""
        if self.condition is not None:
            return {"type": "condition", "condition": self.condition}
        return {"type": "list", "attributeKey": self.attribute, "values": list(self.values)}


def segment_from_document(document: Document) -> Segment:
    """Fill the defaults and check the rules; raises `Invalid`. The shape is already checked."""
    segment = Segment(
        key=document["key"],
        name=document.get("name") or document["key"],
        condition=document.get("condition"),
        attribute=document.get("attribute"),
        values=tuple(document.get("values") or ()),
    )
    problems: list[Problem] = []
    if not is_key(segment.key):
        problems.append(Problem("key", "KEY_INVALID", f"{segment.key!r} is not a key: {KEY_RULE}"))
    if (segment.condition is None) == (segment.attribute is None):
        problems.append(
            Problem(
                "condition",
                "SEGMENT_AMBIGUOUS",
                "a segment has either a `condition`, or an `attribute` with a list of `values`",
            )
        )
    if segment.attribute is None and segment.values:
        problems.append(Problem("values", "SEGMENT_AMBIGUOUS", "`values` go with an `attribute`"))
    if problems:
        raise Invalid.of(problems)
    return segment


def segment_to_document(segment: Segment) -> Document:
    return {
        "key": segment.key,
        "name": segment.name,
        "condition": segment.condition,
        "attribute": segment.attribute,
        "values": list(segment.values),
    }
