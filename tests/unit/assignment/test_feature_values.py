from __future__ import annotations

from typing import Any

import pytest

from experiments.assignment.picture import EnvironmentPicture, picture_of
from experiments.assignment.visit import FeatureValue, Visit
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import DRAFT, Standing, Terms, move


def standing(key: str, *verbs: str, at: int = 10, **fields: Any) -> Standing:
    experiment = experiment_from_document(
        {
            "key": key,
            "feature": "hero",
            "variants": [
                {"key": "grey", "weight": 0.5, "value": 1},
                {"key": "green", "weight": 0.5, "value": 2},
            ],
            **fields,
        }
    )
    one = Standing("production", experiment, DRAFT, 1, 0, 0)
    for verb in verbs:
        one = move(one, verb, at, Terms(winner="green"))
    return one


def filler(*standings: Standing) -> str:
    (one,) = picture_of(standings).published.fillers["hero"]
    return one.experiment.key


def ask(picture: EnvironmentPicture, feature: str, **attributes: Any) -> FeatureValue:
    return Visit(picture, attributes).value(feature)


def give(one: Standing, **attributes: Any) -> FeatureValue:
    return ask(picture_of([one]), one.experiment.feature, **attributes)


@pytest.mark.parametrize(
    "others",
    [
        [],
        [standing("old", "start", "stop", at=5)],
        [standing("newer", "start", "stop", at=50)],
        [standing("draft")],
        [standing("older", "start", "stop", at=1), standing("newest", "start", "stop", at=99)],
    ],
)
@pytest.mark.parametrize("verbs", [("start",), ("start", "pause"), ("start", "ship")])
def test_a_stopped_experiment_gives_way(others: list[Standing], verbs: tuple[str, ...]):
    mine = standing("mine", *verbs)
    for order in ([mine, *others], [*others, mine]):
        assert filler(*order) == "mine"


def test_the_last_one_that_was_stopped_fills_the_feature():
    first = standing("first", "start", "stop", at=1)
    second = standing("second", "start", "stop", at=2)
    for order in ([first, second], [second, first]):
        assert filler(*order) == "second"


def test_a_draft_fills_nothing():
    assert picture_of([standing("draft")]).feature_keys == []


def test_a_unit_that_is_not_in_has_the_variant_of_the_control():
    variants = [
        {"key": "new", "weight": 0.5, "value": "N"},
        {"key": "old", "weight": 0.5, "value": "O", "control": True},
    ]
    closed = give(standing("a", "start", traffic=0.0, variants=variants), id="u")
    assert (closed.variant, closed.value, closed.in_experiment) == ("old", "O", False)
    assert closed.reason == "NOT_IN_TRAFFIC"


@pytest.mark.parametrize("nobody", [None, "", 0, False, True, float("nan"), [], ["d"], {"a": 1}])
def test_without_an_id_the_hash_is_not_asked(nobody: object):
    def ask(*verbs: str) -> tuple[str, str]:
        found = give(standing("kiosk", *verbs, unit_type="device"), id="u", device=nobody)
        return found.variant, found.reason

    assert ask("start") == ("grey", "UNIT_ID_MISSING")
    assert ask("start", "pause") == ("grey", "DISABLED")
    assert ask("start", "ship") == ("green", "SHIPPED")


def test_a_number_is_the_unit_of_its_digits():
    kiosk = standing("kiosk", "start", unit_type="device", audience={"device": "42"})
    for number in (42, 42.0):
        assert give(kiosk, device=number) == give(kiosk, device="42")
    assert give(kiosk, device="42").reason == "SPLIT"


@pytest.mark.parametrize(
    ("values", "given"),
    [
        ((1, 2), (1, 2)),
        ((1, 2.5), (1.0, 2.5)),
        ((1.0, 2), (1.0, 2.0)),
        ((True, 2.5), (True, 2.5)),
        ((10**400, 2.5), (10**400, 2.5)),
        ((2**53 + 1, 2.5), (2**53 + 1, 2.5)),
        (("1", 2.5), ("1", 2.5)),
        (([1], 2.5), ([1], 2.5)),
        ((None, 2.5), (None, 2.5)),
    ],
)
def test_one_fraction_makes_every_number_of_a_feature_one(values: tuple, given: tuple):
    variants = [
        {"key": key, "weight": 0.5, "value": value}
        for key, value in zip(("a", "b"), values, strict=True)
    ]
    rule = picture_of([standing("price", "start", variants=variants)]).features["hero"].rules[0]
    found = rule.then.experiment.variations
    assert [(type(value), value) for value in found] == [(type(value), value) for value in given]
