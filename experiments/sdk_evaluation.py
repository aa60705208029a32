"""Features evaluated here for a GrowthBook SDK, which learns nothing but its own unit's values.

    {feature: {defaultValue, rules?: [{force, tracks?: [{experiment, result}]}]}}

`tracks` is the exposure that the SDK reports when the app reads the feature. The other variations
are null in it; weights, conditions and names of other variations are never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.assignment import javascript
from experiments.assignment.evaluate import WINNER
from experiments.assignment.live_features import FeatureValue, LiveFeature
from experiments.definitions.experiment import Document, Experiment
from experiments.definitions.lifecycle import RUNNING
from experiments.snapshot import EnvironmentPicture


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
    for key, feature in picture.features.items():
        experiment = feature.filler.experiment
        standing = picture.experiments[experiment.key].standing
        index: Any = forced_variations.get(experiment.key)
        if key in forced_features:
            answer[key] = _forced(forced_features[key])
        elif standing.status == RUNNING and _is_index(index, experiment):
            answer[key] = _forced(feature.values[experiment.variants[index].key])
        else:
            answer[key] = _evaluated(feature, attributes)
    return answer


def _evaluated(feature: LiveFeature, attributes: Mapping[str, Any]) -> Document:
    found = feature.evaluate(attributes)
    if found.reason == WINNER:
        return _forced(found.value)
    if not found.in_experiment:
        return {"defaultValue": found.value}
    unit_type = feature.filler.experiment.unit_type
    document = _forced(found.value)
    document["rules"][0]["tracks"] = [
        _track(feature, found, javascript.text(attributes[unit_type]))
    ]
    return document


def _is_index(index: Any, experiment: Experiment) -> bool:
    whole = isinstance(index, int) and not isinstance(index, bool)
    return whole and 0 <= index < len(experiment.variants)


def _forced(value: Any) -> Document:
    return {"defaultValue": value, "rules": [{"force": value}]}


def _track(feature: LiveFeature, found: FeatureValue, unit_id: str) -> Document:
    experiment = feature.filler.experiment
    index, variant = next(
        (index, one) for index, one in enumerate(experiment.variants) if one.key == found.variant
    )
    return {
        "experiment": {
            "key": experiment.key,
            "name": experiment.name,
            "hashAttribute": experiment.unit_type,
            "variations": [found.value if one is variant else None for one in experiment.variants],
        },
        "result": {
            "key": variant.key,
            "name": variant.name,
            "value": found.value,
            "variationId": index,
            "inExperiment": True,
            "hashUsed": True,
            "hashAttribute": experiment.unit_type,
            "hashValue": unit_id,
            "featureId": feature.key,
            "stickyBucketUsed": False,
        },
    }
