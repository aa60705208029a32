"""One experiment and one unit: which variation, and which step decided.

The order of the steps is that of the GrowthBook SDKs, read straight down in `decide`. A variation
that the unit was given before skips filters, condition and prerequisites.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from experiments.assignment import javascript
from experiments.assignment.buckets import choose, within
from experiments.assignment.context import Context, Overrides
from experiments.assignment.specs import ExperimentSpec, Filter, Parent
from experiments.assignment.sticky import document_key, is_blocked, kept_variation
from experiments.assignment.urls import is_targeted, query_string_override

Prerequisites = Callable[[tuple[Parent, ...]], bool]


class Step(StrEnum):
    """Where the decision fell."""

    TOO_FEW_VARIATIONS = "too few variations"
    DISABLED = "experiments are switched off"
    URL = "the URL is not targeted"
    QUERY_STRING = "forced by the query string"
    FORCED = "forced for this unit"
    INACTIVE = "the experiment is not active"
    NO_UNIT = "the attribute that names the unit is empty"
    FILTER = "filtered out"
    NAMESPACE = "outside the namespace"
    CONDITION = "the condition does not hold"
    PREREQUISITE = "a prerequisite does not hold"
    HASH_VERSION = "the version of the hash is not known"
    BLOCKED = "assigned under a version that is blocked"
    COVERAGE = "outside the coverage"
    FORCED_FOR_ALL = "forced for everybody who would be in"
    QA_MODE = "only forced variations in QA mode"
    STOPPED = "the experiment is stopped"
    STICKY = "kept from before"
    HASH = "by the hash"


class Decision(NamedTuple):
    """`variation` is -1 where the unit is not in; `position` that of the hash in [0, 1)."""

    step: Step
    variation: int = -1
    position: float | None = None

    @property
    def hash_used(self) -> bool:
        return self.step in {Step.HASH, Step.STICKY}


_OUT = {step: Decision(step) for step in Step}


def none_holds(_parents: tuple[Parent, ...]) -> bool:
    """For a run that can look no prerequisite up."""
    return False


def decide(
    spec: ExperimentSpec,
    context: Context,
    unit: str | None,
    prerequisites: Prerequisites = none_holds,
) -> Decision:
    """What the experiment gives a unit; `unit` is the text that is hashed, None where none is."""
    imposed = _imposed(spec, context.overrides)
    if imposed is not None:
        return imposed
    if unit is None:
        return _OUT[Step.NO_UNIT]
    kept, blocked = _kept(spec, context) if sticks(spec, context) else (None, False)
    if kept is None:
        shut = _shut_out(spec, context, unit, prerequisites)
        if shut is not None:
            return _OUT[shut]
    position = spec.position(unit)
    if position is None:
        return _OUT[Step.HASH_VERSION]
    if blocked:
        return _OUT[Step.BLOCKED]
    chosen = kept if kept is not None else choose(position, spec.ranges)
    if chosen is None:
        return _OUT[Step.COVERAGE]
    if spec.force is not None:
        return Decision(Step.FORCED_FOR_ALL, spec.force)
    if context.overrides.qa_mode:
        return _OUT[Step.QA_MODE]
    if spec.stopped:
        return _OUT[Step.STOPPED]
    return Decision(Step.HASH if kept is None else Step.STICKY, chosen, position)


def _imposed(spec: ExperimentSpec, overrides: Overrides) -> Decision | None:
    """What holds whoever the unit is."""
    count = len(spec.variations)
    if count < 2:
        return _OUT[Step.TOO_FEW_VARIATIONS]
    if not overrides.enabled:
        return _OUT[Step.DISABLED]
    if spec.url_targets is not None and not is_targeted(overrides.url, spec.url_targets):
        return _OUT[Step.URL]
    asked = query_string_override(spec.key, overrides.url, count) if overrides.url else None
    if asked is not None:
        return Decision(Step.QUERY_STRING, asked)
    if spec.key in overrides.variations:
        return Decision(Step.FORCED, overrides.variations[spec.key])
    return None if spec.active else _OUT[Step.INACTIVE]


def is_filtered_out(filters: tuple[Filter, ...], context: Context) -> bool:
    for one in filters:
        _, value = context.unit(one.attribute)
        position = None if value == "" else one.position(javascript.text(value))
        if position is None or not within(position, one.ranges):
            return True
    return False


def sticks(spec: ExperimentSpec, context: Context) -> bool:
    return context.sticky is not None and spec.sticky


def fallback_of(spec: ExperimentSpec, context: Context) -> str | None:
    """A fallback attribute only counts where what it gives is kept."""
    return spec.fallback_attribute if sticks(spec, context) else None


def _shut_out(
    spec: ExperimentSpec, context: Context, unit: str, prerequisites: Prerequisites
) -> Step | None:
    if spec.filters is not None:
        if is_filtered_out(spec.filters, context):
            return Step.FILTER
    elif spec.namespace is not None:
        position = spec.namespace.position(unit)
        if position is None or not within(position, (spec.namespace.range,)):
            return Step.NAMESPACE
    if spec.condition is not None and not spec.condition(context.attributes):
        return Step.CONDITION
    if spec.parents and not prerequisites(spec.parents):
        return Step.PREREQUISITE
    return None


def _kept(spec: ExperimentSpec, context: Context) -> tuple[int | None, bool]:
    """The variation that the unit's documents keep, and whether they keep it from entering."""
    assignments = kept_assignments(spec, context)
    if is_blocked(spec, assignments):
        return None, True
    return kept_variation(spec, assignments), False


def kept_assignments(spec: ExperimentSpec, context: Context) -> dict[str, str]:
    """What the unit's documents keep, those of the fallback attribute among them."""
    documents = context.sticky or {}
    assignments: dict[str, str] = {}
    for attribute in (spec.fallback_attribute or "id", spec.hash_attribute):
        _, value = context.unit(attribute)
        document = documents.get(document_key(attribute, javascript.text(value)))
        if document is not None:
            assignments.update(document.assignments)
    return assignments
