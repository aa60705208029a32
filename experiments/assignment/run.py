"""What one run gives: the decision in full, and the sticky document that keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments.assignment import javascript
from experiments.assignment.context import Context
from experiments.assignment.decide import Prerequisites, Step, decide, fallback_of, sticks
from experiments.assignment.specs import ExperimentSpec
from experiments.assignment.sticky import StickyDocument, with_assignment


@dataclass(frozen=True, slots=True)
class RunResult:
    """What one run gives, in the words of the SDKs.

    `variation` is an index, 0 where the unit is not in. `sticky_document` is to be stored where
    there is one.
    """

    spec: ExperimentSpec
    step: Step
    variation: int
    in_experiment: bool
    hash_used: bool
    hash_attribute: str
    hash_value: Any
    position: float | None = None
    sticky_used: bool = False
    sticky_document: StickyDocument | None = None

    @property
    def key(self) -> str:
        return self.spec.key_of(self.variation)

    @property
    def unit(self) -> str:
        """The text that was hashed."""
        return javascript.text(self.hash_value)

    @property
    def value(self) -> Any:
        return self.spec.variations[self.variation] if self.spec.variations else None

    @property
    def passthrough(self) -> bool:
        return self.spec.name_of(self.variation).passthrough

    def experiment_document(self) -> dict[str, Any]:
        """The experiment as the SDKs report it: the leaf of a bandit only where it decided."""
        document = dict(self.spec.document)
        if self.spec.bandit is not None and self.hash_used:
            document["contextualBandit"] = self.spec.bandit.to_document()
        return document

    def to_document(self, feature: str | None = None) -> dict[str, Any]:
        """As the SDKs report it."""
        meta, bandit = self.spec.name_of(self.variation), self.spec.bandit
        document: dict[str, Any] = {
            "key": self.key,
            "featureId": feature,
            "inExperiment": self.in_experiment,
            "hashUsed": self.hash_used,
            "variationId": self.variation,
            "value": self.value,
            "hashAttribute": self.hash_attribute,
            "hashValue": self.hash_value,
            "stickyBucketUsed": self.sticky_used,
        }
        if meta.name:
            document["name"] = meta.name
        if self.position is not None:
            document["bucket"] = self.position
        if meta.passthrough:
            document["passthrough"] = True
        if bandit is not None and self.hash_used:
            document |= bandit.to_document()
        return document


def run_one(spec: ExperimentSpec, context: Context, prerequisites: Prerequisites) -> RunResult:
    """Decide, and say in full what was decided."""
    attribute, value = context.unit(spec.hash_attribute, fallback_of(spec, context))
    unit = None if value == "" else javascript.text(value)
    decision = decide(spec, context, unit, prerequisites)
    in_experiment = 0 <= decision.variation < len(spec.variations)
    variation = decision.variation if in_experiment else 0
    document = None
    if unit is not None and decision.hash_used and sticks(spec, context):
        key = spec.key_of(variation)
        document = with_assignment(context.sticky or {}, spec, attribute, unit, key)
    return RunResult(
        spec=spec,
        step=decision.step,
        variation=variation,
        in_experiment=in_experiment,
        hash_used=decision.hash_used,
        hash_attribute=attribute,
        hash_value=value,
        position=decision.position,
        sticky_used=decision.step in {Step.STICKY, Step.BLOCKED},
        sticky_document=document,
    )
