"""Checks hold when several change definitions at once, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest

from experiments.definitions.errors import EvenhandError
from experiments.definitions.layer import SLOTS
from experiments.registry import Experiments, Features, Layers, Segments
from experiments.store.audit import list_audit
from experiments.store.database import Database
from experiments.store.definitions import LAYERS
from experiments.store.live import read_version

ENV = "production"
FEATURE = {"type": "boolean", "default": False}
ARMS = [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]


def nobody() -> None:
    pass


def at_once(*calls: Callable[[], object]) -> list[str]:
    """Run them from one moment on; what each came to: "done" or the code of its error."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], object]) -> str:
        barrier.wait()
        try:
            call()
        except EvenhandError as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.parametrize("expected", [1, None])
def test_of_two_revisions_none_is_lost(database: Database, expected: int | None):
    features = Features(database, nobody)
    features.create(ENV, {"key": "f", **FEATURE}, "ann")
    outcome = at_once(
        lambda: features.revise(ENV, "f", {"name": "Ann's"}, "ann", expected),
        lambda: features.revise(ENV, "f", {"default": True}, "bob", expected),
    )
    stored = features.get(ENV, "f")
    if expected:
        assert sorted(outcome) == ["REVISION_STALE", "done"]
        assert stored.revision == 2
    else:
        assert outcome == ["done", "done"]
        assert (stored.record.name, stored.record.default, stored.revision) == ("Ann's", True, 3)
    with database.read() as connection:
        entries = list_audit(connection, ENV, "feature", "f")
        assert read_version(connection) >= stored.revision
    assert sorted(entry.revision for entry in entries) == list(range(1, stored.revision + 1))


def test_many_revisions_form_one_chain(database: Database):
    """Each begins with what the one before it left, whoever made it."""
    layers, names = Layers(database, nobody), [f"n{number}" for number in range(12)]
    layers.create(ENV, {"key": "l"}, "ann")
    outcome = at_once(
        *[partial(layers.revise, ENV, "l", {"name": name}, name) for name in names],
    )
    assert outcome == ["done"] * len(names)
    entries = sorted(layers.history(ENV, "l"), key=lambda entry: entry.revision)
    assert [entry.revision for entry in entries] == list(range(1, 14))
    assert sorted(entry.actor for entry in entries[1:]) == sorted(names)
    assert [entry.before for entry in entries[1:]] == [entry.after for entry in entries[:-1]]
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert entries[-1].after == LAYERS.to_document(layers.get(ENV, "l").record)


@pytest.mark.parametrize("_round", range(5))
def test_two_changes_that_only_together_form_a_circle(database: Database, _round: int):
    features = Features(database, nobody)
    for key in ("one", "two"):
        features.create(ENV, {"key": key, **FEATURE}, "ann")

    def needs(feature: str) -> dict[str, object]:
        return {"prerequisites": [{"feature": feature, "condition": {"value": True}}]}

    outcome = at_once(
        lambda: features.revise(ENV, "one", needs("two"), "ann"),
        lambda: features.revise(ENV, "two", needs("one"), "bob"),
    )
    assert sorted(outcome) == ["PREREQUISITE_CYCLE", "done"]


@pytest.mark.parametrize("_round", range(5))
def test_a_segment_is_not_deleted_while_somebody_names_it(database: Database, _round: int):
    segments, experiments = Segments(database, nobody), Experiments(database, nobody)
    segments.create(ENV, {"key": "s", "condition": {"country": "CH"}}, "ann")
    audience = {"$savedGroup": {"id": "s"}}
    deleted, created = at_once(
        lambda: segments.delete(ENV, "s", "ann"),
        lambda: experiments.create(
            ENV, {"key": "e", "variants": ARMS, "audience": audience}, "bob"
        ),
    )
    assert (deleted, created) in {("done", "GROUP_UNKNOWN"), ("SEGMENT_IN_USE", "done")}


@pytest.mark.parametrize("_round", range(5))
def test_a_segment_does_not_change_under_a_start(database: Database, _round: int):
    segments, experiments = Segments(database, nobody), Experiments(database, nobody)
    segments.create(ENV, {"key": "s", "condition": {"country": "CH"}}, "ann")
    audience = {"$savedGroup": {"id": "s"}}
    experiments.create(ENV, {"key": "e", "variants": ARMS, "audience": audience}, "bob")
    changed, started = at_once(
        lambda: segments.revise(ENV, "s", {"condition": {"country": "FR"}}, "ann"),
        lambda: experiments.move(ENV, "e", "start", "bob"),
    )
    assert started == "done"
    assert changed in {"done", "SEGMENT_IN_USE"}
    assert segments.get(ENV, "s").revision == (2 if changed == "done" else 1)
    again = at_once(lambda: segments.revise(ENV, "s", {"condition": {"country": "US"}}, "ann"))
    assert again == ["SEGMENT_IN_USE"]


@pytest.mark.parametrize("_round", range(5))
def test_of_two_that_fill_one_feature_one_starts(database: Database, _round: int):
    experiments = Experiments(database, nobody)
    for key in ("one", "two"):
        experiments.create(ENV, {"key": key, "variants": ARMS, "feature": "f"}, "ann")
    outcome = at_once(
        *[partial(experiments.move, ENV, key, "start", "ann") for key in ("one", "two")]
    )
    assert sorted(outcome) == ["PRE_FLIGHT_FAILED", "done"]


@pytest.mark.parametrize("_round", range(5))
def test_shares_of_a_layer_do_not_overlap(database: Database, _round: int):
    """Six that want a fifth each: five get one, and nobody's ten-thousandth is another's."""
    layers, experiments = Layers(database, nobody), Experiments(database, nobody)
    layers.create(ENV, {"key": "l"}, "ann")
    keys = [f"e{number}" for number in range(6)]
    for key in keys:
        share = {"key": "l", "size": 0.2}
        experiments.create(ENV, {"key": key, "variants": ARMS, "layer": share}, "ann")
    outcome = at_once(*[partial(experiments.move, ENV, key, "start", "ann") for key in keys])
    assert sorted(outcome) == ["LAYER_FULL"] + ["done"] * 5
    held: list[int] = []
    for key in keys:
        phase = experiments.get(ENV, key).phase
        for start, end in phase.slices if phase else ():
            held += range(start, end)
    assert sorted(held) == list(range(SLOTS))


def test_one_key_is_taken_once(database: Database):
    features = Features(database, nobody)
    outcome = at_once(
        *[lambda: features.create(ENV, {"key": "f", **FEATURE}, "ann") for _ in range(4)]
    )
    assert sorted(outcome) == ["KEY_TAKEN"] * 3 + ["done"]
