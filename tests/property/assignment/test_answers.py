"""Where an experiment is alone, the short way to its answer ends where the evaluator does."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from experiments.assignment.answers import assign
from experiments.assignment.picture import picture_of
from experiments.assignment.visit import Visit
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import DRAFT, Standing, Terms, move

LIVES = (("start",), ("start", "pause"), ("start", "pause", "resume"), ("start", "ship"))
AUDIENCES: tuple[dict[str, Any], ...] = (
    {},
    {"country": "FR"},
    {"country": {"$in": ["FR", "DE"]}},
    {"id": {"$gt": "m"}},
)


@st.composite
def standings(draw: st.DrawFn) -> list[Standing]:
    made = []
    for number in range(draw(st.integers(1, 6))):
        parts = draw(st.lists(st.integers(0, 9), min_size=2, max_size=4).filter(sum))
        document = {
            "key": f"e{number}",
            "variants": [
                {"key": f"v{index}", "weight": part / math.fsum(parts), "value": index}
                for index, part in enumerate(parts)
            ],
            "traffic": draw(st.sampled_from([0.0, 0.3, 1.0])),
            "audience": draw(st.sampled_from(AUDIENCES)),
            "unit_type": draw(st.sampled_from(["id", "id", "device"])),
        }
        one = Standing("production", experiment_from_document(document), DRAFT, 1, 0, 0)
        for at, verb in enumerate(draw(st.sampled_from(LIVES)), 10):
            one = move(one, verb, at, Terms(winner="v1"))
        made.append(one)
    return made


@given(standings(), st.text(min_size=1, max_size=12), st.sampled_from(["FR", "US", None]))
def test_all_are_answered_as_the_evaluator_answers_each(
    those: list[Standing], unit: str, country: str | None
):
    picture = picture_of(those)
    for unit_type in ("id", "device", "account"):
        attributes = {"country": country}
        visit = Visit(picture, {**attributes, unit_type: unit})
        asked = [
            live
            for live in picture.experiments.values()
            if live.compiled.experiment.unit_type == unit_type
        ]
        expected = [visit.assignment(live.compiled) for live in asked]
        assert assign(picture, unit, unit_type, attributes).assignments == expected
        if asked:
            keys = [live.compiled.experiment.key for live in asked]
            assert assign(picture, unit, unit_type, attributes, keys).assignments == expected
