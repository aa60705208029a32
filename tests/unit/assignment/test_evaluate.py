from __future__ import annotations

import pytest

from experiments.assignment.evaluate import compile_experiment, evaluate
from experiments.assignment.hashing import bucket, seed_state
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import DRAFT, Standing, Terms, move


def standing(*verbs: str, **fields: object) -> Standing:
    experiment = experiment_from_document(
        {
            "key": "button",
            "variants": [
                {"key": "grey", "weight": 0.5, "value": {"colour": "grey"}},
                {"key": "green", "weight": 0.5, "value": {"colour": "green"}},
            ],
            **fields,
        }
    )
    one = Standing("production", experiment, DRAFT, 1, 0, 0)
    for at, verb in enumerate(verbs, 10):
        one = move(one, verb, at, Terms(winner="green"))
    return one


def give(one: Standing, unit: str, **attributes: object):
    return evaluate(compile_experiment(one), unit, {**attributes, "id": unit})


def test_the_hash_splits():
    for number in range(200):
        unit = f"user-{number}"
        given = give(standing("start"), unit)
        expected = "grey" if bucket(seed_state("button"), unit) < 0.5 else "green"
        assert (given.variant, given.reason, given.in_experiment) == (expected, "SPLIT", True)
        assert given.value == {"colour": expected}


def test_a_range_holds_its_beginning_and_not_its_end():
    compiled = compile_experiment(standing("start", traffic=0.5))
    given = [
        evaluate(compiled, "u", {}, position).variant
        for position in (0.0, 0.2499, 0.25, 0.4999, 0.5, 0.7499, 0.75, 0.9999)
    ]
    assert given == ["grey", "grey", None, None, "green", "green", None, None]


@pytest.mark.parametrize(
    "verbs", [(), ("start", "pause"), ("start", "stop"), ("start", "ship", "stop")]
)
def test_what_does_not_run_gives_everybody_the_control(verbs: tuple[str, ...]):
    for number in range(50):
        given = give(standing(*verbs), f"user-{number}")
        assert (given.variant, given.reason, given.in_experiment) == (None, "DISABLED", False)
        assert given.value == {"colour": "grey"}


def test_a_pause_is_forgotten_after_it():
    units = [f"user-{number}" for number in range(100)]
    before = [give(standing("start"), unit) for unit in units]
    after = [give(standing("start", "pause", "resume"), unit) for unit in units]
    assert before == after


def test_the_audience_may_name_the_unit_itself():
    one = standing("start", audience={"id": "user-1"})
    assert give(one, "user-1").in_experiment
    assert give(one, "user-2").reason == "TARGETING_MISMATCH"


def test_the_winner_is_for_the_audience():
    one = standing("start", "ship", audience={"country": "FR"}, traffic=0.0)
    inside = give(one, "user-1", country="FR")
    assert (inside.variant, inside.reason, inside.in_experiment) == ("green", "SHIPPED", False)
    outside = give(one, "user-1", country="DE")
    assert (outside.variant, outside.reason) == (None, "TARGETING_MISMATCH")
    assert outside.value == {"colour": "grey"}


def test_no_traffic_takes_nobody():
    assert give(standing("start", traffic=0.0), "user-1").reason == "NOT_IN_TRAFFIC"
