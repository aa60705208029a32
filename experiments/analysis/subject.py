"""What a report is about: an experiment, one of its phases, everybody in it or a segment."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from experiments.analysis.task import Part
from experiments.definitions.errors import NotFound
from experiments.definitions.lifecycle import Phase, Standing
from experiments.definitions.segment import Segment
from experiments.registry.references import named_segments
from experiments.store.database import Database
from experiments.store.definitions import SEGMENTS, Stored
from experiments.store.experiments import find_standing


@dataclass(frozen=True, slots=True)
class Subject:
    """`phase` is None for a draft, `segment` None for everybody.

    `segment_id` is "" for everybody, else names the segment and what it and those that it names
    say: a segment may be deleted and created anew with other values.
    """

    standing: Standing
    phase: Phase | None
    segment: Segment | None = None
    segment_id: str = ""
    part: Part | None = None

    @property
    def name(self) -> tuple[str, str, int, str]:
        """What tells it from every other; the revision of the experiment aside."""
        return (
            self.standing.environment,
            self.standing.experiment.key,
            0 if self.phase is None else self.phase.number,
            self.segment_id,
        )


def find_subject(
    database: Database, environment: str, key: str, phase: int | None, segment: str | None
) -> Subject:
    """The latest phase where `phase` is None.

    Raises `NotFound` EXPERIMENT_NOT_FOUND, PHASE_NOT_FOUND, SEGMENT_NOT_FOUND.
    """
    with database.read() as connection:
        standing = find_standing(connection, environment, key)
        if standing is None:
            raise NotFound(
                "EXPERIMENT_NOT_FOUND",
                f"there is no experiment {key!r} in this environment; create it",
            )
        chosen = _phase(standing, phase)
        if segment is None:
            return Subject(standing, chosen)
        stored = {one.record.key: one for one in SEGMENTS.all(connection, environment)}
    if segment not in stored:
        raise NotFound(
            "SEGMENT_NOT_FOUND",
            f"there is no segment {segment!r} in this environment; create it, or leave `segment`"
            " out for everybody",
        )
    record = stored[segment].record
    part = Part(
        condition={"$savedGroup": {"id": segment}},
        groups={name: stored[name].record.group for name in _needed(segment, stored)},
    )
    return Subject(standing, chosen, record, _id(record, part), part)


def _id(segment: Segment, part: Part) -> str:
    said = json.dumps([segment.name, part.groups], sort_keys=True)
    digest = hashlib.blake2b(said.encode(), digest_size=8).hexdigest()
    return f"{segment.key}@{digest}"


def _phase(standing: Standing, number: int | None) -> Phase | None:
    if number is None:
        return standing.phase
    for phase in standing.phases:
        if phase.number == number:
            return phase
    known = ", ".join(str(phase.number) for phase in standing.phases) or "none yet"
    raise NotFound(
        "PHASE_NOT_FOUND",
        f"{standing.experiment.key!r} has no phase {number}; its phases are {known}",
    )


def _needed(segment: str, stored: dict[str, Stored[Segment]]) -> set[str]:
    """The segment and all that it names, however far."""
    found: set[str] = set()
    waiting = {segment}
    while waiting:
        one = waiting.pop()
        found.add(one)
        waiting |= (named_segments(stored[one].record.condition) & stored.keys()) - found
    return found
