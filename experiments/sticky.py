"""Sticky assignments on the service's side: read before an evaluation, kept after it.

Nothing is read or written where no running experiment sticks. With the store away the answer still
comes, by the hash alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.assignment import javascript
from experiments.assignment.picture import EnvironmentPicture
from experiments.assignment.sticky import StickyDocument, StickyDocuments, document_key
from experiments.definitions.errors import EvenhandError
from experiments.definitions.time import now
from experiments.store.database import Connection, Database
from experiments.store.sticky import keep_sticky, read_sticky


@dataclass(frozen=True, slots=True)
class Kept:
    """`documents` is None where nothing sticks; `available` is whether the store answered."""

    documents: StickyDocuments | None = None
    available: bool = True


def kept_documents(
    connection: Connection, environment: str, unit_type: str, unit_ids: Sequence[str]
) -> list[StickyDocument]:
    """What is kept for units of a type, as the evaluator takes it."""
    found = read_sticky(connection, environment, unit_type, unit_ids)
    return [StickyDocument(unit_type, unit_id, slots) for unit_id, slots in found.items()]


class StickyAssignments:
    def __init__(self, database: Database) -> None:
        self._database = database

    def of(
        self, environment: str, picture: EnvironmentPicture, attributes: Mapping[str, Any]
    ) -> Kept:
        """What is kept for the units that the attributes name."""
        (kept,) = self.of_each(environment, picture, [attributes])
        return kept

    def of_each(
        self,
        environment: str,
        picture: EnvironmentPicture,
        each: Sequence[Mapping[str, Any]],
    ) -> list[Kept]:
        """The same for many, at one reading for each kind of unit."""
        if not picture.sticks:
            return [Kept()] * len(each)
        named = {
            name: [_unit(attributes, name) for attributes in each]
            for name in sorted(picture.sticks)
        }
        try:
            with self._database.read() as connection:
                found = {
                    document.key: document
                    for name, units in named.items()
                    for document in kept_documents(
                        connection, environment, name, sorted({one for one in units if one})
                    )
                }
        except EvenhandError:
            return [Kept({}, available=False)] * len(each)
        return [
            Kept({key: found[key] for key in keys if key in found})
            for keys in zip(
                *([document_key(name, one) for one in units] for name, units in named.items()),
                strict=True,
            )
        ]

    def keep(self, environment: str, documents: list[StickyDocument]) -> bool:
        """Keep what an evaluation gave; False where the store does not answer."""
        if not documents:
            return True
        try:
            with self._database.append() as connection:
                for one in documents:
                    keep_sticky(
                        connection, environment, one.attribute, one.value, one.assignments, now()
                    )
        except EvenhandError:
            return False
        return True


def _unit(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name)
    known = isinstance(value, str | int | float) and javascript.truthy(value)
    return javascript.text(value) if known else ""
