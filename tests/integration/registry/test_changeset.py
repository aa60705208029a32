"""Many definitions at once, on both engines: checked as they will be, all or none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from experiments.definitions.errors import EvenhandError, Stale
from experiments.registry import Changeset, Experiments, Features, Metrics, Outcome, Wanted
from experiments.store.audit import list_audit
from experiments.store.database import Database
from experiments.store.live import read_version

ENV = "production"
ARMS = [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]
SALE = {"key": "sale", "kind": "conversion", "event": "sale"}


def experiment(key: str, **more: object) -> Wanted:
    return Wanted("experiment", {"key": key, "variants": ARMS, **more})


def codes(outcomes: list[Outcome]) -> dict[str, str]:
    return {one.wanted.key: one.refusal.code for one in outcomes if one.refusal is not None}


def changed(outcomes: list[Outcome]) -> list[str]:
    return [f"{one.wanted.subject} {one.wanted.key}" for one in outcomes if one.changes]


@pytest.fixture
def changeset(database: Database) -> Changeset:
    return Changeset(database, lambda: None)


def make(changeset: Changeset, *wanted: Wanted) -> None:
    outcomes = changeset.plan(ENV, wanted)
    assert codes(outcomes) == {}
    changeset.write(ENV, outcomes, "ann")


WHOLE = (
    experiment(
        "test",
        feature="slot",
        audience={"$savedGroup": {"id": "people"}},
        layer={"key": "page", "size": 0.5},
        metrics=[{"metric": "sale", "role": "goal"}],
        prerequisites=[{"feature": "flag", "condition": {"value": True}}],
    ),
    Wanted(
        "feature",
        {"key": "slot", "type": "string", "default": "", "rules": [{"experiment": "test"}]},
    ),
    Wanted("feature", {"key": "flag", "type": "boolean", "default": True}),
    Wanted("metric", SALE),
    Wanted("layer", {"key": "page"}),
    Wanted("segment", {"key": "people", "condition": {"$savedGroup": {"id": "staff"}}}),
    Wanted("segment", {"key": "staff", "attribute": "id", "values": ["1"]}),
)


def test_definitions_may_name_each_other_in_any_order(changeset: Changeset, database: Database):
    outcomes = changeset.plan(ENV, WHOLE)
    assert changed(outcomes) == [
        "segment people", "segment staff", "layer page", "metric sale", "feature slot",
        "feature flag", "experiment test",
    ]  # fmt: skip
    assert changeset.present(ENV) == []
    make(changeset, *WHOLE)
    assert changed(changeset.plan(ENV, WHOLE)) == []
    with database.read() as connection:
        version = read_version(connection)
        for one in WHOLE:
            entries = list_audit(connection, ENV, one.subject, one.key)
            assert [(entry.verb, entry.actor, entry.revision) for entry in entries] == [
                ("create", "ann", 1)
            ]
    make(changeset, *WHOLE)
    with database.read() as connection:
        assert len(list_audit(connection, ENV, "experiment", "test")) == 1
        assert read_version(connection) >= version


def test_one_refusal_refuses_all(changeset: Changeset):
    outcomes = changeset.plan(
        ENV, [Wanted("metric", SALE), experiment("test", layer={"key": "none", "size": 0.1})]
    )
    assert codes(outcomes) == {"test": "LAYER_UNKNOWN"}
    with pytest.raises(EvenhandError):  # nobody may write it all the same
        changeset.write(ENV, outcomes, "ann")
    assert changeset.present(ENV) == []


def test_a_plan_that_has_grown_old_is_not_written(changeset: Changeset, database: Database):
    make(changeset, Wanted("metric", SALE))
    outcomes = changeset.plan(
        ENV, [Wanted("metric", {**SALE, "name": "Sales"}), experiment("test")]
    )
    Metrics(database, lambda: None).revise(ENV, "sale", {"event": "sold"}, "bob")
    with pytest.raises(Stale):
        changeset.write(ENV, outcomes, "ann")
    assert [one.wanted.key for one in changeset.present(ENV)] == ["sale"]


def test_of_two_who_write_one_plan_one_is_told(changeset: Changeset):
    make(changeset, *WHOLE)
    wanted = [Wanted("metric", {**SALE, "event": "sold"}), experiment("new")]
    outcomes = changeset.plan(ENV, wanted)
    barrier = Barrier(2)

    def write(actor: str) -> str:
        barrier.wait()
        try:
            changeset.write(ENV, outcomes, actor)
        except Stale as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(write, ["ann", "bob"])) == ["REVISION_STALE", "done"]
    assert len(changeset.present(ENV)) == len(WHOLE) + 1


def test_a_type_and_the_values_of_it_change_together(changeset: Changeset, database: Database):
    make(changeset, *WHOLE)
    slot = {"key": "slot", "type": "number", "default": 0}
    numbers = [{"key": "a", "weight": 0.5, "value": 1}, {"key": "b", "weight": 0.5, "value": 2}]
    with pytest.raises(EvenhandError, match="is of type string"):
        Experiments(database, lambda: None).revise(ENV, "test", {"variants": numbers}, "bob")
    with pytest.raises(EvenhandError, match="a value of that type"):
        Features(database, lambda: None).revise(ENV, "slot", slot, "bob")
    make(
        changeset,
        Wanted("feature", slot),
        Wanted("experiment", {**WHOLE[0].document, "variants": numbers}),
    )


def test_an_experiment_and_the_rule_that_names_it_move_together(changeset: Changeset):
    make(changeset, *WHOLE)
    moved = Wanted("experiment", {**WHOLE[0].document, "feature": "banner"})
    assert codes(changeset.plan(ENV, [moved])) == {"test": "EXPERIMENT_IN_USE"}
    banner = {"key": "banner", "type": "string", "default": "", "rules": [{"experiment": "test"}]}
    slot = {"key": "slot", "type": "string", "default": ""}
    make(changeset, moved, Wanted("feature", banner), Wanted("feature", slot))


def test_a_circle_over_several_definitions_is_seen(changeset: Changeset):
    def needing(key: str, other: str) -> Wanted:
        needed = [{"feature": other, "condition": {"value": True}}]
        return Wanted(
            "feature", {"key": key, "type": "boolean", "default": True, "prerequisites": needed}
        )

    outcomes = changeset.plan(ENV, [needing("one", "two"), needing("two", "one")])
    assert codes(outcomes) == {"one": "PREREQUISITE_CYCLE", "two": "PREREQUISITE_CYCLE"}


def test_what_has_started_changes_as_far_as_the_registry_allows(
    changeset: Changeset, database: Database
):
    make(changeset, *WHOLE)
    Experiments(database, lambda: None).move(ENV, "test", "start", "ann")
    document = WHOLE[0].document
    make(changeset, Wanted("experiment", {**document, "owner": "Ann"}))
    others = {
        "LOCKED_AFTER_START": Wanted("experiment", {**document, "traffic": 0.5}),
        "METRIC_IN_USE": Wanted("metric", {**SALE, "event": "sold"}),
        "LAYER_IN_USE": Wanted("layer", {"key": "page", "unit_type": "device"}),
        "SEGMENT_IN_USE": Wanted("segment", {"key": "staff", "attribute": "id", "values": ["2"]}),
        "FEATURE_IN_USE": Wanted("feature", {"key": "slot", "type": "json", "default": ""}),
    }
    for code, wanted in others.items():
        assert codes(changeset.plan(ENV, [wanted])) == {wanted.key: code}


def test_the_ramp_says_what_the_traffic_is(changeset: Changeset, database: Database):
    ramp = [{"traffic": 0.1, "hours": 1}, {"traffic": 0.6, "hours": 1}]
    wanted = experiment("test", schedule={"ramp": ramp})
    make(changeset, wanted)
    experiments = Experiments(database, lambda: None)
    experiments.move(ENV, "test", "start", "ann")
    assert changed(changeset.plan(ENV, [wanted])) == []
    experiments.ramp(ENV, "test", 1, "clock")
    assert changed(changeset.plan(ENV, [wanted])) == []
    assert experiments.get(ENV, "test").experiment.traffic == 0.6
    lower = experiment("test", schedule={"ramp": ramp}, traffic=0.5)
    assert codes(changeset.plan(ENV, [lower])) == {"test": "LOCKED_AFTER_START"}


@pytest.mark.parametrize(("was", "now"), [(1, True), (0, False), ("1", 1), (None, False)])
def test_values_are_compared_as_json(changeset: Changeset, was: object, now: object):
    def flag(value: object) -> Wanted:
        return Wanted("feature", {"key": "flag", "type": "json", "default": value})

    make(changeset, flag({"a": [was]}))
    assert changed(changeset.plan(ENV, [flag({"a": [now]})])) == ["feature flag"]
    make(changeset, flag({"a": [now]}))
    assert changed(changeset.plan(ENV, [flag({"a": [now]})])) == []
