"""Retries, duplicates and any order of arrival leave the same log."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import Standing, move
from experiments.definitions.time import HOUR, format_instant, parse_instant
from experiments.events import Intake
from experiments.snapshot import Snapshots
from experiments.store import tables
from experiments.store.database import Database
from experiments.store.experiments import insert_standing

STARTED = parse_instant("2026-01-31T12:00:00Z")
UNTOLD = {"created_seq", "change_seq", "received_at", "environment"}  # they tell of the arrival
VARIANTS = [{"key": "blue", "weight": 0.5}, {"key": "red", "weight": 0.5}]
DEFINITION = experiment_from_document(
    {"key": "checkout", "unit_type": "user", "variants": VARIANTS}
)
_environments = itertools.count()

at = st.integers(-3, 20).map(lambda hours: STARTED + hours * HOUR)
users = st.sampled_from(["1", "2", "3"])
ids = st.builds(
    lambda user, device: {"user": user} | ({"device": device} if device else {}),
    users,
    st.none() | st.sampled_from(["a", "b"]),
)
exposures = st.fixed_dictionaries(
    {
        "type": st.just("exposure"),
        "experiment": st.just("checkout"),
        "variant": st.sampled_from(["blue", "red"]),
        "ids": ids,
        "timestamp": at,
        "overridden": st.booleans(),
    }
)
outcomes = st.fixed_dictionaries(
    {"type": st.just("outcome"), "event": st.just("buy"), "ids": ids, "timestamp": at},
    optional={"value": st.integers(1, 2)},
)


def told_apart(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each item at a time of its own (of two at one time the first to come stands), and every
    second outcome with an id.
    """
    return [
        {
            **item,
            "timestamp": format_instant(item["timestamp"] + n),
            **({"event_id": f"e{n}"} if n % 2 and item["type"] == "outcome" else {}),
        }
        for n, item in enumerate(items)
    ]


@st.composite
def deliveries(draw: Any) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """Some items, and batches in which each of them comes at least once."""
    items = told_apart(draw(st.lists(exposures | outcomes, min_size=1, max_size=12)))
    again = draw(st.lists(st.sampled_from(items), max_size=8))
    order = draw(st.permutations([*items, *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=3)))
    return items, [order[a:b] for a, b in itertools.pairwise([0, *cuts, len(order)])]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def intake(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Intake]]:
    make: Callable[[], str] = request.getfixturevalue(f"new_{request.param}")
    database = Database(make())
    snapshots = Snapshots(database, Path(tmp_path_factory.mktemp("snapshot")) / "snapshot.json")
    intake = Intake(database, snapshots, queue_items=1_000)
    yield database, intake
    intake.close()
    snapshots.close()
    database.dispose()


def logged(
    store: tuple[Database, Intake], batches: list[list[dict[str, Any]]]
) -> tuple[list[list[str]], dict[str, list[dict[str, Any]]]]:
    """Deliver the batches to an environment of their own: the statuses and what is stored."""
    database, intake = store
    environment = f"env{next(_environments)}"
    draft = Standing(environment, DEFINITION, "draft", 1, STARTED, STARTED)
    running = move(draft, "start", STARTED)
    stopped = move(running, "stop", STARTED + 10 * HOUR)
    with database.write() as connection:
        insert_standing(connection, stopped)
    statuses = [
        [
            verdict.status
            for verdict in intake.take(
                environment, "s", batch, sent_at=None, received_at=STARTED + n * HOUR
            )
        ]
        for n, batch in enumerate(batches, start=21)
    ]
    stored = {}
    with database.read() as connection:
        for table in (tables.exposures, tables.outcomes, tables.outcome_ids, tables.links):
            query = sa.select(*(c for c in table.c if c.name not in UNTOLD))
            query = query.where(table.c.environment == environment).order_by(*table.primary_key)
            stored[table.name] = [dict(row) for row in connection.execute(query).mappings()]
    return statuses, stored


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deliveries())
def test_any_delivery_leaves_the_same_log(
    intake: tuple[Database, Intake],
    delivery: tuple[list[dict[str, Any]], list[list[dict[str, Any]]]],
) -> None:
    items, batches = delivery
    statuses, stored = logged(intake, batches)
    one_by_one, expected = logged(intake, [[item] for item in items])
    assert stored == expected
    flat = list(itertools.chain.from_iterable(statuses))
    assert set(flat) <= {"stored", "duplicate"}
    done = {item_id(item) for item in items if item["type"] == "outcome"}
    taken = [
        item_id(item)
        for item, status in zip(itertools.chain.from_iterable(batches), flat, strict=True)
        if item["type"] == "outcome" and status == "stored"
    ]
    assert sorted(taken) == sorted(done)
    assert len(stored["outcomes"]) == len(done)
    assert len(one_by_one) == len(items)


def item_id(item: dict[str, Any]) -> str:
    return str(item.get("event_id") or sorted(item.items(), key=str))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(exposures, min_size=1, max_size=12).map(told_apart))
def test_the_earliest_that_counts_wins_else_the_earliest(
    intake: tuple[Database, Intake], items: list[dict[str, Any]]
) -> None:
    _, stored = logged(intake, [[item] for item in items])
    expected: dict[tuple[int, str, str], tuple[bool, int]] = {}
    for item in items:
        first_at = parse_instant(item["timestamp"])
        phase = 1 if first_at >= STARTED else 0
        runs = STARTED <= first_at < STARTED + 10 * HOUR
        key = (phase, item["ids"]["user"], item["variant"])
        sighting = (item["overridden"] or not runs, first_at)
        expected[key] = min(expected.get(key, sighting), sighting)
    found = {
        (row["phase"], row["unit_id"], row["variant"]): (row["mark"] is not None, row["first_at"])
        for row in stored["exposures"]
    }
    assert found == expected
