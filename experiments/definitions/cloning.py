"""The definition of an experiment as that of another one."""

from __future__ import annotations

from experiments.definitions.experiment import Document, Experiment, experiment_to_document


def cloned(source: Experiment, key: str, name: str | None = None) -> Document:
    """The document of a new experiment that is defined as `source`.

    It fills the feature that the apps ask for already; a holdout has one of its own. It does not
    start and stop by the clock when the source was to.
    """
    document = experiment_to_document(source)
    return {
        **document,
        "key": key,
        "name": name or (source.name if source.name != source.key else key),
        "feature": source.feature if source.holdout is None else key,
        "schedule": {**document["schedule"], "start_at": None, "stop_at": None},
    }
