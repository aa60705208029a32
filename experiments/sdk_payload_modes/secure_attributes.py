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
from dataclasses import dataclass, field
from typing import Any

from experiments.definitions.experiment import Document
from experiments.sdk_payload_modes.client_fields import groups_named

_TEXT = "can be published hashed only where it is compared with texts"
_AROUND = "which holds or lies in a secure attribute"
_ONE = ("$eq", "$ne")
_SEVERAL = ("$in", "$nin")
_GROUP = ("$inGroup", "$notInGroup")
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
    groups = document.get("savedGroups", {})
    hasher = _Hasher(frozenset(secure), salt, groups, _secure_groups(document, frozenset(secure)))
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
    if groups:
        published["savedGroups"] = hasher.published_groups()
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


def _secure_groups(document: Document, secure: frozenset[str]) -> frozenset[str]:
    """The lists whose members are values of a secure attribute, by what they say or who asks."""
    groups: Mapping[str, Any] = document.get("savedGroups", {})
    found = {
        key
        for key, group in groups.items()
        if isinstance(group, dict) and group.get("attributeKey") in secure
    }
    conditions = [
        rule.get("condition")
        for feature in document["features"].values()
        for rule in feature.get("rules", ())
    ]
    conditions += [one.get("condition") for one in groups.values() if isinstance(one, dict)]
    for condition in conditions:
        found.update(_groups_asked(condition, secure, asked=None))
    return frozenset(found)


def _groups_asked(part: Any, secure: frozenset[str], asked: str | None) -> Iterator[str]:
    """The lists that are looked up for a secure attribute; `asked` is the attribute around."""
    if isinstance(part, list):
        for inner in part:
            yield from _groups_asked(inner, secure, asked)
    elif isinstance(part, dict):
        for name, inner in part.items():
            if name in _GROUP:
                if asked in secure and isinstance(inner, str):
                    yield inner
            elif name == "$savedGroup":
                if isinstance(inner, dict) and inner.get("attributeKey") in secure:
                    yield str(inner.get("id"))
            else:
                yield from _groups_asked(inner, secure, asked if name.startswith("$") else name)


@dataclass(slots=True)
class _Hasher:
    secure: frozenset[str]
    salt: str
    groups: Mapping[str, Any]
    secure_groups: frozenset[str]
    # None for a group that is being read, or cannot be published.
    made: dict[str, Any] = field(default_factory=dict)

    def rule(self, rule: Document) -> Document:
        for attribute in _hashed_for_buckets(rule):
            if self._concerns(attribute):
                raise _NotPublishable(
                    f"assigns by `{attribute}`, and a hash of it has another bucket"
                )
        for key in groups_named(rule.get("parentConditions")):
            self._check_use(key, "value of a feature")
            self._read_published(key)
        if "condition" not in rule:
            return rule
        return {**rule, "condition": self._condition(rule["condition"])}

    def published_groups(self) -> Document:
        """The groups of which nothing hinders the publication."""
        for key in self.groups:
            self._read_group(key)
        return {key: self.made[key] for key in self.groups if self.made[key] is not None}

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
        if name == "$savedGroup" and isinstance(operand, dict):
            self._check_reference(operand)
            return operand
        if name in self.secure:
            return self._test(name, operand)
        if self._concerns(name):
            raise _NotPublishable(f"tests `{name}`, {_AROUND}")
        self._check_lists(name, operand)
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
        if name in _GROUP and isinstance(operand, str):
            self._read_published(operand)
            return operand
        if name == "$exists":
            return operand
        raise _NotPublishable(f"tests `{attribute}` by {name}; it {_TEXT}: use $eq, $ne, $in, $nin")

    def _value(self, attribute: str, value: Any) -> str | None:
        if value is not None and not isinstance(value, str):
            raise _NotPublishable(f"compares `{attribute}` with what is no text; it {_TEXT}")
        return None if value is None else hashed(value, self.salt)

    def _check_reference(self, reference: Document) -> None:
        key, asked = str(reference.get("id")), reference.get("attributeKey")
        group = self.groups.get(key)
        if isinstance(group, dict) and group.get("type") == "list":
            self._check_use(key, str(asked or group.get("attributeKey")))
        self._read_published(key)

    def _check_lists(self, attribute: str, operand: Any) -> None:
        """The lists that the test of an attribute that is not secure looks into."""
        if isinstance(operand, dict):
            for name, inner in operand.items():
                if name in _GROUP and isinstance(inner, str):
                    self._check_use(inner, attribute)
                self._check_lists(attribute, inner)
        elif isinstance(operand, list):
            for inner in operand:
                self._check_lists(attribute, inner)

    def _check_use(self, key: str, attribute: str) -> None:
        if attribute in self.secure:
            return
        if self._concerns(attribute):
            raise _NotPublishable(f"looks up `{attribute}`, {_AROUND}")
        if key in self.secure_groups:
            raise _NotPublishable(
                f"looks `{attribute}` up in `{key}`, whose members are published hashed"
            )

    def _read_published(self, key: str) -> None:
        if key in self.groups and self._read_group(key) is None:
            raise _NotPublishable(f"names the segment `{key}`, which cannot be published")

    def _read_group(self, key: str) -> Any:
        if key not in self.made:
            self.made[key] = None
            try:
                self.made[key] = self._group(key, self.groups[key])
            except _NotPublishable:
                self.made[key] = None
        return self.made[key]

    def _group(self, key: str, group: Any) -> Any:
        if isinstance(group, dict) and group.get("type") == "condition":
            return {**group, "condition": self._condition(group.get("condition"))}
        if key not in self.secure_groups:
            return group
        if isinstance(group, dict):
            return {**group, "values": [self._value(key, one) for one in group.get("values", ())]}
        return [self._value(key, one) for one in group]


def _hashed_for_buckets(rule: Document) -> Iterator[str]:
    """The attributes by whose values a rule finds buckets."""
    if "force" not in rule or "coverage" in rule or "range" in rule:
        yield rule.get("hashAttribute") or "id"
        if rule.get("fallbackAttribute"):
            yield rule["fallbackAttribute"]
    for one in rule.get("filters", ()):
        yield one.get("attribute") or "id"
