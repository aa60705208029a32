"""Everything that is defined in one environment, as the transaction of a change sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from experiments.definitions.experiment import Experiment
from experiments.definitions.feature import Feature
from experiments.definitions.layer import Layer
from experiments.definitions.lifecycle import ARCHIVED, DRAFT, Standing
from experiments.definitions.metric import Metric
from experiments.definitions.prerequisite import Prerequisite
from experiments.definitions.segment import Segment
from experiments.store.database import Connection
from experiments.store.definitions import FEATURES, LAYERS, METRICS, SEGMENTS, Stored, T
from experiments.store.experiments import list_standings


@dataclass(frozen=True)
class Defined:
    """All by key."""

    environment: str
    experiments: Mapping[str, Standing]
    metrics: Mapping[str, Metric]
    segments: Mapping[str, Segment]
    layers: Mapping[str, Layer]
    features: Mapping[str, Feature]

    @cached_property
    def groups(self) -> dict[str, Any]:
        """The segments as the condition language takes saved groups."""
        return {key: segment.group for key, segment in self.segments.items()}

    def with_experiment(self, experiment: Experiment) -> Defined:
        """With a draft in the place of what has its key."""
        known = self.experiments.get(experiment.key)
        standing = (
            Standing(self.environment, experiment, DRAFT, 1, 0, 0)
            if known is None
            else replace(known, experiment=experiment)
        )
        return replace(self, experiments={**self.experiments, experiment.key: standing})

    def with_record(self, subject: str, record: Metric | Segment | Layer | Feature) -> Defined:
        """With a definition of the kind `subject` in the place of what has its key."""
        name = f"{subject}s"
        changes: dict[str, Any] = {name: {**getattr(self, name), record.key: record}}
        return replace(self, **changes)

    def fillers(self, feature: str) -> list[Standing]:
        """The experiments that fill a feature, or are to.

        Archived ones do not any more, and a holdout fills none that apps may ask for.
        """
        return [
            standing
            for standing in self.experiments.values()
            if standing.experiment.feature == feature
            and standing.experiment.holdout is None
            and standing.status != ARCHIVED
        ]

    def prerequisites(self, feature: str) -> Iterator[Prerequisite]:
        """Everything that must be met before a feature has all its values."""
        document = self.features.get(feature)
        if document is not None:
            yield from document.prerequisites
            for rule in document.rules:
                yield from rule.prerequisites
        for standing in self.fillers(feature):
            yield from standing.experiment.prerequisites


def read_defined(connection: Connection, environment: str) -> Defined:
    standings = list_standings(connection, environment)
    return Defined(
        environment=environment,
        experiments={standing.experiment.key: standing for standing in standings},
        metrics=_by_key(METRICS.all(connection, environment)),
        segments=_by_key(SEGMENTS.all(connection, environment)),
        layers=_by_key(LAYERS.all(connection, environment)),
        features=_by_key(FEATURES.all(connection, environment)),
    )


def is_live(standing: Standing) -> bool:
    """Whether it has started and is not put away: units may have met it and may again."""
    return standing.status not in {DRAFT, ARCHIVED}


def _by_key(stored: Iterable[Stored[T]]) -> dict[str, T]:
    return {one.record.key: one.record for one in stored}
