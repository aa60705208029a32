"""One feature and one unit: the rules in order, their prerequisites, and the default value.

    evaluate_feature(features, "hero", Context({"id": "u1", "country": "FR"})).value

A feature that a prerequisite asks for is evaluated once in each evaluation, however many ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from experiments.assignment import javascript
from experiments.assignment.context import Context
from experiments.assignment.decide import Step, is_filtered_out
from experiments.assignment.run import RunResult, run_one
from experiments.assignment.specs import (
    ExperimentSpec,
    Features,
    Force,
    Parent,
    Rollout,
    Rule,
    Trial,
)
from experiments.assignment.sticky import StickyDocument

UNKNOWN, CYCLIC, PREREQUISITE = "unknownFeature", "cyclicPrerequisite", "prerequisite"
OVERRIDE, DEFAULT, FORCE, EXPERIMENT = "override", "defaultValue", "force", "experiment"

MAX_CHAIN = 50  # prerequisites of prerequisites; a longer chain counts as a cycle

_NO_FEATURES: Features = {}


class _Unmet(NamedTuple):
    """A prerequisite that does not hold; `ends` is the source where it ends the feature."""

    parent: str
    ends: str


class Passed(NamedTuple):
    """A rule that had no say, and the step that kept the unit out of it.

    `parent` is the feature of the prerequisite that does not hold.
    """

    rule: str
    step: Step
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class FeatureResult:
    """What a unit gets, and from where: `source` is one of the words of the SDKs.

    `passed` are the rules before the one that decided. `exposures` are the runs that put the unit
    into an experiment on the way, prerequisites and holdouts among them; `sticky_documents` are
    to be stored.
    """

    feature: str
    value: Any
    source: str
    rule: str = ""
    result: RunResult | None = None
    passed: tuple[Passed, ...] = ()
    exposures: tuple[RunResult, ...] = ()
    sticky_documents: tuple[StickyDocument, ...] = ()

    @property
    def on(self) -> bool:
        return javascript.truthy(self.value)

    def to_document(self) -> dict[str, Any]:
        """As the SDKs report it."""
        document: dict[str, Any] = {
            "value": self.value,
            "on": self.on,
            "off": not self.on,
            "source": self.source,
            "ruleId": self.rule,
        }
        if self.result is not None:
            document["experiment"] = self.result.experiment_document()
            document["experimentResult"] = self.result.to_document(self.feature)
        return document


def evaluate_feature(features: Features, key: str, context: Context) -> FeatureResult:
    """Go through the feature's rules for one unit; never raises."""
    evaluation = FeatureEvaluation(features, context)
    return replace(
        evaluation.feature(key),
        exposures=tuple(evaluation.exposures),
        sticky_documents=tuple(evaluation.stored.values()),
    )


def run(spec: ExperimentSpec, context: Context, features: Features = _NO_FEATURES) -> RunResult:
    """Run one experiment for one unit; `features` are those that its prerequisites name."""
    return FeatureEvaluation(features, context).run(spec, ())


@dataclass(slots=True)
class FeatureEvaluation:
    """Features for one unit; each is evaluated once. What it gathers is as in `FeatureResult`."""

    features: Features
    context: Context
    done: dict[str, FeatureResult] = field(default_factory=dict)
    exposures: list[RunResult] = field(default_factory=list)
    stored: dict[str, StickyDocument] = field(default_factory=dict)

    def feature(self, key: str, above: tuple[str, ...] = ()) -> FeatureResult:
        if key in above or len(above) > MAX_CHAIN:
            return FeatureResult(key, None, CYCLIC)
        if key not in self.done:
            result = self._evaluate(key, (*above, key))
            if result.source == CYCLIC:
                return result  # from here; another path to it may meet no cycle
            self.done[key] = result
        return self.done[key]

    def run(self, spec: ExperimentSpec, above: tuple[str, ...]) -> RunResult:
        result = run_one(spec, self.context, lambda parents: self._unmet(parents, above) is None)
        document = result.sticky_document
        if document is not None:
            self.stored[document.key] = document
            kept: Mapping[str, StickyDocument] = self.context.sticky or {}
            self.context = replace(self.context, sticky={**kept, document.key: document})
        if result.in_experiment and result.hash_used:
            self.exposures.append(result)
        return result

    def _evaluate(self, key: str, path: tuple[str, ...]) -> FeatureResult:
        forced = self.context.overrides.features
        if key in forced:
            return FeatureResult(key, forced[key], OVERRIDE)
        feature = self.features.get(key)
        if feature is None:
            return FeatureResult(key, None, UNKNOWN)
        passed: list[Passed] = []
        for rule in feature.rules:
            found = self._rule(key, rule, path)
            if isinstance(found, FeatureResult):
                return replace(found, passed=tuple(passed))
            passed.append(found)
        return FeatureResult(key, feature.default, DEFAULT, passed=tuple(passed))

    def _rule(self, key: str, rule: Rule, path: tuple[str, ...]) -> FeatureResult | Passed:
        """What the rule gives, or why the next one has its turn."""
        unmet = self._unmet(rule.parents, path)
        if unmet is not None:
            if unmet.ends:
                return FeatureResult(key, None, unmet.ends, rule.id)
            return Passed(rule.id, Step.PREREQUISITE, unmet.parent)
        if rule.filters and is_filtered_out(rule.filters, self.context):
            return Passed(rule.id, Step.FILTER)
        if isinstance(rule.then, Force):
            missed = self._missed(rule.then)
            if missed is not None:
                return Passed(rule.id, missed)
            return FeatureResult(key, rule.then.value, FORCE, rule.id)
        if isinstance(rule.then, Trial):
            result = self.run(self._spec(rule.then), path)
            if result.in_experiment and not result.passthrough:
                return FeatureResult(key, result.value, EXPERIMENT, rule.id, result)
            return Passed(rule.id, result.step)
        return Passed(rule.id, Step.INACTIVE)

    def _unmet(self, parents: tuple[Parent, ...], path: tuple[str, ...]) -> _Unmet | None:
        """The first that does not hold."""
        for parent in parents:
            result = self.feature(parent.feature, path)
            if result.source == CYCLIC:
                return _Unmet(parent.feature, CYCLIC)
            if not parent.condition({"value": result.value}):
                return _Unmet(parent.feature, PREREQUISITE if parent.gate else "")
        return None

    def _spec(self, trial: Trial) -> ExperimentSpec:
        for condition, spec in trial.leaves:
            if condition(self.context.attributes):
                return spec
        return trial.experiment

    def _missed(self, force: Force) -> Step | None:
        """The step that keeps the unit from a forced value."""
        if force.condition is not None and not force.condition(self.context.attributes):
            return Step.CONDITION
        return None if force.rollout is None else self._left_out(force.rollout)

    def _left_out(self, rollout: Rollout) -> Step | None:
        if rollout.range is None and rollout.coverage == 0:
            return Step.COVERAGE
        fallback = rollout.fallback if self.context.sticky is not None else None
        _, value = self.context.unit(rollout.attribute, fallback)
        if value == "":
            return Step.NO_UNIT
        position = rollout.position(javascript.text(value))
        if position is None:
            return Step.HASH_VERSION
        low, high = rollout.range or (0.0, 0.0)
        inside = low <= position < high if rollout.range else position <= rollout.coverage
        return None if inside else Step.COVERAGE
