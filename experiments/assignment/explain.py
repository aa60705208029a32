"""Why a unit got what it got in an experiment: the steps of the decision, in their order.

Nothing is decided here. What happened is read from the evaluator's own result; only figures, such
as the positions of the unit, are worked out once more from the same compiled records. The last
step is the one that decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.assignment import javascript
from experiments.assignment.answers import assign
from experiments.assignment.conditions import read_condition
from experiments.assignment.context import Context
from experiments.assignment.decide import Step, kept_assignments
from experiments.assignment.evaluate import ERROR, OVERRIDE, Assignment
from experiments.assignment.explanation import (
    DECIDED,
    PASSED,
    SKIPPED,
    STOPPED,
    ExplainedStep,
    Explanation,
    going_on,
    holds_text,
    ranges_text,
    shown,
)
from experiments.assignment.features import CYCLIC, FeatureResult
from experiments.assignment.features import OVERRIDE as FORCED_VALUE
from experiments.assignment.picture import EnvironmentPicture, Live
from experiments.assignment.run import RunResult
from experiments.assignment.specs import Force, Rule
from experiments.assignment.splits import experiment_id, guard_id, holdout_feature
from experiments.assignment.sticky import StickyDocuments, slot_of
from experiments.assignment.visit import Visit
from experiments.definitions.experiment import Document
from experiments.definitions.lifecycle import DRY_RUN, MAIN, RUNNING, SHIPPED

_GUARD, _HOLDOUT = guard_id(""), holdout_feature("")


def explain(
    picture: EnvironmentPicture,
    key: str,
    unit_id: str,
    unit_type: str,
    attributes: Mapping[str, Any],
    sticky: StickyDocuments | None = None,
) -> Explanation:
    """What `assign` answers, and the steps to it; `NotFound` where the experiment is not known."""
    (assignment,) = assign(picture, unit_id, unit_type, attributes, [key], sticky).assignments
    visit = Visit(picture, {**attributes, unit_type: unit_id}, sticky)
    trace = _Trace(picture, picture.experiments[key], visit, sticky, unit_id, assignment)
    steps: list[ExplainedStep] = []
    for step in trace.steps():
        steps.append(step)
        if step.outcome in {STOPPED, DECIDED}:
            break
    return Explanation(assignment, tuple(steps))


@dataclass(frozen=True, slots=True)
class _Trace:
    picture: EnvironmentPicture
    live: Live
    visit: Visit
    sticky: StickyDocuments | None
    unit: str
    assignment: Assignment

    def steps(self) -> Iterator[ExplainedStep]:
        """All that is decided; who asks stops at the first that ends."""
        yield self._unit()
        feature = self.live.compiled.feature
        rules = self.picture.features[feature].rules if feature in self.picture.features else ()
        own = experiment_id(self.live.compiled.experiment.key)
        mine = next((index for index, rule in enumerate(rules) if rule.id == own), None)
        yield self._state(has_rule=mine is not None)
        result = self.visit.result(feature)
        yield self._override(result, has_rule=mine is not None)
        if mine is None:
            yield self._filled_by_another(feature)
            return
        documents = self.picture.published.features[feature]["rules"]
        for index in range(mine):
            yield self._earlier(rules[index], documents[index], index, result)
        yield from self._own(rules[mine], documents[mine], mine, result)

    def _unit(self) -> ExplainedStep:
        figures = {"unit_type": self.live.compiled.experiment.unit_type, "unit_id": self.unit}
        if self.assignment.reason == ERROR and self.assignment.error is not None:
            return ExplainedStep("unit", STOPPED, self.assignment.error.message, figures)
        return ExplainedStep(
            "unit", PASSED, f"units of type {figures['unit_type']!r} are assigned", figures
        )

    def _state(self, *, has_rule: bool) -> ExplainedStep:
        standing = self.live.standing
        phase = standing.phase
        figures: Document = {
            "status": standing.status,
            "phase": None if phase is None else phase.number,
            "phase_kind": None if phase is None else phase.kind,
        }
        detail = f"the experiment is {standing.status}"
        if phase is not None:
            detail += f", in phase {phase.number} ({phase.kind})"
        has_say = has_rule or standing.status in {RUNNING, SHIPPED}
        if has_say or self.assignment.reason == OVERRIDE:
            return ExplainedStep("state", PASSED, detail, figures)
        return ExplainedStep(
            "state", STOPPED, f"{detail}: it gives no variants and counts nothing", figures
        )

    def _override(self, result: FeatureResult, *, has_rule: bool) -> ExplainedStep:
        if self.assignment.reason == OVERRIDE:
            variant = self.assignment.variant
            detail = f"the unit is among the overrides of {variant!r}; that is no exposure"
            return ExplainedStep("override", DECIDED, detail, {"variant": variant})
        if has_rule and result.source == FORCED_VALUE:
            detail = "an override of another experiment gives the unit the feature's value"
            return ExplainedStep("override", STOPPED, detail, {"value": result.value})
        return ExplainedStep("override", PASSED, "no override names the unit")

    def _filled_by_another(self, feature: str) -> ExplainedStep:
        other = self.picture.published.fillers[feature][0].experiment.key
        detail = (
            f"the experiment {other!r} fills the feature {feature!r}; define the feature to let"
            " several experiments fill it"
        )
        return ExplainedStep("feature", STOPPED, detail, {"feature": feature, "experiment": other})

    def _earlier(
        self, rule: Rule, document: Document, index: int, result: FeatureResult
    ) -> ExplainedStep:
        """A rule before the experiment's; the one behind those that were passed took the unit."""
        took = index == len(result.passed)
        outcome = STOPPED if took else PASSED
        if rule.id.startswith(_GUARD):
            parent = rule.parents[0].feature
            value = self.visit.result(parent).value
            condition = document["parentConditions"][0]["condition"]["$not"]
            figures = {"feature": parent, "value": value, "condition": condition}
            detail = (
                f"the feature asks for {parent!r}, which is {shown(value)}: {holds_text(not took)}"
            )
            return ExplainedStep("feature_prerequisite", outcome, detail, figures)
        if took:
            detail = f"the rule {rule.id!r} stands before and gives {shown(result.value)}"
            return ExplainedStep(
                "earlier_rule", outcome, detail, {"rule": rule.id, "value": result.value}
            )
        why = result.passed[index]
        figures = {"rule": rule.id, "why": str(why.step), "feature": why.parent}
        return ExplainedStep(
            "earlier_rule", outcome, f"the rule {rule.id!r} has no say: {why.step}", figures
        )

    def _own(
        self, rule: Rule, document: Document, index: int, result: FeatureResult
    ) -> Iterator[ExplainedStep]:
        step = result.passed[index].step if index < len(result.passed) else None
        yield from self._parents(rule, document)
        for one in rule.filters:
            position = one.position(self.unit)
            phase = self.live.standing.phase
            figures = {
                "layer": getattr(self.live.standing.experiment.layer, "key", None),
                "position": position,
                "slices": [] if phase is None else [list(held) for held in phase.slices],
                "ranges": [list(among) for among in one.ranges],
            }
            where = "outside" if step is Step.FILTER else "inside"
            detail = (
                f"in the layer {figures['layer']!r} the unit is at {position}, {where} the"
                f" experiment's slices {ranges_text(one.ranges)}"
            )
            yield going_on("layer", detail, figures, stops=step is Step.FILTER)
        if isinstance(rule.then, Force):
            yield from self._audience(document, stops=step is Step.CONDITION)
            yield self._given(result)
            return
        run = result.result if step is None else None  # else it may be that of a later rule
        kept = run is not None and run.step is Step.STICKY
        yield from self._audience(document, stops=step is Step.CONDITION, skipped=kept)
        yield from self._sticky(kept=kept, blocked=step is Step.BLOCKED)
        yield from self._phase()
        yield self._hash(run)

    def _parents(self, rule: Rule, document: Document) -> Iterator[ExplainedStep]:
        for parent, asked in zip(rule.parents, document.get("parentConditions", ()), strict=True):
            found = self.visit.result(parent.feature)
            holds = found.source != CYCLIC and parent.condition({"value": found.value})
            if parent.feature.startswith(_HOLDOUT):
                yield self._holdout(parent.feature.removeprefix(_HOLDOUT), found, stops=not holds)
                continue
            figures = {
                "feature": parent.feature,
                "value": found.value,
                "condition": asked["condition"],
            }
            detail = (
                f"the experiment asks for {parent.feature!r}, which is {shown(found.value)}:"
                f" {holds_text(holds)}"
            )
            yield going_on("prerequisite", detail, figures, stops=not holds)

    def _holdout(self, key: str, found: FeatureResult, *, stops: bool) -> ExplainedStep:
        position = self.picture.experiments[key].compiled.spec.position(self.unit)
        detail = f"in the holdout {key!r} the unit is at {position}, which is {found.value}"
        figures = {"holdout": key, "position": position, "arm": found.value}
        return going_on("holdout", detail, figures, stops=stops)

    def _audience(
        self, document: Document, *, stops: bool, skipped: bool = False
    ) -> Iterator[ExplainedStep]:
        condition = document.get("condition")
        if not condition:
            return
        figures: Document = {"condition": condition}
        if skipped:
            detail = "a variant that was kept holds whatever the audience says"
            yield ExplainedStep("audience", SKIPPED, detail, figures)
            return
        detail = "the unit is not in the audience" if stops else "the unit is in the audience"
        failing = self._failing(condition) if stops else None
        if failing is not None:
            (name,) = failing
            figures["failing"] = failing
            detail = f"the unit is not in the audience: {shown(failing)} does not hold"
            if not name.startswith("$"):
                first, *rest = name.split(".")
                value = self.visit.attributes.get(first)
                figures["found"] = javascript.look_up(value, tuple(rest)) if rest else value
                detail += f", {name} is {shown(figures['found'])}"
        yield going_on("audience", detail, figures, stops=stops)

    def _failing(self, condition: Document) -> Document | None:
        """The first part that does not hold, looked for in the lists of `$and` too."""
        for name, operand in condition.items():
            part = {name: operand}
            if read_condition(part, self.picture.published.groups)(self.visit.attributes):
                continue
            inner = operand if name == "$and" and isinstance(operand, list) else ()
            return next((found for one in inner if (found := self._failing(one))), part)
        return None

    def _sticky(self, *, kept: bool, blocked: bool) -> Iterator[ExplainedStep]:
        spec = self.live.compiled.spec
        if self.live.standing.experiment.sticky is None:
            return
        held = kept_assignments(spec, Context(self.visit.attributes, sticky=self.sticky))
        slot = slot_of(spec, spec.bucket_version)
        figures: Document = {
            "slot": slot,
            "variant": held.get(slot),
            "kept": {name: held[name] for name in held if name.startswith(slot_of(spec, ""))},
            "bucket_version": spec.bucket_version,
            "min_bucket_version": spec.min_bucket_version,
        }
        detail = f"nothing is kept in {slot!r}"
        if blocked:
            detail = (
                f"the unit was given a variant under a version below {spec.min_bucket_version}"
                " and may not enter"
            )
        elif kept:
            detail = f"{held.get(slot)!r} is kept in {slot!r}"
        yield ExplainedStep(
            "sticky", STOPPED if blocked else DECIDED if kept else PASSED, detail, figures
        )

    def _phase(self) -> Iterator[ExplainedStep]:
        phase = self.live.standing.phase
        if phase is None or phase.kind == MAIN:
            return
        detail = (
            "a dry run: variants are counted, and all get the control's value"
            if phase.kind == DRY_RUN
            else "a hold-back: a share stays with the control, all others get the winner"
        )
        yield ExplainedStep("phase", PASSED, detail, {"phase": phase.number, "kind": phase.kind})

    def _hash(self, run: RunResult | None) -> ExplainedStep:
        spec, phase = self.live.compiled.spec, self.live.standing.phase
        position = spec.position(self.unit)
        variant = None if run is None else run.key
        figures: Document = {
            "seed": "" if phase is None else phase.seed,
            "position": position,
            "ranges": [
                {"variant": spec.key_of(index), "range": list(among)}
                for index, among in enumerate(spec.ranges)
            ],
            "traffic": spec.document.get("coverage"),
            "variant": variant,
        }
        where = (
            "outside the traffic: no range has it"
            if variant is None
            else f"in the range of {variant!r}"
        )
        detail = f"under the seed {figures['seed']!r} the unit is at {position}, {where}"
        return ExplainedStep("hash", STOPPED if variant is None else DECIDED, detail, figures)

    def _given(self, result: FeatureResult) -> ExplainedStep:
        """What a rule gives that splits no more."""
        if self.live.standing.status == SHIPPED:
            winner = self.assignment.variant
            figures = {"variant": winner, "value": result.value}
            return ExplainedStep("shipped", DECIDED, f"the audience gets {winner!r}", figures)
        detail = "the experiment is paused: its audience gets the control, and nothing is counted"
        return ExplainedStep("paused", STOPPED, detail, {"value": result.value})
