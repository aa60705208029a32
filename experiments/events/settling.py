"""From an item to the record that is stored: its time, its phase, and whether it counts."""

from __future__ import annotations

from typing import Protocol

from experiments.definitions.errors import Problem
from experiments.definitions.lifecycle import Phase, Standing
from experiments.definitions.time import Instant
from experiments.events.clocks import Moment
from experiments.events.event_ids import id_from_content, new_id
from experiments.events.links import links_between
from experiments.events.reading import ExposureItem, OutcomeItem
from experiments.events.records import ExposureRecord, OutcomeRecord, UnitId

OVERRIDDEN = "OVERRIDDEN"
NOT_IN_EXPERIMENT = "NOT_IN_EXPERIMENT"
HASH_UNUSED = "HASH_UNUSED"
NOT_RUNNING = "NOT_RUNNING"
FALLBACK_UNIT = "FALLBACK_UNIT"
BEFORE_FIRST_PHASE = 0


class Hashed(Protocol):
    """The variant that our hash gives, None outside the traffic."""

    def bucket(self, unit_id: str) -> str | None: ...


def settle_outcome(
    environment: str, item: OutcomeItem, moment: Moment, received_at: Instant
) -> OutcomeRecord:
    """The first of the ids, in the order of their types, is the primary one.

    An object of JSON has no order, so that the order of writing must not decide.
    """
    primary, *further = item.ids
    return OutcomeRecord(
        environment=environment,
        event_id=item.event_id or _made_id(item),
        event=item.event,
        unit_type=primary.unit_type,
        unit_id=primary.unit_id,
        unit_hash=primary.unit_hash,
        value=item.value,
        at=moment.at,
        clock=moment.clock,
        client_at=moment.client_at,
        received_at=received_at,
        clamped=moment.clamped,
        properties=item.properties,
        digest=item.digest,
        further_ids=tuple(further),
        links=links_between(environment, item.ids, moment.at),
    )


def _made_id(item: OutcomeItem) -> str:
    return new_id() if item.client_at is None else id_from_content(item.digest, item.client_at)


def settle_exposure(
    item: ExposureItem, standing: Standing, hashed: Hashed, moment: Moment, received_at: Instant
) -> ExposureRecord | Problem:
    """An exposure that the experiment's rules allow, marked where it does not count."""
    experiment = standing.experiment
    if experiment.variant(item.variant) is None:
        known = ", ".join(variant.key for variant in experiment.variants)
        return Problem(
            "variant",
            "UNKNOWN_VARIANT",
            f"{experiment.key!r} has no variant {item.variant!r}; it has {known}",
        )
    unit = _unit_of_type(item.ids, experiment.unit_type)
    fallback = experiment.sticky.fallback if experiment.sticky is not None else None
    stands_in = unit is None and fallback is not None
    if unit is None and fallback is not None:
        unit = _unit_of_type(item.ids, fallback)
    if unit is None:
        sent = ", ".join(one.unit_type for one in item.ids)
        return Problem(
            "unit_type",
            "UNIT_TYPE_MISMATCH",
            f"{experiment.key!r} randomises ids of type {experiment.unit_type!r}, this names"
            f" {sent}; send `unit_type` or an entry of `ids` of that type",
        )
    phase = phase_at(standing, moment.at)
    # Who was assigned under the fallback keeps that variant under an id whose hash says another.
    hashes = experiment.assignment == "internal" and fallback is None
    ours = hashes and phase is not None and phase == standing.phase
    return ExposureRecord(
        environment=standing.environment,
        experiment=experiment.key,
        phase=BEFORE_FIRST_PHASE if phase is None else phase.number,
        unit_id=unit.unit_id,
        variant=item.variant,
        unit_type=unit.unit_type,
        unit_hash=unit.unit_hash,
        first_at=moment.at,
        clock=moment.clock,
        client_at=moment.client_at,
        received_at=received_at,
        attributes=item.attributes,
        mark=FALLBACK_UNIT if stands_in else _mark(item, phase, moment.at),
        agrees=hashed.bucket(unit.unit_id) == item.variant if ours else None,
        links=links_between(standing.environment, item.ids, moment.at),
    )


def phase_at(standing: Standing, at: Instant) -> Phase | None:
    """The last phase that had begun by then: paused or ended, a time still belongs to it."""
    begun = [phase for phase in standing.phases if phase.started_at <= at]
    return begun[-1] if begun else None


def is_running(standing: Standing, at: Instant) -> bool:
    phase = phase_at(standing, at)
    return phase is not None and phase.covers(at)


def _mark(item: ExposureItem, phase: Phase | None, at: Instant) -> str | None:
    if item.overridden:
        return OVERRIDDEN
    if not item.in_experiment:
        return NOT_IN_EXPERIMENT
    if not item.hash_used:
        return HASH_UNUSED
    return None if phase is not None and phase.covers(at) else NOT_RUNNING


def _unit_of_type(ids: tuple[UnitId, ...], unit_type: str) -> UnitId | None:
    return next((one for one in ids if one.unit_type == unit_type), None)
