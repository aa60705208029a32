"""Secure attributes: conditions are published with SHA-256(salt + value) instead of the value.

The app gives its SDK the same hash. What compares for equality means the same by hashes; nothing
else does: no pattern, no order, no version, and no bucket, where such an attribute is randomised.
A rule that needs more is withheld, and with it the rest of its feature, so that no later rule
takes whom it would have taken; so is every rule that depends on such a feature. Where rules are
withheld everybody gets the feature's default: fewer units take part, none gets another's variant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.definitions.experiment import Document
from experiments.sdk_payload_modes.client_fields import GROUP_OPERATORS, groups_named

_TEXT = "can be published hashed only where it is compared with texts"
_ONE = ("$eq", "$ne")
_SEVERAL = ("$in", "$nin")
_INNER = ("$not", "$elemMatch")


@dataclass(frozen=True, slots=True)
class Withheld:
    """From this rule on (1 is the first) nothing of the feature is published, and why."""

    feature: str
    rule: int
    reason: str


class _NotPublishable(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def hashed(value: str, salt: str) -> str:
    """As the app must hash a value before it gives it to its SDK."""
    return hashlib.sha256(f"{salt}{value}".encode()).hexdigest()


def hash_attributes(
    document: Document, secure: tuple[str, ...], salt: str
) -> tuple[Document, tuple[Withheld, ...]]:
    """The payload with hashes of the secure attributes' values, and what is left out of it."""
    names, lists = frozenset(secure), document.get("savedGroups", {})
    conditions = [
        rule.get("condition")
        for feature in document["features"].values()
        for rule in feature.get("rules", ())
    ]
    asked = frozenset(_lists_asked(conditions, names))
    told = {
        key: [_digest(one, salt) for one in members] if key in asked else members
        for key, members in lists.items()
        if key not in asked or all(map(_has_hash, members))
    }
    hasher = _Hasher(names, salt, lists, asked, told)
    features: dict[str, Document] = {}
    withheld: dict[str, Withheld] = {}
    for key, feature in document["features"].items():
        rules: list[Document] = []
        for number, rule in enumerate(feature.get("rules", ()), start=1):
            try:
                rules.append(hasher.rule(rule))
            except _NotPublishable as refused:
                withheld[key] = Withheld(key, number, refused.reason)
                break
        features[key] = {**feature, "rules": rules} if "rules" in feature else feature
    _withhold_dependents(features, withheld)
    published = {**document, "features": features}
    if lists:
        published["savedGroups"] = told
    return published, tuple(withheld[key] for key in sorted(withheld))


def _withhold_dependents(features: dict[str, Document], withheld: dict[str, Withheld]) -> None:
    """Cut features at the first rule that depends on a cut one, until none is left."""
    changed = True
    while changed:
        changed = False
        for key, feature in features.items():
            rules = feature.get("rules", [])
            for index, rule in enumerate(rules):
                parents = [one.get("id") for one in rule.get("parentConditions", ())]
                parent = next((one for one in parents if one in withheld), None)
                if parent is not None:
                    reason = f"depends on the feature `{parent}`, of which rules are withheld"
                    withheld[key] = Withheld(key, index + 1, reason)
                    features[key] = {**feature, "rules": rules[:index]}
                    changed = True
                    break


def _lists_asked(part: Any, secure: frozenset[str], asked: str = "") -> Iterator[str]:
    """The lists that conditions look a secure attribute up in; `asked` is the one around."""
    if isinstance(part, list):
        for inner in part:
            yield from _lists_asked(inner, secure, asked)
    elif isinstance(part, dict):
        for name, inner in part.items():
            if name not in GROUP_OPERATORS:
                yield from _lists_asked(inner, secure, asked if name.startswith("$") else name)
            elif asked in secure and isinstance(inner, str):
                yield inner


@dataclass(frozen=True, slots=True)
class _Hasher:
    """`lists` are all, `hashed_lists` those that a secure attribute is looked up in.

    `told` are the lists as they are published, without those that have no hash.
    """

    secure: frozenset[str]
    salt: str
    lists: Mapping[str, list[Any]]
    hashed_lists: frozenset[str]
    told: Mapping[str, list[Any]]

    def rule(self, rule: Document) -> Document:
        for attribute in _hashed_for_buckets(rule):
            if self._concerns(attribute):
                raise _NotPublishable(
                    f"assigns by `{attribute}`, and a hash of it has another bucket"
                )
        for key in groups_named(rule.get("parentConditions")):
            self._check_use(key, "the value of a feature")
        if "condition" not in rule:
            return rule
        return {**rule, "condition": self._condition(rule["condition"])}

    def _concerns(self, attribute: str) -> bool:
        """Whether it is a secure attribute, holds one or lies in one."""
        return any(
            one == attribute or one.startswith(f"{attribute}.") or attribute.startswith(f"{one}.")
            for one in self.secure
        )

    def _condition(self, condition: Any) -> Any:
        if not isinstance(condition, dict):
            return condition
        return {name: self._part(name, operand) for name, operand in condition.items()}

    def _part(self, name: str, operand: Any) -> Any:
        if name in {"$and", "$or", "$nor"} and isinstance(operand, list):
            return [self._condition(one) for one in operand]
        if name == "$not":
            return self._condition(operand)
        if name in self.secure:
            return self._test(name, operand)
        if self._concerns(name):
            raise _NotPublishable(f"tests `{name}`, which holds or lies in a secure attribute")
        for key in groups_named(operand):
            self._check_use(key, f"`{name}`")
        return operand

    def _test(self, attribute: str, operand: Any) -> Any:
        if isinstance(operand, dict) and operand and all(name[:1] == "$" for name in operand):
            return {name: self._operator(attribute, name, inner) for name, inner in operand.items()}
        return self._value(attribute, operand)

    def _operator(self, attribute: str, name: str, operand: Any) -> Any:
        if name in _ONE:
            return self._value(attribute, operand)
        if name in _SEVERAL and isinstance(operand, list):
            return [self._value(attribute, one) for one in operand]
        if name in _INNER:
            return self._test(attribute, operand)
        if name in GROUP_OPERATORS and isinstance(operand, str):
            if operand in self.lists and operand not in self.told:
                raise _NotPublishable(f"looks `{attribute}` up where not all are texts; it {_TEXT}")
            return operand
        if name == "$exists":
            return operand
        raise _NotPublishable(f"tests `{attribute}` by {name}; it {_TEXT}: use $eq, $ne, $in, $nin")

    def _value(self, attribute: str, value: Any) -> str | None:
        if not _has_hash(value):
            raise _NotPublishable(f"compares `{attribute}` with what is no text; it {_TEXT}")
        return _digest(value, self.salt)

    def _check_use(self, key: str, asked: str) -> None:
        if key in self.hashed_lists:
            raise _NotPublishable(
                f"looks {asked} up in `{key}`, whose members are published hashed"
            )


def _has_hash(value: Any) -> bool:
    """Nothing stays nothing; texts have hashes."""
    return value is None or isinstance(value, str)


def _digest(value: str | None, salt: str) -> str | None:
    return None if value is None else hashed(value, salt)


def _hashed_for_buckets(rule: Document) -> Iterator[str]:
    """The attributes by whose values a rule finds buckets."""
    if "variations" in rule or "coverage" in rule or "range" in rule:
        yield rule.get("hashAttribute") or "id"
        if rule.get("fallbackAttribute"):
            yield rule["fallbackAttribute"]
    for one in rule.get("filters", ()):
        yield one.get("attribute") or "id"
