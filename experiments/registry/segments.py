"""What may change of a segment by which audiences choose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from experiments.definitions.errors import Conflict, Invalid
from experiments.definitions.feature import Feature
from experiments.definitions.segment import Segment
from experiments.registry.defined import Defined, is_live
from experiments.registry.definitions import Definitions
from experiments.registry.references import condition_problems, named_segments
from experiments.store.definitions import SEGMENTS


class Segments(Definitions[Segment]):
    """While an experiment that has started goes by a segment, only its name may change."""

    subject = "segment"
    shelf = SEGMENTS

    def _check(self, defined: Defined, record: Segment) -> None:
        after = defined.with_record("segment", record)
        problems = condition_problems(after, record.condition or {}, "condition")
        if problems:
            raise Invalid.of(list(problems))

    def _check_revision(self, defined: Defined, before: Segment, after: Segment) -> None:
        if before.group == after.group:
            return
        affected = _affected(defined, before.key)
        started = [
            key
            for key, standing in defined.experiments.items()
            if is_live(standing) and _names(standing.experiment.audience, affected)
        ]
        if started:
            raise Conflict(
                "SEGMENT_IN_USE",
                f"{before.key!r} is in the audience of {', '.join(started)}, which has started:"
                " units that are in would drop out; create another segment",
            )
        changed = defined.with_record("segment", after)
        for user, condition in _conditions(defined):
            if not _names(condition, affected):
                continue
            problems = condition_problems(changed, condition, user)
            if problems:
                raise Conflict(
                    "SEGMENT_IN_USE",
                    f"{user} names {before.key!r} and could not be read any more:"
                    f" {problems[0].message}",
                    problems,
                )

    def _check_deletion(self, defined: Defined, record: Segment) -> None:
        users = [
            user
            for user, condition in _conditions(defined)
            if record.key in named_segments(condition)
        ]
        if users:
            named_by = ", ".join(dict.fromkeys(users))
            raise Conflict(
                "SEGMENT_IN_USE",
                f"{record.key!r} is named by {named_by}; take it out there first, or keep it where"
                " an experiment that has started goes by it",
            )


def _affected(defined: Defined, key: str) -> frozenset[str]:
    """The segment and those that name it, whatever the way."""
    affected = {key}
    while True:
        more = {
            segment.key
            for segment in defined.segments.values()
            if _names(segment.condition, affected)
        }
        if more <= affected:
            return frozenset(affected)
        affected |= more


def _names(condition: Any, segments: frozenset[str] | set[str]) -> bool:
    return not named_segments(condition).isdisjoint(segments)


def _conditions(defined: Defined) -> Iterator[tuple[str, Any]]:
    """Every condition of the environment, and who holds it."""
    for segment in defined.segments.values():
        yield f"the segment {segment.key!r}", segment.condition or {}
    for feature in defined.features.values():
        for condition in _of_feature(feature):
            yield f"the feature {feature.key!r}", condition
    for standing in defined.experiments.values():
        experiment = standing.experiment
        yield f"the experiment {experiment.key!r}", experiment.audience
        for one in experiment.prerequisites:
            yield f"the experiment {experiment.key!r}", one.condition


def _of_feature(feature: Feature) -> Iterator[Any]:
    for prerequisite in feature.prerequisites:
        yield prerequisite.condition
    for rule in feature.rules:
        yield rule.condition or {}
        for prerequisite in rule.prerequisites:
            yield prerequisite.condition
