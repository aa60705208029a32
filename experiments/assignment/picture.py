"""Everything that is live in one environment, compiled once: what all answers are taken from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from experiments.assignment.evaluate import CompiledExperiment, compile_experiment
from experiments.assignment.hashing import Seeds
from experiments.assignment.payload import read_payload
from experiments.assignment.published import Published, publish
from experiments.assignment.specs import Features
from experiments.assignment.splits import experiment_id, holdout_feature
from experiments.definitions.feature import Feature
from experiments.definitions.lifecycle import ARCHIVED, DRAFT, RUNNING, Standing
from experiments.definitions.segment import Segment

_HOLDOUT = holdout_feature("")


@dataclass(frozen=True, slots=True)
class Live:
    """An experiment that is not archived, ready to be evaluated."""

    standing: Standing
    compiled: CompiledExperiment


@dataclass(frozen=True, slots=True)
class Crowd:
    """All experiments for one type of unit that are no drafts, and their seeds in that order.

    `alone` says that each of them is.
    """

    experiments: tuple[Live, ...]
    seeds: Seeds
    alone: bool


@dataclass(frozen=True, slots=True)
class EnvironmentPicture:
    """`by_rule` has the experiments by the ids of their rules.

    `defined` has the revisions of the features that have a document. `sticks` names the
    attributes under which assignments are kept; `testers` the units with overrides, by type.
    """

    experiments: Mapping[str, Live]
    crowds: Mapping[str, Crowd]
    published: Published
    features: Features
    defined: Mapping[str, int]
    by_rule: Mapping[str, Live]
    unit_types: frozenset[str]
    sticks: frozenset[str]
    testers: Mapping[str, frozenset[str]]

    def is_tester(self, attributes: Mapping[str, Any]) -> bool:
        """Whether one of the ids among the attributes has an override anywhere."""
        for unit_type, units in self.testers.items():
            unit = attributes.get(unit_type)
            if isinstance(unit, str) and unit in units:
                return True
        return False

    @property
    def feature_keys(self) -> list[str]:
        """Those that apps ask for: without the holdouts."""
        return [key for key in self.features if not key.startswith(_HOLDOUT)]


def picture_of(
    standings: Iterable[Standing],
    features: Iterable[tuple[Feature, int]] = (),
    segments: Iterable[Segment] = (),
) -> EnvironmentPicture:
    """Compile what is defined in one environment; a feature comes with its revision."""
    kept = [one for one in standings if one.status != ARCHIVED]
    defined = list(features)
    published = publish(kept, [feature for feature, _ in defined], segments)
    compiled = read_payload(published.payload)
    live = {
        one.experiment.key: Live(one, compile_experiment(one, published, compiled)) for one in kept
    }
    running = [one.experiment for one in kept if one.status == RUNNING]
    kept_under = [(one.unit_type, one.sticky.fallback) for one in running if one.sticky is not None]
    return EnvironmentPicture(
        experiments=MappingProxyType(live),
        crowds=MappingProxyType(_crowds(live.values())),
        published=published,
        features=MappingProxyType(dict(compiled)),
        defined=MappingProxyType({feature.key: revision for feature, revision in defined}),
        by_rule=MappingProxyType({experiment_id(key): one for key, one in live.items()}),
        unit_types=frozenset(one.experiment.unit_type for one in kept),
        sticks=frozenset(name for names in kept_under for name in names if name is not None),
        testers=MappingProxyType(_testers(live.values())),
    )


def _crowds(live: Iterable[Live]) -> dict[str, Crowd]:
    by_type: dict[str, list[Live]] = {}
    for one in live:
        if one.standing.status != DRAFT:
            by_type.setdefault(one.compiled.experiment.unit_type, []).append(one)
    return {
        unit_type: Crowd(
            tuple(those),
            Seeds([one.compiled.state for one in those]),
            all(one.compiled.alone for one in those),
        )
        for unit_type, those in by_type.items()
    }


def _testers(live: Iterable[Live]) -> dict[str, frozenset[str]]:
    by_type: dict[str, frozenset[str]] = {}
    for one in live:
        if one.compiled.testers:
            unit_type = one.compiled.experiment.unit_type
            by_type[unit_type] = by_type.get(unit_type, frozenset()) | one.compiled.testers.keys()
    return by_type


EMPTY = picture_of([])
