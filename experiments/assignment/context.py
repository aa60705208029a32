"""Whom an evaluation is about, and what is forced upon it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from experiments.assignment import javascript
from experiments.assignment.conditions import Attributes
from experiments.assignment.sticky import StickyDocuments


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a tester forces: variations by experiment, values by feature, or by query string.

    Without `enabled` nobody enters an experiment; in `qa_mode` only who is forced in.
    """

    url: str = ""
    variations: Mapping[str, int] = field(default_factory=dict)
    features: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True
    qa_mode: bool = False


NO_OVERRIDES = Overrides()


@dataclass(frozen=True, slots=True)
class Context:
    """`sticky` holds the unit's documents by their keys; None where nothing is to stick."""

    attributes: Attributes
    overrides: Overrides = NO_OVERRIDES
    sticky: StickyDocuments | None = None

    def unit(self, attribute: str, fallback: str | None = None) -> tuple[str, Any]:
        """The attribute that names the unit and its value; "" where there is none."""
        value = self.attributes.get(attribute)
        if javascript.truthy(value):
            return attribute, value
        if fallback is not None:
            value = self.attributes.get(fallback)
            if javascript.truthy(value):
                return fallback, value
        return attribute, ""
