"""A feature: the typed value that an app asks for, and the ordered rules that fill it.

A feature without a document of its own is filled by the one experiment that names it. With one,
several experiments and rules fill it in order; an experiment that names the feature and stands in
no rule comes after the rules, in the order of their starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from experiments.definitions.errors import Invalid, Problem
from experiments.definitions.keys import KEY_RULE, is_key
from experiments.definitions.prerequisite import Prerequisite, prerequisites_from, prerequisites_to

Document = dict[str, Any]

TYPES = ("boolean", "string", "number", "json")


@dataclass(frozen=True, slots=True)
class FeatureRule:
    """Either `experiment`, whose variants' values fill the feature, or a forced `value`.

    A forced value reaches who fulfils `condition`; with `coverage`, a fraction, that share of
    them: by the hash of the attribute `unit_type` under `salt`.
    """

    id: str
    experiment: str | None = None
    value: Any = None
    condition: Document | None = None
    coverage: float | None = None
    salt: str | None = None
    unit_type: str = "id"
    prerequisites: tuple[Prerequisite, ...] = ()


@dataclass(frozen=True, slots=True)
class Feature:
    """While a prerequisite is not met, everybody gets the default."""

    key: str
    name: str
    type: str
    default: Any
    prerequisites: tuple[Prerequisite, ...] = ()
    rules: tuple[FeatureRule, ...] = ()

    def salt_of(self, rule: FeatureRule) -> str:
        return rule.salt or f"rollout/{self.key}/{rule.id}"


def fits(kind: str, value: Any) -> bool:
    """Whether a value is of a feature's type."""
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "string":
        return isinstance(value, str)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return True


def feature_from_document(document: Document) -> Feature:
    """Fill the defaults and check the rules; raises `Invalid`. The shape is already checked."""
    rules = document.get("rules", ())
    feature = Feature(
        key=document["key"],
        name=document.get("name") or document["key"],
        type=document["type"],
        default=document["default"],
        prerequisites=prerequisites_from(document.get("prerequisites", ())),
        rules=tuple(_rule(one, name) for one, name in zip(rules, _ids(rules), strict=True)),
    )
    problems = _problems(feature, document)
    if problems:
        raise Invalid.of(problems)
    return feature


def feature_to_document(feature: Feature) -> Document:
    return {
        "key": feature.key,
        "name": feature.name,
        "type": feature.type,
        "default": feature.default,
        "prerequisites": prerequisites_to(feature.prerequisites),
        "rules": [_rule_document(rule) for rule in feature.rules],
    }


def _ids(documents: Sequence[Document]) -> list[str]:
    """The ids of the rules; those without get the first numbers that are free."""
    given = {one["id"] for one in documents if one.get("id")}
    free = (name for name in map("rule-{}".format, count(1)) if name not in given)
    return [one.get("id") or next(free) for one in documents]


def _rule(document: Document, name: str) -> FeatureRule:
    return FeatureRule(
        id=name,
        experiment=document.get("experiment"),
        value=document.get("value"),
        condition=document.get("condition") or None,
        coverage=document.get("coverage"),
        salt=document.get("salt"),
        unit_type=document.get("unit_type", "id"),
        prerequisites=prerequisites_from(document.get("prerequisites", ())),
    )


def _rule_document(rule: FeatureRule) -> Document:
    if rule.experiment is not None:
        return {"id": rule.id, "experiment": rule.experiment}
    return {
        "id": rule.id,
        "value": rule.value,
        "condition": rule.condition or {},
        "coverage": rule.coverage,
        "salt": rule.salt,
        "unit_type": rule.unit_type,
        "prerequisites": prerequisites_to(rule.prerequisites),
    }


def _problems(feature: Feature, document: Document) -> list[Problem]:
    problems: list[Problem] = []
    if not is_key(feature.key):
        problems.append(Problem("key", "KEY_INVALID", f"{feature.key!r} is not a key: {KEY_RULE}"))
    if feature.type not in TYPES:
        problems.append(Problem("type", "TYPE_UNKNOWN", f"use one of {', '.join(TYPES)}"))
    elif not fits(feature.type, feature.default):
        problems.append(_misfit("default", feature.type))
    ids = [rule.id for rule in feature.rules]
    if len(set(ids)) < len(ids):
        problems.append(Problem("rules", "RULE_DUPLICATE", "two rules share one id"))
    for index, rule in enumerate(feature.rules):
        path = f"rules.{index}"
        given = document["rules"][index]
        if ("value" in given) == (rule.experiment is not None):
            problems.append(
                Problem(path, "RULE_AMBIGUOUS", "a rule has either a `value` or an `experiment`")
            )
        elif rule.experiment is not None:
            extra = given.keys() - {"id", "experiment"}
            problems += [
                Problem(
                    f"{path}.{name}",
                    "RULE_AMBIGUOUS",
                    "set it on the experiment; its rule only names it",
                )
                for name in sorted(extra)
            ]
        elif not fits(feature.type, rule.value):
            problems.append(_misfit(f"{path}.value", feature.type))
        if rule.coverage is not None and not 0 <= rule.coverage <= 1:
            problems.append(
                Problem(f"{path}.coverage", "COVERAGE_INVALID", "a fraction between 0 and 1")
            )
        if not is_key(rule.id):
            problems.append(Problem(f"{path}.id", "KEY_INVALID", f"{rule.id!r}: {KEY_RULE}"))
    return problems


def _misfit(path: str, kind: str) -> Problem:
    return Problem(path, "VALUE_TYPE", f"the feature is of type {kind}; send a value of that type")
