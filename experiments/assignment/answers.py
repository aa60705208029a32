"""What is asked of the picture, and the answer with all that is to be logged and kept of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from experiments.assignment.evaluate import (
    ERROR,
    Assignment,
    CompiledExperiment,
    evaluate,
    outside,
)
from experiments.assignment.picture import EnvironmentPicture, Live
from experiments.assignment.sticky import StickyDocument, StickyDocuments
from experiments.assignment.visit import FeatureValue, Visit
from experiments.definitions.errors import NotFound, Problem


@dataclass(frozen=True, slots=True)
class Met:
    """A variant that a unit met on the way to an answer, and the id that was hashed."""

    experiment: str
    variant: str
    unit_type: str
    unit_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`assignments` in the order asked for; `met` is what to log, holdouts among it."""

    assignments: list[Assignment]
    visit: Visit | None
    unit_type: str
    unit_id: str

    @property
    def met(self) -> list[Met]:
        runs = [] if self.visit is None else self.visit.exposures
        of_runs = [Met(run.spec.key, run.key, run.hash_attribute, run.unit) for run in runs]
        known = {one.experiment for one in of_runs}
        alone = [
            Met(one.experiment, one.variant, self.unit_type, self.unit_id)
            for one in self.assignments
            if one.in_experiment and one.variant is not None and one.experiment not in known
        ]
        return [*alone, *of_runs]

    @property
    def to_stick(self) -> list[StickyDocument]:
        return [] if self.visit is None else self.visit.sticky_documents


def assign(
    picture: EnvironmentPicture,
    unit_id: str,
    unit_type: str,
    attributes: Mapping[str, Any],
    keys: Sequence[str] | None = None,
    sticky: StickyDocuments | None = None,
) -> Answer:
    """What a unit gets in the named experiments, or in all of its type that are no drafts.

    A name that is not known, or of another unit type, is answered with an error of its own;
    `NotFound` where none of the names is known.
    """
    seen = {**attributes, unit_type: unit_id}
    tested = picture.is_tester(seen)
    asked: Sequence[Live | str]
    positions: Iterable[float | None]
    if keys is None:
        crowd = picture.crowds.get(unit_type)
        if crowd is None:
            return Answer([], None, unit_type, unit_id)
        asked, positions = crowd.experiments, crowd.seeds.buckets(unit_id)
        if crowd.alone and not tested:
            quick = [
                evaluate(live.compiled, unit_id, seen, position)
                for live, position in zip(asked, positions, strict=True)
            ]
            return Answer(quick, None, unit_type, unit_id)
    else:
        positions = repeat(None)
        asked = [picture.experiments.get(key, key) for key in keys]
        if all(isinstance(one, str) for one in asked):
            raise NotFound("EXPERIMENT_NOT_FOUND", f"there is no experiment {', '.join(keys)}")
    visit: Visit | None = None
    found: list[Assignment] = []
    for one, position in zip(asked, positions, strict=False):
        if isinstance(one, str):
            found.append(_unknown(one))
        elif one.compiled.experiment.unit_type != unit_type:
            found.append(_mistyped(one.compiled))
        elif one.compiled.alone and not tested:
            found.append(evaluate(one.compiled, unit_id, seen, position))
        else:
            visit = visit or Visit(picture, seen, sticky)
            found.append(visit.assignment(one.compiled))
    return Answer(found, visit, unit_type, unit_id)


def feature_value(
    picture: EnvironmentPicture,
    key: str,
    attributes: Mapping[str, Any],
    sticky: StickyDocuments | None = None,
) -> tuple[FeatureValue, Visit]:
    """What a feature gives the unit whose ids are among the attributes; `NotFound`."""
    if key not in picture.features:
        raise NotFound(
            "FEATURE_NOT_FOUND",
            f"there is no feature {key!r}, and no experiment that has started fills it",
        )
    visit = Visit(picture, attributes, sticky)
    return visit.value(key), visit


def all_values(
    picture: EnvironmentPicture,
    attributes: Mapping[str, Any],
    sticky: StickyDocuments | None = None,
) -> tuple[list[FeatureValue], Visit]:
    """What every feature gives that unit, in the order of the keys."""
    visit = Visit(picture, attributes, sticky)
    return [visit.value(key) for key in picture.feature_keys], visit


def _unknown(key: str) -> Assignment:
    error = Problem("", "EXPERIMENT_NOT_FOUND", f"there is no experiment {key!r}")
    return Assignment(key, key, None, None, ERROR, in_experiment=False, error=error)


def _mistyped(compiled: CompiledExperiment) -> Assignment:
    experiment = compiled.experiment
    error = Problem(
        "unit_type",
        "UNIT_TYPE_MISMATCH",
        f"{experiment.key!r} assigns units of type {experiment.unit_type!r}",
    )
    return outside(experiment, compiled.feature, ERROR, experiment.control.value, error)
