"""Events of the GrowthBook SDKs' tracking plugins as items of our own log.

    JavaScript  Experiment Viewed     experimentId, variationId (a key), hashAttribute, hashValue
    Python      $$experiment_viewed   experiment_id, variation_id (an index), variation_key,
                                      hash_attribute, hash_value, in_experiment, hash_used

Whatever has another name is an outcome, except for evaluations of features: they are no exposures
and are not stored. What cannot be translated is handed on as far as it goes, for the log to refuse
it by its own rules.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Any

from experiments.assignment import javascript
from experiments.definitions.experiment import Document, Experiment
from experiments.events.reading import MAX_IDS

EXPOSURES = frozenset({"Experiment Viewed", "$$experiment_viewed"})
EVALUATIONS = frozenset({"Feature Evaluated", "$$feature_evaluated"})
VALUE_PROPERTIES = ("value", "revenue")
_IDS = ("id", "user_id", "device_id")
_AT_TOP = frozenset({"user_id", "device_id", "session_id", "page_id"})

FindExperiment = Callable[[str], Experiment | None]


def item_of(raw: Any, find: FindExperiment, unit_types: Collection[str]) -> Any:
    """The item of an event; None where it is not to be stored.

    `unit_types` are what the experiments randomise: an attribute of such a name is an id too.
    """
    if not isinstance(raw, dict):
        return raw
    name = raw.get("event_name")
    if isinstance(name, str) and name in EVALUATIONS:
        return None
    properties = _first(raw, "properties_json", "properties")
    attributes = _first(raw, "context_json", "attributes")
    ids = _ids(raw, attributes, unit_types)
    if isinstance(name, str) and name in EXPOSURES:
        item = _exposure(properties, attributes, ids, find)
    else:
        item = _outcome(name, properties, ids)
    return item | _given(timestamp=raw.get("timestamp"))


def _outcome(name: Any, properties: Any, ids: Mapping[str, str]) -> Document:
    value = _value(properties)
    return {
        "type": "outcome",
        **_given(event=name, ids=ids or None, value=value, properties=properties),
    }


def _exposure(
    properties: Any, attributes: Any, ids: Mapping[str, str], find: FindExperiment
) -> Document:
    """The hash attribute names the unit; the other ids of the event are linked with it."""
    said = properties if isinstance(properties, dict) else {}
    experiment = _first(said, "experimentId", "experiment_id")
    known = find(experiment) if isinstance(experiment, str) else None
    unit_type = _first(said, "hashAttribute", "hash_attribute")
    unit_id = _first(said, "hashValue", "hash_value")
    if unit_type is None or isinstance(unit_type, str):
        unit = {} if unit_id is None else {unit_type or "id": _text(unit_id)}
        ids = dict(islice({**unit, **ids, **unit}.items(), MAX_IDS))
    return {
        "type": "exposure",
        **_given(
            experiment=experiment,
            variant=_variant(said, known),
            ids=ids or None,
            attributes=attributes,
            in_experiment=_first(said, "inExperiment", "in_experiment"),
            hash_used=_first(said, "hashUsed", "hash_used"),
        ),
    }


def _variant(said: Mapping[str, Any], experiment: Experiment | None) -> Any:
    """The variant's key, which the plugins give as it is or as an index."""
    names = ("variationKey", "variation_key", "variationId", "variation_id")
    given = [said[name] for name in names if said.get(name) is not None]
    if experiment is not None:
        for one in given:
            if isinstance(one, str) and experiment.variant(one):
                return one
        keys = [variant.key for variant in experiment.variants]
        by_index = {str(index): key for index, key in enumerate(keys)}
        for one in given:
            if isinstance(one, str | int) and str(one) in by_index:
                return by_index[str(one)]
    return _text(given[0]) if given else None


def _ids(raw: Mapping[str, Any], attributes: Any, unit_types: Collection[str]) -> dict[str, str]:
    """Who it was: the ids at the top of the event, and the attributes that are ids."""
    among = attributes if isinstance(attributes, dict) else {}
    found: dict[str, str] = {}
    for name in (*_IDS, *sorted(set(unit_types) - set(_IDS))):
        value = (raw.get(name) if name in _AT_TOP else None) or among.get(name)
        if isinstance(value, str | int | float) and javascript.truthy(value):
            found[name] = javascript.text(value)
    return dict(islice(found.items(), MAX_IDS))


def _value(properties: Any) -> float | None:
    """The first of the value properties that is a number; without one the outcome is worth 1."""
    if not isinstance(properties, dict):
        return None
    for name in VALUE_PROPERTIES:
        value = properties.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
    return None


def _text(value: Any) -> Any:
    return value if isinstance(value, dict | list) else javascript.text(value)


def _first(said: Mapping[str, Any], *names: str) -> Any:
    return next((said[name] for name in names if said.get(name) is not None), None)


def _given(**fields: Any) -> Document:
    """Fields that were given; the plugins write null for what they do not have."""
    return {name: value for name, value in fields.items() if value is not None}
