"""What the page on one unit shows: its assignment and the steps to it, as texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError

from api.console.words import Words
from api.json_body import NotJson, parse_json
from api.schemas.strict import check_json, is_storable
from experiments.assignment.explanation import DECIDED, STOPPED, Explanation
from experiments.definitions.experiment import Document, Experiment

EXAMPLE = '{"country": "FR"}'
LONGEST = 256  # characters of a unit id

Explain = Callable[[str, str, str | None, Document], tuple[Explanation, Document, bool]]


@dataclass(frozen=True, slots=True)
class Asked:
    """The form as it was sent; `unit` is None where it is yet to be."""

    unit: str | None
    attributes: str


@dataclass(frozen=True, slots=True)
class ShownStep:
    title: str
    outcome: str
    detail: str
    figures: tuple[tuple[str, str], ...]
    ends: bool


@dataclass(frozen=True, slots=True)
class ExplainPage:
    """`facts` and `steps` are empty where nothing was asked, or what was asked is a `problem`."""

    key: str
    name: str
    unit_label: str
    unit: str
    attributes: str
    problem: str
    facts: tuple[tuple[str, str], ...] = ()
    steps: tuple[ShownStep, ...] = ()


def explain_page(
    experiment: Experiment, asked: Asked, explain: Explain, words: Words
) -> ExplainPage:
    """`explain` takes key, unit, type and attributes; without a type, that of the experiment."""
    problem, attributes = "", _attributes(asked.attributes)
    if asked.unit is not None and not (0 < len(asked.unit) <= LONGEST and is_storable(asked.unit)):
        problem = words("explain.not_unit")
    elif attributes is None:
        problem = words("explain.not_json", example=EXAMPLE)
    facts: tuple[tuple[str, str], ...] = ()
    steps: tuple[ShownStep, ...] = ()
    if asked.unit is not None and attributes is not None and not problem:
        explanation, assignment, _ = explain(experiment.key, asked.unit, None, attributes)
        facts = _facts(assignment, words)
        steps = _steps(explanation, words)
    return ExplainPage(
        key=experiment.key,
        name=experiment.name,
        unit_label=words("explain.unit_type", unit_type=experiment.unit_type),
        unit=asked.unit or "",
        attributes=asked.attributes,
        problem=problem,
        facts=facts,
        steps=steps,
    )


def _attributes(text: str) -> dict[str, Any] | None:
    """None where the text is no JSON object that the service takes; empty text is {}."""
    try:
        found = parse_json(text.encode("utf-8", "surrogatepass")) if text.strip() else {}
        check_json(found)
    except (NotJson, ValidationError):
        return None
    return found if isinstance(found, dict) else None


def _facts(assignment: Mapping[str, Any], words: Words) -> tuple[tuple[str, str], ...]:
    inside = words("explain.yes" if assignment["in_experiment"] else "explain.no")
    return (
        (words("explain.variant"), assignment["variant"] or words("none")),
        (words("explain.value"), _json(assignment["value"])),
        (words("explain.reason"), assignment["reason"]),
        (words("explain.in_experiment"), inside),
    )


def _steps(explanation: Explanation, words: Words) -> tuple[ShownStep, ...]:
    return tuple(
        ShownStep(
            title=words(f"explain.step.{one.step}"),
            outcome=words(f"explain.outcome.{one.outcome}"),
            detail=one.detail,
            figures=tuple(
                (words(f"explain.figure.{name}"), _figure(name, value, words))
                for name, value in one.figures.items()
                if value is not None
            ),
            ends=one.outcome in {STOPPED, DECIDED},
        )
        for one in explanation.steps
    )


def _figure(name: str, value: Any, words: Words) -> str:
    if name == "status":
        return words(f"status.{value}")
    if name in {"phase_kind", "kind"}:
        return words(f"phase.{value}")
    if name == "ranges":
        return ", ".join(_range(one) for one in value) or words("none")
    return value if isinstance(value, str) else _json(value)


def _range(one: Any) -> str:
    """A variant's range, or one of a layer's; what begins is in it, what ends is not."""
    if isinstance(one, dict):
        return f"{one['variant']} {_range(one['range'])}"
    low, high = one
    return f"[{low:.6g}, {high:.6g})"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
