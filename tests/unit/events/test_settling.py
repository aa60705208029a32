"""Phases, marks, units and links of what was read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from experiments.definitions.errors import Problem
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import Phase, Run, Standing, Terms, move
from experiments.definitions.time import HOUR, parse_instant
from experiments.events.clocks import BatchClock
from experiments.events.reading import ExposureItem, OutcomeItem, read_item
from experiments.events.records import ExposureRecord
from experiments.events.settling import phase_at, settle_exposure, settle_outcome

START = parse_instant("2026-01-31T12:00:00Z")
DRAFT = Standing(
    environment="production",
    experiment=experiment_from_document(
        {
            "key": "checkout",
            "unit_type": "user",
            "variants": [{"key": "blue", "weight": 0.5}, {"key": "red", "weight": 0.5}],
        }
    ),
    status="draft",
    revision=1,
    created_at=START - HOUR,
    updated_at=START - HOUR,
)
RUNNING = move(DRAFT, "start", START)


@dataclass
class Always:
    """A hash that gives everybody one variant."""

    variant: str | None

    def bucket(self, unit_id: str) -> str | None:
        assert unit_id
        return self.variant


def settled(standing: Standing, at: int, **changes: Any) -> ExposureRecord | Problem:
    raw = {"type": "exposure", "experiment": "checkout", "variant": "blue", "ids": {"user": "42"}}
    item = read_item({**raw, **changes})
    assert isinstance(item, ExposureItem)
    return settle_exposure(item, standing, Always("blue"), BatchClock(at, None).place(None), at)


def record(standing: Standing, at: int, **changes: Any) -> ExposureRecord:
    exposure = settled(standing, at, **changes)
    assert isinstance(exposure, ExposureRecord), exposure
    return exposure


def test_a_running_experiment_counts() -> None:
    exposure = record(RUNNING, START)
    assert (exposure.phase, exposure.mark, exposure.agrees) == (1, None, True)
    assert (exposure.first_at, exposure.clock, exposure.received_at) == (START, "server", START)


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({"overridden": True}, "OVERRIDDEN"),
        ({"in_experiment": False}, "NOT_IN_EXPERIMENT"),
        ({"hash_used": False}, "HASH_UNUSED"),
        ({"overridden": True, "in_experiment": False, "hash_used": False}, "OVERRIDDEN"),
    ],
)
def test_what_the_client_says_is_not_counted(changes: dict[str, bool], mark: str) -> None:
    assert record(RUNNING, START, **changes).mark == mark


def test_time_decides_what_counts_in_each_state() -> None:
    paused = move(RUNNING, "pause", START + HOUR)
    resumed = move(paused, "resume", START + 2 * HOUR)
    stopped = move(resumed, "stop", START + 3 * HOUR)
    shipped = move(stopped, "ship", START + 4 * HOUR, Terms(winner="red"))
    counted = {
        state: [
            record(standing, START + half * HOUR // 2).mark is None for half in (-1, 1, 3, 5, 7)
        ]
        for state, standing in {
            "draft": DRAFT,
            "running": RUNNING,
            "paused": paused,
            "resumed": resumed,
            "stopped": stopped,
            "shipped": shipped,
        }.items()
    }
    assert counted == {
        "draft": [False, False, False, False, False],
        "running": [False, True, True, True, True],
        "paused": [False, True, False, False, False],
        "resumed": [False, True, False, True, True],
        "stopped": [False, True, False, True, False],
        "shipped": [False, True, False, True, False],
    }


def test_before_the_first_start_there_is_no_phase() -> None:
    for standing in (DRAFT, RUNNING):
        exposure = record(standing, START - 1)
        assert (exposure.phase, exposure.mark, exposure.agrees) == (0, "NOT_RUNNING", None)


def test_a_time_belongs_to_the_last_phase_that_had_begun() -> None:
    two = replace(
        RUNNING,
        phases=(
            Phase(1, "a", (Run(START, START + HOUR),)),
            Phase(2, "b", (Run(START + 2 * HOUR),)),
        ),
    )
    numbers = [phase_at(two, START + half * HOUR // 2) for half in (-1, 0, 1, 3, 4, 9)]
    assert [one and one.number for one in numbers] == [None, 1, 1, 1, 2, 2]
    # Our hash knows the seed of the last phase only.
    assert record(two, START).agrees is None
    assert record(two, START + 3 * HOUR).agrees is True


def test_disagreement_with_the_hash_is_kept_and_external_is_not_asked() -> None:
    assert record(RUNNING, START, variant="red").agrees is False
    external = replace(RUNNING, experiment=replace(RUNNING.experiment, assignment="external"))
    assert record(external, START).agrees is None


def test_unknown_variant_and_wrong_unit_type_say_what_is_needed() -> None:
    variant = settled(RUNNING, START, variant="green")
    assert isinstance(variant, Problem)
    assert variant.code == "UNKNOWN_VARIANT"
    assert "blue, red" in variant.message
    unit = settled(RUNNING, START, ids={"device": "a1", "cookie": "c"})
    assert isinstance(unit, Problem)
    assert unit.code == "UNIT_TYPE_MISMATCH"
    assert "'user'" in unit.message
    assert "cookie, device" in unit.message


def test_the_unit_type_of_the_experiment_picks_the_id_and_all_are_linked() -> None:
    exposure = record(RUNNING, START, ids={"device": "a1", "user": "42", "cookie": "c"})
    assert (exposure.unit_type, exposure.unit_id) == ("user", "42")
    pairs = {(link.unit_type, link.other_type) for link in exposure.links}
    types = ("cookie", "device", "user")
    assert pairs == {(one, other) for one in types for other in types if one != other}
    assert {link.first_at for link in exposure.links} == {START}


def test_an_outcome_goes_by_the_first_type_and_keeps_the_further_ids() -> None:
    item = read_item({"type": "outcome", "event": "buy", "ids": {"user": "42", "device": "a1"}})
    assert isinstance(item, OutcomeItem)
    outcome = settle_outcome("production", item, BatchClock(START, None).place(None), START)
    assert (outcome.unit_type, outcome.unit_id) == ("device", "a1")
    assert [(one.unit_type, one.unit_id) for one in outcome.further_ids] == [("user", "42")]
    assert len(outcome.links) == 2


def test_made_ids_repeat_only_where_the_client_gave_a_time() -> None:
    raw = {"type": "outcome", "event": "buy", "unit_id": "42"}

    def made(**changes: Any) -> str:
        item = read_item({**raw, **changes})
        assert isinstance(item, OutcomeItem)
        moment = BatchClock(START, None).place(item.client_at)
        return settle_outcome("production", item, moment, START).event_id

    assert made(event_id="e1") == "e1"
    assert made() != made()
    assert made(timestamp="2026-01-31T12:00:00Z") == made(timestamp="2026-01-31T12:00:00Z")
    assert made(timestamp="2026-01-31T12:00:00Z") != made(timestamp="2026-01-31T12:00:01Z")
    assert made(timestamp="2026-01-31T12:00:00Z") != made(timestamp="2026-01-31T12:00:00Z", value=2)
