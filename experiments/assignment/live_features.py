"""What fills a feature at present: the value that an app reads for a unit, and why.

An app asks for a feature by its name; the experiment that fills it decides. A unit is taken from
the attributes, under the name of the experiment's unit type, as the GrowthBook SDKs do with their
hash attribute: user "42" is not device "42", so one never stands in for the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from experiments.assignment import javascript
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
class LiveFeature:
    """`values` by variant; a feature with one fraction among its numbers has only fractions."""

    key: str
    filler: CompiledExperiment
    revision: int
    values: Mapping[str, Any]

    def evaluate(self, attributes: Attributes) -> FeatureValue:
        """What the unit with these attributes gets; its ids are among them."""
        filler, experiment = self.filler, self.filler.experiment
        unit_id = _as_id(attributes.get(experiment.unit_type))
        splits = filler.everybody is None and filler.shipped is None
        if unit_id is not None:
            assignment = evaluate(filler, unit_id, {**attributes, experiment.unit_type: unit_id})
        elif splits:
            assignment = outside(experiment, UNIT_ID_MISSING)
        else:
            assignment = evaluate(filler, "", attributes)  # no hash decides
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


def live_features(
    live: Iterable[tuple[Standing, CompiledExperiment]],
) -> Mapping[str, LiveFeature]:
    """The features that experiments other than drafts fill, by key, in the order of the keys."""
    fillers: dict[str, tuple[Standing, CompiledExperiment]] = {}
    for standing, compiled in sorted(live, key=lambda one: _rank(one[0])):
        if standing.status != DRAFT:
            fillers[standing.experiment.feature] = standing, compiled
    return MappingProxyType(
        {
            key: LiveFeature(key, compiled, standing.revision, _values(compiled))
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


def _as_id(found: Any) -> str | None:
    """An id as the SDKs write it; a truth value, a list and an object are nobody's."""
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return None
    return javascript.text(found) if javascript.truthy(found) else None
