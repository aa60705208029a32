from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.definitions.errors import Conflict
from experiments.definitions.experiment import experiment_from_document, experiment_to_document
from experiments.definitions.lifecycle import (
    DRAFT,
    MOVES,
    STATUSES,
    Standing,
    Terms,
    check_revision,
    move,
)

EXPERIMENT = experiment_from_document(
    {
        "key": "button",
        "traffic": 0.5,
        "variants": [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}],
    }
)


def draft() -> Standing:
    return Standing("production", EXPERIMENT, DRAFT, 1, 0, 0)


def revised(**changes: object):
    return experiment_from_document({**experiment_to_document(EXPERIMENT), **changes})


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("verb", MOVES)
def test_every_move_is_legal_or_says_what_it_needs(status: str, verb: str):
    running = move(draft(), "start", 10)
    standing = replace(draft() if status == DRAFT else running, status=status)
    sources, target = MOVES[verb]
    if status in sources:
        after = move(standing, verb, 20, Terms(winner="green"))
        assert after.status == target
        assert after.revision == standing.revision + 1
    else:
        with pytest.raises(Conflict, match=f"is {status} and cannot {verb}"):
            move(standing, verb, 20)


def test_a_pause_ends_a_run_and_keeps_the_seed():
    standing = move(draft(), "start", 10)
    standing = move(standing, "pause", 20)
    standing = move(standing, "resume", 30)
    standing = move(standing, "stop", 40)
    (phase,) = standing.phases
    assert phase.seed == "button"
    assert [phase.covers(at) for at in (9, 10, 19, 20, 29, 30, 39, 40)] == [
        False, True, True, False, False, True, True, False,
    ]  # fmt: skip
    assert (phase.started_at, phase.ended_at) == (10, 40)


def test_stopping_what_is_paused_leaves_its_runs():
    standing = move(move(move(draft(), "start", 10), "pause", 20), "stop", 40)
    assert standing.phases[-1].ended_at == 20


def test_only_ship_has_a_winner():
    shipped = move(move(draft(), "start", 10), "ship", 20, Terms(winner="green"))
    assert shipped.winner == "green"
    assert move(shipped, "stop", 30).winner is None


@pytest.mark.parametrize(
    "changes",
    [
        {"traffic": 0.4},
        {"audience": {"country": "FR"}},
        {"unit_type": "device"},
        {"feature": "other"},
        {"assignment": "external"},
        {"variants": [{"key": "grey", "weight": 0.6}, {"key": "green", "weight": 0.4}]},
        {
            "variants": [
                {"key": "grey", "weight": 0.5, "control": False},
                {"key": "green", "weight": 0.5, "control": True},
            ]
        },
        {
            "variants": [
                {"key": "grey", "weight": 0.5, "value": 1},
                {"key": "green", "weight": 0.5},
            ]
        },
    ],
)
def test_what_would_move_units_is_refused_once_started(changes: dict):
    check_revision(draft(), revised(**changes))
    with pytest.raises(Conflict) as error:
        check_revision(move(draft(), "start", 10), revised(**changes))
    assert error.value.code == "LOCKED_AFTER_START"


@pytest.mark.parametrize("changes", [{"traffic": 0.6}, {"name": "New"}, {"plan": {"alpha": 0.1}}])
def test_what_moves_nobody_is_allowed(changes: dict):
    check_revision(move(draft(), "start", 10), revised(**changes))
