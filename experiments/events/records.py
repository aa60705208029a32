"""What the log holds and answers: frozen records, named like the columns of their tables.

Instants are microseconds UTC. JSON is carried as compact text, ready to be stored. What there is
one of for every event is a named tuple, which is made several times as fast as a data class; the
fields of a record that are columns come first, in the table's order, so that they are its row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Status = Literal["stored", "duplicate", "conflict", "rejected"]
Clock = Literal["client", "server"]


class UnitId(NamedTuple):
    """One id of a unit, with its hash."""

    unit_type: str
    unit_id: str
    unit_hash: int


class LinkRecord(NamedTuple):
    """Two ids that one event named together; each pair is written in both directions."""

    environment: str
    unit_type: str
    unit_id: str
    other_type: str
    other_id: str
    unit_hash: int
    other_hash: int
    first_at: int


class ExposureRecord(NamedTuple):
    """A unit met a variant. `mark` says why it does not count, None where it does.

    `agrees` says whether our hash gives this variant, None where it was not asked.
    """

    environment: str
    experiment: str
    phase: int
    unit_id: str
    variant: str
    unit_type: str
    unit_hash: int
    first_at: int
    clock: Clock
    client_at: int | None
    received_at: int
    attributes: str | None
    mark: str | None
    agrees: bool | None
    links: tuple[LinkRecord, ...] = ()


class OutcomeRecord(NamedTuple):
    """A unit did something. `further_ids` are the ids beside the primary one.

    `clamped`: the client's time was impossible and the server's stands for it. `digest` is that
    of the raw item, so that the same id with another body is told apart from a retry.
    """

    environment: str
    event_id: str
    event: str
    unit_type: str
    unit_id: str
    unit_hash: int
    value: float
    at: int
    clock: Clock
    client_at: int | None
    received_at: int
    clamped: bool
    properties: str | None
    digest: str
    further_ids: tuple[UnitId, ...] = ()
    links: tuple[LinkRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused item with the reason and the body, so that it can be mended and sent again."""

    environment: str
    digest: str
    code: str
    detail: str
    key_selector: str
    received_at: int
    body: str

    @property
    def id(self) -> str:
        """Its name in an environment: one letter for each body and reason."""
        return f"{self.digest}-{self.code}"


Record = ExposureRecord | OutcomeRecord | DeadLetter


class Verdict(NamedTuple):
    """What became of the item at `index`; `code` and `detail` say why it was not taken."""

    index: int  # type: ignore[assignment]  # it hides the method of tuples
    event_id: str | None
    status: Status
    code: str | None = None
    detail: str | None = None
