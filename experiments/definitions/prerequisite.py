"""A feature whose value must fulfil a condition before something else has its turn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """`condition` looks at {"value": the feature's}, such as {"value": true}."""

    feature: str
    condition: Document


def prerequisites_from(documents: Iterable[Document]) -> tuple[Prerequisite, ...]:
    return tuple(Prerequisite(one["feature"], one["condition"]) for one in documents)


def prerequisites_to(prerequisites: Iterable[Prerequisite]) -> list[Document]:
    return [{"feature": one.feature, "condition": one.condition} for one in prerequisites]
