"""Features evaluated here for a GrowthBook SDK, which learns nothing but its own unit's values.

    {feature: {defaultValue, rules?: [{force, tracks?: [{experiment, result}]}]}}

`tracks` are the exposures that the SDK reports when the app reads the feature. The other
variations are null in them; weights, conditions and names for people are never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.assignment.context import Overrides
from experiments.assignment.features import DEFAULT, FeatureResult
from experiments.assignment.picture import EnvironmentPicture
from experiments.assignment.run import RunResult
from experiments.assignment.sticky import StickyDocument, StickyDocuments
from experiments.assignment.visit import Visit
from experiments.definitions.experiment import Document


def evaluate_features(
    picture: EnvironmentPicture,
    attributes: Mapping[str, Any],
    *,
    forced_variations: Mapping[str, Any],
    forced_features: Mapping[str, Any],
    sticky: StickyDocuments | None = None,
) -> tuple[Document, list[StickyDocument]]:
    """Every live feature for the unit that the attributes describe, and what is to be kept of it.

    `forced_variations` holds indices by experiment, `forced_features` values by feature; neither
    is an exposure, and what is not known is ignored, as the SDKs do.
    """
    overrides = Overrides(
        variations={
            key: index
            for key, index in forced_variations.items()
            if key in picture.experiments and _is_index(index, picture, key)
        },
        features={key: value for key, value in forced_features.items() if key in picture.features},
    )
    answer: Document = {}
    kept: dict[str, StickyDocument] = {}
    for key in picture.feature_keys:
        # A visit for each, so that each reports all the experiments it came through.
        visit = Visit(
            picture, attributes, {**sticky, **kept} if sticky is not None else None, overrides
        )
        answer[key] = _document(visit.result(key), visit.exposures)
        kept |= {document.key: document for document in visit.sticky_documents}
    return answer, list(kept.values())


def _document(found: FeatureResult, met: list[RunResult]) -> Document:
    if found.source == DEFAULT and not met:
        return {"defaultValue": found.value}
    rule: Document = {"force": found.value}
    if met:
        rule["tracks"] = [_track(run, found.feature) for run in met]
    return {"defaultValue": found.value, "rules": [rule]}


def _is_index(index: Any, picture: EnvironmentPicture, key: str) -> bool:
    whole = isinstance(index, int) and not isinstance(index, bool)
    return whole and 0 <= index < len(picture.experiments[key].compiled.spec.variations)


def _track(run: RunResult, feature: str) -> Document:
    spec = run.spec
    variations: list[Any] = [None] * len(spec.variations)
    variations[run.variation] = run.value
    return {
        "experiment": {
            "key": spec.key,
            "hashAttribute": run.hash_attribute,
            "variations": variations,
        },
        "result": {
            "key": run.key,
            "value": run.value,
            "variationId": run.variation,
            "inExperiment": True,
            "hashUsed": True,
            "hashAttribute": run.hash_attribute,
            "hashValue": run.unit,
            "featureId": feature,
            "stickyBucketUsed": run.sticky_used,
        },
    }
