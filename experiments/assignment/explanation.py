"""An explanation as a record: its steps by stable codes, and how figures are put into sentences."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from experiments.assignment.buckets import Range
from experiments.assignment.evaluate import Assignment
from experiments.definitions.experiment import Document

PASSED, STOPPED, DECIDED, SKIPPED = "passed", "stopped", "decided", "skipped"
OUTCOMES = (PASSED, STOPPED, DECIDED, SKIPPED)
STEPS = (
    "unit",
    "state",
    "override",
    "feature",
    "feature_prerequisite",
    "earlier_rule",
    "holdout",
    "prerequisite",
    "layer",
    "audience",
    "sticky",
    "phase",
    "hash",
    "shipped",
    "paused",
)
_LONGEST = 100  # characters of a value in a sentence


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """`step` is one of `STEPS`; `figures` are what the detail says, by stable names."""

    step: str
    outcome: str
    detail: str
    figures: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A step is there where the experiment has something to decide in it."""

    assignment: Assignment
    steps: tuple[ExplainedStep, ...]


def going_on(step: str, detail: str, figures: Document, *, stops: bool) -> ExplainedStep:
    """A step that stops the unit or lets it go on."""
    return ExplainedStep(step, STOPPED if stops else PASSED, detail, figures)


def holds_text(holds: bool) -> str:  # noqa: FBT001 — one word for one truth
    return "that holds" if holds else "that does not hold"


def shown(value: Any) -> str:
    """JSON on one line, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def ranges_text(ranges: tuple[Range, ...]) -> str:
    return ", ".join(f"[{low:g}, {high:g})" for low, high in ranges) or "(none)"
