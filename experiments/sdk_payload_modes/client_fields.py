"""Of a payload, what an SDK assigns from: no words for people, no groups that no rule names.

Fields are kept by name, so that whatever is added for servers stays with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from experiments.definitions.experiment import Document

_OF_PAYLOAD = ("status", "features", "dateUpdated", "savedGroups")
_OF_FEATURE = ("defaultValue", "rules")
_OF_RULE = (
    "condition",
    "parentConditions",
    "force",
    "variations",
    "weights",
    "key",
    "phase",
    "seed",
    "hashAttribute",
    "fallbackAttribute",
    "hashVersion",
    "disableStickyBucketing",
    "bucketVersion",
    "minBucketVersion",
    "range",
    "ranges",
    "coverage",
    "namespace",
    "filters",
    "meta",
)
_OF_META = ("key", "passthrough")
GROUP_OPERATORS = ("$inGroup", "$notInGroup")


def for_clients(document: Document) -> Document:
    """The payload without what is for people or for servers alone."""
    kept = _only(document, _OF_PAYLOAD)
    kept["features"] = {key: _feature(one) for key, one in document["features"].items()}
    named = set(groups_named([one.get("rules") for one in kept["features"].values()]))
    groups = {key: one for key, one in kept.pop("savedGroups", {}).items() if key in named}
    return {**kept, "savedGroups": groups} if groups else kept


def groups_named(part: Any) -> Iterator[str]:
    """The lists that a condition, or whatever holds conditions, looks into."""
    if isinstance(part, dict):
        for name, inner in part.items():
            if name in GROUP_OPERATORS and isinstance(inner, str):
                yield inner
            else:
                yield from groups_named(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from groups_named(inner)


def _feature(feature: Document) -> Document:
    kept = _only(feature, _OF_FEATURE)
    if "rules" in kept:
        kept["rules"] = [_rule(one) for one in kept["rules"]]
    return kept


def _rule(rule: Document) -> Document:
    kept = _only(rule, _OF_RULE)
    if "meta" in kept:
        kept["meta"] = [_only(one, _OF_META) for one in kept["meta"]]
    return kept


def _only(document: Document, names: tuple[str, ...]) -> Document:
    return {name: value for name, value in document.items() if name in names}
