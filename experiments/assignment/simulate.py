"""How many of some units would get which variant of an experiment, and for which reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.assignment.answers import assign
from experiments.assignment.picture import EnvironmentPicture
from experiments.assignment.sticky import StickyDocuments


@dataclass(frozen=True, slots=True)
class Subject:
    """One unit that is asked about, with what is kept for it."""

    unit_id: str
    attributes: Mapping[str, Any]
    sticky: StickyDocuments | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """`variants` has all of the experiment; who gets none is in `reasons` only."""

    units: int
    variants: Mapping[str, int]
    reasons: Mapping[str, int]


def simulate(picture: EnvironmentPicture, key: str, subjects: Iterable[Subject]) -> Simulation:
    """Assign units of the experiment's own type, logging and keeping nothing; `picture` has it."""
    experiment = picture.experiments[key].compiled.experiment
    variants = {variant.key: 0 for variant in experiment.variants}
    reasons: Counter[str] = Counter()
    for one in subjects:
        answer = assign(
            picture, one.unit_id, experiment.unit_type, one.attributes, [key], one.sticky
        )
        (given,) = answer.assignments
        reasons[given.reason] += 1
        if given.variant is not None:
            variants[given.variant] += 1
    return Simulation(reasons.total(), variants, dict(sorted(reasons.items())))
