"""All that is asked for one unit at one time: features by their rules, and our reasons for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.assignment import javascript
from experiments.assignment.context import Context, Overrides
from experiments.assignment.decide import Step
from experiments.assignment.evaluate import (
    DISABLED,
    ERROR,
    FEATURE_TAKEN,
    HOLDOUT,
    OVERRIDE,
    PREREQUISITE_UNMET,
    REASONS,
    SPLIT,
    STICKY,
    WINNER,
    Assignment,
    CompiledExperiment,
    evaluate,
)
from experiments.assignment.features import FORCE, FeatureEvaluation, FeatureResult, Passed
from experiments.assignment.picture import EnvironmentPicture, Live
from experiments.assignment.run import RunResult
from experiments.assignment.splits import as_float, experiment_id, guard_id, holdout_feature
from experiments.assignment.sticky import StickyDocument, StickyDocuments
from experiments.definitions.lifecycle import SHIPPED

RULE = "RULE"
DEFAULT = "DEFAULT"
DEFAULT_VARIANT = "default"
_GUARD, _HOLDOUT = guard_id(""), holdout_feature("")


@dataclass(frozen=True, slots=True)
class FeatureValue:
    """What a unit gets from a feature.

    `experiment` is the one that decided, or alone could have; then `variant` is one of its own,
    the control's for who is not in. Else `variant` is the id of the rule, or `default`.
    `revision` is that of the experiment, else of the feature.
    """

    feature: str
    experiment: str | None
    revision: int
    variant: str
    value: Any
    reason: str
    in_experiment: bool


class Visit:
    """Each feature is evaluated once; what was met and what is to stick gathers on the way."""

    def __init__(
        self,
        picture: EnvironmentPicture,
        attributes: Mapping[str, Any],
        sticky: StickyDocuments | None = None,
        overrides: Overrides | None = None,
    ) -> None:
        self._picture = picture
        self._attributes = _with_ids(attributes, picture.unit_types)
        self._testers = self._find_testers() if picture.is_tester(self._attributes) else {}
        given = overrides or Overrides()
        forced = {key: self._tested_value(live) for key, live in self._testers.items()}
        self._evaluation = FeatureEvaluation(
            picture.features,
            Context(
                self._attributes,
                Overrides(
                    url=given.url,
                    variations=given.variations,
                    features={**forced, **given.features},
                ),
                sticky,
            ),
        )

    @property
    def attributes(self) -> Mapping[str, Any]:
        """As the evaluation sees them."""
        return self._attributes

    @property
    def exposures(self) -> list[RunResult]:
        return self._evaluation.exposures

    @property
    def sticky_documents(self) -> list[StickyDocument]:
        return list(self._evaluation.stored.values())

    def result(self, feature: str) -> FeatureResult:
        return self._evaluation.feature(feature)

    def assignment(self, compiled: CompiledExperiment) -> Assignment:
        """What the unit gets in an experiment, and why."""
        tester = self._testers.get(compiled.feature)
        mine = self._picture.experiments.get(compiled.experiment.key)
        own = _tested(compiled, self._attributes)
        if own is not None and (tester is None or tester is mine):
            return self._override(compiled, own)
        if compiled.everybody is not None:
            return compiled.everybody
        result = self.result(compiled.feature)
        rule = experiment_id(compiled.experiment.key)
        if result.rule == rule:
            return self._decided(compiled, result)
        passed = next((one for one in result.passed if one.rule == rule), None)
        if passed is not None:
            return compiled.outside(_why(passed), result.value)
        return compiled.outside(self._without_turn(compiled, result, rule), result.value)

    def value(self, key: str) -> FeatureValue:
        """What a feature gives the unit, and what gave it."""
        subject = self._testers.get(key) or self._alone(key)
        if subject is not None:
            return _of_experiment(key, subject, self._quick(subject))
        result = self.result(key)
        subject = self._picture.by_rule.get(result.rule)
        if subject is not None:
            return _of_experiment(key, subject, self.assignment(subject.compiled))
        reason = DEFAULT
        if result.rule.startswith(_GUARD):
            reason = PREREQUISITE_UNMET
        elif result.source == FORCE:
            reason = RULE
        return FeatureValue(
            feature=key,
            experiment=None,
            revision=self._picture.defined[key],
            variant=result.rule or DEFAULT_VARIANT,
            value=result.value,
            reason=reason,
            in_experiment=False,
        )

    def _alone(self, key: str) -> Live | None:
        """The experiment that fills a feature without a document."""
        if key in self._picture.defined:
            return None
        filler = self._picture.published.fillers[key][0]
        return self._picture.experiments[filler.experiment.key]

    def _quick(self, live: Live) -> Assignment:
        compiled = live.compiled
        if not compiled.alone or self._testers:
            return self.assignment(compiled)
        unit = self._attributes.get(compiled.experiment.unit_type)
        if unit is None and compiled.everybody is None and compiled.shipped is None:
            return compiled.shut[Step.NO_UNIT]
        return evaluate(compiled, unit or "", self._attributes)

    def _decided(self, compiled: CompiledExperiment, result: FeatureResult) -> Assignment:
        run = result.result
        if run is None:  # a forced value: the winner's, or the control's while it is paused
            live = self._picture.experiments[compiled.experiment.key]
            if live.standing.status != SHIPPED:
                return compiled.outside(DISABLED, result.value)
            winner = live.standing.winner or compiled.experiment.control.key
            return Assignment(
                compiled.experiment.key,
                compiled.feature,
                winner,
                result.value,
                WINNER,
                in_experiment=False,
            )
        return Assignment(
            experiment=compiled.experiment.key,
            feature=compiled.feature,
            variant=run.key,
            value=result.value,
            reason=_REASON_INSIDE.get(run.step, OVERRIDE),
            in_experiment=run.hash_used,
        )

    def _without_turn(self, compiled: CompiledExperiment, result: FeatureResult, rule: str) -> str:
        """Why the experiment had no say: it has no rule, or an earlier one decided."""
        feature = self._picture.features.get(compiled.feature)
        if feature is None or all(one.id != rule for one in feature.rules):
            return DISABLED
        if result.rule.startswith(_GUARD):
            return PREREQUISITE_UNMET
        return FEATURE_TAKEN if result.rule or self._testers.get(compiled.feature) else ERROR

    def _override(self, compiled: CompiledExperiment, variant: str) -> Assignment:
        arm = compiled.experiment.variant(variant)
        value = None if arm is None else arm.value
        feature = self._picture.features.get(compiled.feature)
        if feature is not None and isinstance(feature.default, float):
            value = as_float(value)
        return Assignment(
            compiled.experiment.key, compiled.feature, variant, value, OVERRIDE, in_experiment=False
        )

    def _find_testers(self) -> dict[str, Live]:
        """By feature, the first experiment in which the unit has an override."""
        found: dict[str, Live] = {}
        for feature, fillers in self._picture.published.fillers.items():
            for one in fillers:
                live = self._picture.experiments[one.experiment.key]
                if _tested(live.compiled, self._attributes) is not None:
                    found.setdefault(feature, live)
        return found

    def _tested_value(self, live: Live) -> Any:
        variant = _tested(live.compiled, self._attributes) or ""
        return self._override(live.compiled, variant).value


_REASON_INSIDE = {Step.HASH: SPLIT, Step.STICKY: STICKY}


def _tested(compiled: CompiledExperiment, attributes: Mapping[str, Any]) -> str | None:
    unit = attributes.get(compiled.experiment.unit_type)
    return compiled.testers.get(unit) if isinstance(unit, str) else None


def _why(passed: Passed) -> str:
    if passed.parent is not None and passed.parent.startswith(_HOLDOUT):
        return HOLDOUT
    return REASONS.get(passed.step, DISABLED)


def _of_experiment(key: str, live: Live, assignment: Assignment) -> FeatureValue:
    experiment = live.compiled.experiment
    return FeatureValue(
        feature=key,
        experiment=experiment.key,
        revision=live.standing.revision,
        variant=assignment.variant or experiment.control.key,
        value=assignment.value,
        reason=assignment.reason,
        in_experiment=assignment.in_experiment,
    )


def _with_ids(attributes: Mapping[str, Any], unit_types: frozenset[str]) -> dict[str, Any]:
    """Ids as the SDKs write them; a truth value, a list and an object are nobody's.

    User "42" is not device "42": a unit is only ever taken from the attribute of its own type.
    """
    seen = dict(attributes)
    for name in unit_types:
        if name in seen:
            unit = _as_id(seen[name])
            if unit is None:
                del seen[name]
            else:
                seen[name] = unit
    return seen


def _as_id(found: Any) -> str | None:
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return None
    return javascript.text(found) if javascript.truthy(found) else None
