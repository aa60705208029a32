"""Sticky documents: which variation a unit keeps, whatever happens to weights and attributes.

One document for each attribute and value, as the SDKs have them; its key is `attribute||value`,
its assignments are variation keys by `experiment__bucketVersion`. Documents are passed in and new
ones handed back; nothing is stored here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.assignment.specs import ExperimentSpec


@dataclass(frozen=True, slots=True)
class StickyDocument:
    attribute: str
    value: str
    assignments: Mapping[str, str]

    @property
    def key(self) -> str:
        return document_key(self.attribute, self.value)

    def to_document(self) -> dict[str, Any]:
        return {
            "attributeName": self.attribute,
            "attributeValue": self.value,
            "assignments": dict(self.assignments),
        }


StickyDocuments = Mapping[str, StickyDocument]


def document_key(attribute: str, value: str) -> str:
    return f"{attribute}||{value}"


def sticky_documents(documents: list[Mapping[str, Any]]) -> dict[str, StickyDocument]:
    """Documents as the SDKs store them, by their keys."""
    read = [
        StickyDocument(one["attributeName"], one["attributeValue"], one["assignments"])
        for one in documents
    ]
    return {one.key: one for one in read}


def kept_variation(spec: ExperimentSpec, assignments: Mapping[str, str]) -> int | None:
    """The variation that the assignments name, None where they name none that is there."""
    key = assignments.get(slot_of(spec, spec.bucket_version))
    if key is None:
        return None
    return next((index for index, meta in enumerate(spec.meta) if meta.key == key), None)


def is_blocked(spec: ExperimentSpec, assignments: Mapping[str, str]) -> bool:
    """Whether the unit was assigned under a version below the least one: it may not enter."""
    prefix = slot_of(spec, "")
    versions = (name.removeprefix(prefix) for name in assignments if name.startswith(prefix))
    return any(
        version.isdecimal() and len(version) < 10 and int(version) < spec.min_bucket_version
        for version in versions
    )


def with_assignment(
    documents: StickyDocuments, spec: ExperimentSpec, attribute: str, value: str, variation: str
) -> StickyDocument | None:
    """The document that keeps a variation, None where it is kept already."""
    held = documents.get(document_key(attribute, value))
    before = held.assignments if held else {}
    name = slot_of(spec, spec.bucket_version)
    if before.get(name) == variation:
        return None
    return StickyDocument(attribute, value, {**before, name: variation})


def slot_of(spec: ExperimentSpec, version: int | str) -> str:
    """The name under which a variation is kept."""
    return f"{spec.key}__{version}"
