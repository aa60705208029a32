"""What the evaluator works from: features, their rules and experiments, compiled and frozen.

The words are those of the GrowthBook SDKs. Everything that does not depend on the unit is worked
out when a spec is made: the hash's state after the seed, the ranges, the conditions as closures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from experiments.assignment.buckets import Range
from experiments.assignment.conditions import Predicate
from experiments.assignment.hashing import Position
from experiments.assignment.urls import UrlTarget

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Meta:
    """What a variation is called; `passthrough` goes on to the next rule after an exposure."""

    key: str | None = None
    name: str | None = None
    passthrough: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """Lets in the units whose position under a seed of its own lies in one of the ranges."""

    attribute: str
    position: Position
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Namespace:
    """The older form of a filter: one range, on the experiment's own hash attribute."""

    position: Position
    range: Range


@dataclass(frozen=True, slots=True)
class Parent:
    """A prerequisite: the condition looks at {"value": the feature's}; a gate ends the rules."""

    feature: str
    condition: Predicate
    gate: bool = False


@dataclass(frozen=True, slots=True)
class Bandit:
    """The leaf of a contextual bandit whose weights an experiment uses."""

    leaf: Any
    weights: tuple[float, ...]
    version: Any = None

    def to_document(self) -> dict[str, Any]:
        document = {"leafId": self.leaf, "variationWeights": list(self.weights)}
        return document if self.version is None else {**document, "banditVersion": self.version}


@dataclass(frozen=True, slots=True)
class ExperimentSpec:
    """One randomisation. `document` is the experiment as an SDK reports it."""

    key: str
    variations: tuple[Any, ...]
    position: Position
    ranges: tuple[Range, ...]
    hash_attribute: str = "id"
    fallback_attribute: str | None = None
    condition: Predicate | None = None
    filters: tuple[Filter, ...] | None = None
    namespace: Namespace | None = None
    parents: tuple[Parent, ...] = ()
    meta: tuple[Meta, ...] = ()
    url_targets: tuple[UrlTarget, ...] | None = None
    active: bool = True
    stopped: bool = False
    force: int | None = None
    sticky: bool = True
    bucket_version: int = 0
    min_bucket_version: int = 0
    bandit: Bandit | None = None
    document: Document = field(default_factory=dict)

    def name_of(self, variation: int) -> Meta:
        return self.meta[variation] if variation < len(self.meta) else _NAMELESS

    def key_of(self, variation: int) -> str:
        """The variation's key, its index where it has none."""
        return self.name_of(variation).key or str(variation)

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the condition and the hash decides, if nothing is forced or kept."""
        return (
            len(self.variations) >= 2
            and len(self.ranges) == len(self.variations)
            and self.filters is None
            and self.namespace is None
            and not self.parents
            and self.url_targets is None
            and self.active
            and not self.stopped
            and self.force is None
        )


_NAMELESS = Meta()


@dataclass(frozen=True, slots=True)
class Rollout:
    """The share of units that a forced value reaches: a range, or up to and with `coverage`."""

    attribute: str
    fallback: str | None
    position: Position
    range: Range | None
    coverage: float


@dataclass(frozen=True, slots=True)
class Force:
    """Gives one value to the units that the condition and the rollout let in."""

    value: Any
    condition: Predicate | None = None
    rollout: Rollout | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """Runs an experiment; the first leaf that holds, if any, stands in with its own weights."""

    experiment: ExperimentSpec
    leaves: tuple[tuple[Predicate, ExperimentSpec], ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """`then` is None in a rule that only has prerequisites, such as a gate."""

    then: Force | Trial | None
    id: str = ""
    parents: tuple[Parent, ...] = ()
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Feature:
    """A default value and rules in order; the first that applies decides."""

    default: Any = None
    rules: tuple[Rule, ...] = ()


Features = Mapping[str, Feature]
