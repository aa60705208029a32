"""Several experiments and rules in one environment: who decides, and what the answers say."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.assignment.answers import assign, feature_value
from experiments.assignment.evaluate import Assignment
from experiments.assignment.picture import EnvironmentPicture, picture_of
from experiments.assignment.sticky import StickyDocument
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.feature import feature_from_document
from experiments.definitions.lifecycle import DRAFT, NO_TERMS, Standing, Terms, move
from experiments.definitions.segment import segment_from_document

UNITS = [f"u{number}" for number in range(4_000)]
HERO = feature_from_document(
    {
        "key": "hero",
        "type": "string",
        "default": "plain",
        "rules": [{"id": "vip", "value": "gold", "condition": {"vip": True}}],
    }
)


def running(key: str, at: int = 10, terms: Terms = NO_TERMS, **fields: Any) -> Standing:
    experiment = experiment_from_document(
        {
            "key": key,
            "variants": [{"key": "old", "weight": 0.5}, {"key": "new", "weight": 0.5}],
            **fields,
        }
    )
    return move(Standing("production", experiment, DRAFT, 1, 0, 0), "start", at, terms)


def holdout(key: str, at: int, **fields: Any) -> Standing:
    arms = [{"key": "held_out", "weight": 0.2}, {"key": "open", "weight": 0.8}]
    return running(key, at, variants=arms, **{"holdout": {}, **fields})


def given(picture: EnvironmentPicture, unit: str, key: str, **attributes: Any) -> Assignment:
    (one,) = assign(picture, unit, "id", attributes, [key]).assignments
    return one


def reasons(picture: EnvironmentPicture, key: str, **attributes: Any) -> set[str]:
    return {given(picture, unit, key, **attributes).reason for unit in UNITS}


def test_the_rules_come_before_the_experiments_and_an_earlier_one_takes_the_feature():
    first = running("first", 10, feature="hero", traffic=0.5)
    second = running("second", 20, feature="hero")
    picture = picture_of([second, first], [(HERO, 3)])
    vip = assign(picture, "u1", "id", {"vip": True}, ["first", "second"]).assignments
    assert [(one.variant, one.value, one.reason) for one in vip] == [
        (None, "gold", "FEATURE_TAKEN")
    ] * 2
    value, _ = feature_value(picture, "hero", {"id": "u1", "vip": True})
    assert (value.experiment, value.variant, value.reason, value.revision) == (
        None,
        "vip",
        "RULE",
        3,
    )
    for unit in UNITS[:200]:
        one, two = assign(picture, unit, "id", {}, ["first", "second"]).assignments
        assert one.value == two.value
        assert (one.reason, two.reason) in {
            ("SPLIT", "FEATURE_TAKEN"),
            ("NOT_IN_TRAFFIC", "SPLIT"),
        }


def test_a_rule_gives_an_experiment_its_place():
    document = {
        "key": "hero",
        "type": "string",
        "default": "plain",
        "rules": [{"id": "b", "experiment": "second"}],
    }
    picture = picture_of(
        [running("first", 10, feature="hero"), running("second", 20, feature="hero")],
        [(feature_from_document(document), 1)],
    )
    assert reasons(picture, "second") == {"SPLIT"}
    assert reasons(picture, "first") == {"FEATURE_TAKEN"}


def test_layers_exclude_each_other():
    one = running("one", terms=Terms(slices=((0, 3000),)), layer={"key": "home", "size": 0.3})
    two = running("two", terms=Terms(slices=((3000, 9000),)), layer={"key": "home", "size": 0.6})
    picture = picture_of([one, two])
    seen = [
        tuple(a.reason for a in assign(picture, unit, "id", {}, ["one", "two"]).assignments)
        for unit in UNITS
    ]
    assert set(seen) == {
        ("SPLIT", "LAYER_EXCLUDED"),
        ("LAYER_EXCLUDED", "SPLIT"),
        ("LAYER_EXCLUDED", "LAYER_EXCLUDED"),
    }
    assert abs(seen.count(("SPLIT", "LAYER_EXCLUDED")) / len(seen) - 0.3) < 0.03


def test_a_holdout_keeps_units_out_of_what_starts_after_it():
    picture = picture_of([running("before", 10), holdout("year", 20), running("after", 30)])
    assert reasons(picture, "before") == {"SPLIT"}
    assert reasons(picture, "after") == {"SPLIT", "HOLDOUT"}
    for unit in UNITS[:300]:
        answer = assign(picture, unit, "id", {}, ["after"])
        (one,) = answer.assignments
        arm = given(picture, unit, "year")
        assert (one.reason == "HOLDOUT") == (arm.variant == "held_out")
        met = {(each.experiment, each.variant) for each in answer.met}
        assert (("year", arm.variant) in met) == arm.in_experiment
        assert (("after", one.variant) in met) == one.in_experiment


def test_a_holdout_keeps_its_units_from_what_has_shipped():
    shipped = move(running("late", 30), "ship", 40, Terms(winner="new"))
    picture = picture_of([holdout("year", 20), shipped])
    for unit in UNITS[:300]:
        one = given(picture, unit, "late")
        held = given(picture, unit, "year").variant == "held_out"
        assert (one.value, one.reason) == (("old", "HOLDOUT") if held else ("new", "SHIPPED"))


def test_a_holdout_of_a_layer_leaves_others_alone():
    inside = running("inside", 30, Terms(slices=((0, 10_000),)), layer={"key": "home", "size": 1})
    scope = {"layer": "home"}
    picture = picture_of([holdout("home", 20, holdout=scope), inside, running("beside", 30)])
    assert reasons(picture, "inside") == {"SPLIT", "HOLDOUT"}
    assert reasons(picture, "beside") == {"SPLIT"}


def test_a_holdout_that_is_paused_or_stopped_holds_nobody():
    for verb in ("pause", "stop"):
        picture = picture_of([move(holdout("year", 20), verb, 40), running("after", 30)])
        assert reasons(picture, "after") == {"SPLIT"}


def test_prerequisites_of_features_and_of_experiments():
    gate = feature_from_document(
        {
            "key": "checkout",
            "type": "boolean",
            "default": False,
            "rules": [{"id": "fr", "value": True, "condition": {"country": "FR"}}],
        }
    )
    needs = [{"feature": "checkout", "condition": {"value": True}}]
    hero = feature_from_document(
        {"key": "hero", "type": "string", "default": "plain", "prerequisites": needs}
    )
    picture = picture_of(
        [running("a", feature="hero"), running("b", prerequisites=needs)], [(gate, 1), (hero, 1)]
    )
    assert reasons(picture, "a", country="FR") == {"SPLIT"}
    assert reasons(picture, "b", country="FR") == {"SPLIT"}
    shut = assign(picture, "u1", "id", {"country": "DE"}, ["a", "b"]).assignments
    assert [(one.reason, one.value) for one in shut] == [
        ("PREREQUISITE_UNMET", "plain"),
        ("PREREQUISITE_UNMET", "old"),
    ]
    value, _ = feature_value(picture, "hero", {"id": "u1", "country": "DE"})
    assert (value.value, value.reason) == ("plain", "PREREQUISITE_UNMET")


def test_overrides_hold_until_the_experiment_stops():
    tested = running("button", traffic=0.0, overrides={"new": ["qa-1"]})
    states = [
        tested,
        move(tested, "pause", 20),
        move(tested, "ship", 20, Terms(winner="old")),
    ]
    for standing in states:
        picture = picture_of([standing])
        one = given(picture, "qa-1", "button")
        assert (one.variant, one.value, one.reason, one.in_experiment) == (
            "new",
            "new",
            "OVERRIDE",
            False,
        )
        assert given(picture, "u1", "button").reason != "OVERRIDE"
        assert feature_value(picture, "button", {"id": "qa-1"})[0].reason == "OVERRIDE"
        assert assign(picture, "qa-1", "id", {}, None).met == []
    assert given(picture_of([move(tested, "stop", 20)]), "qa-1", "button").reason == "DISABLED"


def test_a_dry_run_assigns_while_all_get_the_control():
    picture = picture_of([running("button", terms=Terms(dry_run=True))])
    answers = [given(picture, unit, "button") for unit in UNITS]
    seen = {(one.variant, one.value, one.reason) for one in answers}
    assert seen == {("old", "old", "SPLIT"), ("new", "old", "SPLIT")}


@pytest.mark.parametrize("control", ["old", "new"])
def test_a_hold_back_leaves_the_control_a_part_of_its_units(control: str):
    variants = [{"key": key, "weight": 0.5, "control": key == control} for key in ("old", "new")]
    before = running("button", variants=variants)
    winner = "new" if control == "old" else "old"
    after = move(before, "ship", 20, Terms(winner=winner, holdback=0.1))
    pictures = picture_of([before]), picture_of([after])
    held = 0
    for unit in UNITS:
        was, now = (given(one, unit, "button") for one in pictures)
        assert now.in_experiment
        if now.variant == control:
            held += 1
            assert was.variant == control
    assert abs(held / len(UNITS) - 0.1) < 0.02
    compiled = pictures[1].experiments["button"].compiled
    assert all(
        compiled.bucket(unit) == given(pictures[1], unit, "button").variant for unit in UNITS
    )


def test_what_sticks_holds_whatever_the_traffic():
    sticky = {"bucket_version": 1, "min_bucket_version": 1, "fallback": "device"}
    closed = picture_of([running("button", traffic=0.0, sticky=sticky)])
    kept = StickyDocument("id", "u1", {"button__1": "new"})
    answer = assign(closed, "u1", "id", {}, ["button"], {kept.key: kept})
    assert [(one.variant, one.reason, one.in_experiment) for one in answer.assignments] == [
        ("new", "STICKY", True)
    ]
    old = StickyDocument("id", "u1", {"button__0": "new"})
    (one,) = assign(closed, "u1", "id", {}, ["button"], {old.key: old}).assignments
    assert one.reason == "BLOCKED"
    opened = picture_of([running("button", sticky=sticky)])
    fresh = assign(opened, "u1", "id", {}, ["button"], {})
    (document,) = fresh.to_stick
    assert document.assignments == {"button__1": fresh.assignments[0].variant}


def test_segments_are_put_in_where_a_condition_names_them():
    segments = [
        segment_from_document({"key": "eu", "condition": {"country": {"$in": ["FR", "DE"]}}}),
        segment_from_document({"key": "staff", "attribute": "id", "values": ["u1"]}),
    ]
    picture = picture_of(
        [
            running("a", audience={"$savedGroup": {"id": "eu"}, "vip": True}),
            running("b", audience={"id": {"$notInGroup": "staff"}}),
        ],
        segments=segments,
    )
    assert given(picture, "u1", "a", country="FR", vip=True).reason == "SPLIT"
    assert given(picture, "u1", "a", country="US", vip=True).reason == "TARGETING_MISMATCH"
    assert given(picture, "u1", "b").reason == "TARGETING_MISMATCH"
    assert given(picture, "u2", "b").reason == "SPLIT"
    assert picture.published.groups == {"staff": ["u1"]}
    assert "$savedGroup" not in str(picture.published.features)


def test_a_paused_experiment_keeps_its_units_from_later_rules():
    paused = move(running("first", 10, feature="hero", audience={"country": "FR"}), "pause", 15)
    picture = picture_of([paused, running("second", 20, feature="hero")], [(HERO, 1)])
    one, two = assign(picture, "u1", "id", {"country": "FR"}, ["first", "second"]).assignments
    assert (one.reason, one.value) == ("DISABLED", "old")
    assert (two.reason, two.value) == ("FEATURE_TAKEN", "old")
    assert given(picture, "u1", "second").reason == "SPLIT"
