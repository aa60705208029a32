"""From a feature and a unit to the value that an app reads, and why.

An app asks for a feature by its name; the experiment that fills it decides. A unit is taken from
the attributes, under the name of the experiment's unit type, as the GrowthBook SDKs do with their
hash attribute: user "42" is not device "42", so one never stands in for the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from experiments.assignment.conditions import Attributes
from experiments.assignment.evaluate import CompiledExperiment, evaluate, outside
from experiments.definitions.lifecycle import DRAFT, STOPPED, Standing

UNIT_ID_MISSING = "UNIT_ID_MISSING"
EXACT = 2**53  # every whole number up to here is a float too


@dataclass(frozen=True, slots=True)
class FeatureValue:
    """What a unit gets. `variant` is the control's where the unit is not in an experiment.

    `revision` is that of the experiment's definition.
    """

    feature: str
    experiment: str
    revision: int
    variant: str
    value: Any
    reason: str
    in_experiment: bool


@dataclass(frozen=True, slots=True)
class CompiledFeature:
    """`values` by variant; a feature with one fraction among its numbers has only fractions."""

    key: str
    filler: CompiledExperiment
    revision: int
    values: Mapping[str, Any]

    def evaluate(self, attributes: Attributes) -> FeatureValue:
        """What the unit with these attributes gets; its ids are among them."""
        experiment = self.filler.experiment
        found = attributes.get(experiment.unit_type)
        unit_id = _as_text(found)
        if unit_id is None:
            assignment = outside(experiment, UNIT_ID_MISSING)
        else:
            seen = attributes if unit_id is found else {**attributes, experiment.unit_type: unit_id}
            assignment = evaluate(self.filler, unit_id, seen)
        variant = assignment.variant or experiment.control.key
        return FeatureValue(
            feature=self.key,
            experiment=experiment.key,
            revision=self.revision,
            variant=variant,
            value=self.values[variant],
            reason=assignment.reason,
            in_experiment=assignment.in_experiment,
        )


def compile_features(
    live: Iterable[tuple[Standing, CompiledExperiment]],
) -> Mapping[str, CompiledFeature]:
    """The features that experiments other than drafts fill, by key, in the order of the keys."""
    fillers: dict[str, tuple[Standing, CompiledExperiment]] = {}
    for standing, compiled in sorted(live, key=lambda one: _rank(one[0])):
        if standing.status != DRAFT:
            fillers[standing.experiment.feature] = standing, compiled
    return MappingProxyType(
        {
            key: CompiledFeature(key, compiled, standing.revision, _values(compiled))
            for key, (standing, compiled) in sorted(fillers.items())
        }
    )


def _rank(standing: Standing) -> tuple[bool, int, str]:
    """A stopped experiment gives way to any other, an earlier one to a later one."""
    started_at = standing.phase.started_at if standing.phase else 0
    return standing.status != STOPPED, started_at, standing.experiment.key


def _values(compiled: CompiledExperiment) -> Mapping[str, Any]:
    values = {variant.key: variant.value for variant in compiled.experiment.variants}
    if any(isinstance(value, float) for value in values.values()):
        # Typed clients refuse the 1 of an arm when the other one has 1.5; JavaScript, which
        # writes 1.0 as 1, could not say otherwise.
        values = {key: _as_float(value) for key, value in values.items()}
    return MappingProxyType(values)


def _as_float(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and -EXACT <= value <= EXACT else value


def _as_text(found: Any) -> str | None:
    """An id as a text; the SDKs write a whole number as its digits."""
    if isinstance(found, str):
        return found or None
    if isinstance(found, int) and not isinstance(found, bool) and -EXACT < found < EXACT:
        return str(found)
    return None
