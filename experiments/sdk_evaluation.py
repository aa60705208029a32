"""Features evaluated here for a GrowthBook SDK, which learns nothing but its own unit's values.

    {feature: {defaultValue, rules?: [{force, tracks?: [{experiment, result}]}]}}

`tracks` is the exposure that the SDK reports when the app reads the feature. The other variations
are null in it; weights, conditions and names of other variations are never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.assignment import javascript
from experiments.assignment.evaluate import WINNER, evaluate
from experiments.definitions.experiment import Document, Experiment
from experiments.definitions.lifecycle import RUNNING
from experiments.sdk_payload import filled_features
from experiments.snapshot import EnvironmentPicture, Live


def evaluate_features(
    picture: EnvironmentPicture,
    attributes: Mapping[str, Any],
    *,
    forced_variations: Mapping[str, Any],
    forced_features: Mapping[str, Any],
) -> Document:
    """Every live feature for the unit that the attributes describe.

    `forced_variations` holds indices by experiment, `forced_features` values by feature; neither
    is an exposure, and what is not known is ignored, as the SDKs do.
    """
    answer: Document = {}
    for feature, live in filled_features(picture):
        if feature in forced_features:
            answer[feature] = _forced(forced_features[feature])
            continue
        index = forced_variations.get(live.standing.experiment.key)
        answer[feature] = _evaluated(live, attributes, index)
    return answer


def unit_text(value: Any) -> str:
    """An attribute as the text that is hashed, as JavaScript writes it; "" where it is nobody."""
    named = isinstance(value, str | int | float) and javascript.truthy(value)
    return javascript.text(value) if named else ""


def _evaluated(live: Live, attributes: Mapping[str, Any], index: Any) -> Document:
    experiment = live.compiled.experiment
    if live.standing.status == RUNNING and _is_index(index, experiment):
        return _forced(experiment.variants[index].value)
    unit_id = unit_text(attributes.get(experiment.unit_type))
    assignment = evaluate(live.compiled, unit_id, attributes)
    if assignment.reason == WINNER:
        return _forced(assignment.value)
    if not (assignment.in_experiment and unit_id):
        return {"defaultValue": experiment.control.value}
    feature = _forced(assignment.value)
    feature["rules"][0]["tracks"] = [_track(live, assignment.variant or "", unit_id)]
    return feature


def _is_index(index: Any, experiment: Experiment) -> bool:
    whole = isinstance(index, int) and not isinstance(index, bool)
    return whole and 0 <= index < len(experiment.variants)


def _forced(value: Any) -> Document:
    return {"defaultValue": value, "rules": [{"force": value}]}


def _track(live: Live, key: str, unit_id: str) -> Document:
    experiment, phase = live.compiled.experiment, live.standing.phase
    index, variant = next(
        (index, one) for index, one in enumerate(experiment.variants) if one.key == key
    )
    blanked = [variant.value if one is variant else None for one in experiment.variants]
    return {
        "experiment": {
            "key": experiment.key,
            "name": experiment.name,
            "phase": str(phase.number) if phase else "",
            "hashAttribute": experiment.unit_type,
            "variations": blanked,
        },
        "result": {
            "key": variant.key,
            "name": variant.name,
            "value": variant.value,
            "variationId": index,
            "inExperiment": True,
            "hashUsed": True,
            "hashAttribute": experiment.unit_type,
            "hashValue": unit_id,
            "featureId": experiment.feature,
            "stickyBucketUsed": False,
        },
    }
