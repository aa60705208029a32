"""An experiment and everything that it names, from one environment to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from experiments.definitions.errors import NotFound
from experiments.definitions.experiment import Document
from experiments.registry import Wanted
from experiments.registry.references import named_segments

Definitions = Mapping[tuple[str, str], Document]  # by subject and key


@dataclass(frozen=True, slots=True)
class Promotion:
    """`notes` say what was left behind, and why."""

    wanted: tuple[Wanted, ...]
    notes: tuple[str, ...]


def promotion(key: str, source: Definitions, target: Definitions) -> Promotion:
    """What `target` is to hold so that it has the experiment `key` as `source` has it.

    When it starts and stops by the clock, and how far its ramp has gone, stays as `target` has it.
    A feature's rule that names an experiment which `target` has not is left behind.
    """
    if ("experiment", key) not in source:
        raise NotFound(
            "EXPERIMENT_NOT_FOUND", f"there is no experiment {key!r} where it is to come from"
        )
    parcel = _Parcel(key, source, target)
    parcel.take("experiment", key)
    return Promotion(
        tuple(Wanted(subject, document) for (subject, _), document in parcel.taken.items()),
        tuple(parcel.notes),
    )


@dataclass(frozen=True, slots=True)
class _Parcel:
    experiment: str
    source: Definitions
    target: Definitions
    taken: dict[tuple[str, str], Document] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def take(self, subject: str, key: str) -> None:
        """With all that it names in turn."""
        document = self.source.get((subject, key))
        if document is None or (subject, key) in self.taken:
            return
        if subject == "experiment":
            document = self._timed(document)
        elif subject == "feature":
            document = self._with_known_rules(document)
        self.taken[subject, key] = document
        for named in _named(subject, document):
            self.take(*named)

    def _timed(self, document: Document) -> Document:
        there = self.target.get(("experiment", self.experiment), {}).get("schedule", {})
        times = {name: there.get(name) for name in ("start_at", "stop_at")}
        ramped = {"traffic"} if document["schedule"]["ramp"] else set()
        kept = {name: value for name, value in document.items() if name not in ramped}
        return {**kept, "schedule": {**document["schedule"], **times}}

    def _with_known_rules(self, document: Document) -> Document:
        rules = []
        for rule in document["rules"]:
            named = rule.get("experiment", self.experiment)
            if named == self.experiment or ("experiment", named) in self.target:
                rules.append(rule)
            else:
                self.notes.append(
                    f"the rule {rule['id']!r} of the feature {document['key']!r} stays behind: it"
                    f" names {named!r}, which is to be promoted first"
                )
        return {**document, "rules": rules}


def _named(subject: str, document: Document) -> Iterable[tuple[str, str]]:
    """What a document names, but for the experiments of a feature's rules."""
    if subject == "segment":
        yield from _segments(document["condition"])
    elif subject == "feature":
        yield from _prerequisites(document)
        for rule in document["rules"]:
            yield from _segments(rule.get("condition"))
            yield from _prerequisites(rule)
    elif subject == "experiment":
        yield from (("metric", use["metric"]) for use in document["metrics"])
        layers = (document["layer"] or {}).get("key"), (document["holdout"] or {}).get("layer")
        yield from (("layer", layer) for layer in layers if layer is not None)
        yield from _segments(document["audience"])
        yield from _prerequisites(document)
        yield "feature", document["feature"]


def _prerequisites(document: Document) -> Iterable[tuple[str, str]]:
    for one in document.get("prerequisites", ()):
        yield from _segments(one["condition"])
        yield "feature", one["feature"]


def _segments(condition: Any) -> Iterable[tuple[str, str]]:
    return (("segment", segment) for segment in sorted(named_segments(condition)))
