"""Forest plots: where marks stand and what cannot be drawn."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.console import forest
from api.console.forest import WIDTH, Axis, Estimate, row, scale, shared_axis

LIFTS = st.floats(-5, 5)


@example([[-5e-324, 0.0, 5e-324]])
@given(st.lists(st.tuples(LIFTS, LIFTS, LIFTS).map(sorted), max_size=20))
def test_the_axis_is_even_and_covers_the_typical_interval(triples: list[list[float]]) -> None:
    estimates = [Estimate(lift, lower, upper) for lower, lift, upper in triples]
    axis = shared_axis(estimates)
    assert axis.limit > 0
    assert math.isfinite(axis.limit)
    assert axis.x(0) == WIDTH / 2
    assert axis.x(axis.limit) - axis.x(0) == pytest.approx(axis.x(0) - axis.x(-axis.limit))
    inside = sum(estimate.reach <= axis.limit * 1.001 for estimate in estimates)
    assert inside >= len(estimates) / 2


def test_an_interval_beyond_the_axis_ends_in_an_arrow() -> None:
    axis = Axis(0.1)
    assert "arrow" not in row(Estimate(0.02, -0.05, 0.09), axis, "better", "a", "t", "d")
    assert row(Estimate(0.02, -0.3, 0.3), axis, "better", "a", "t", "d").count("arrow") == 2
    beyond = row(Estimate(0.5, 0.3, 0.7), axis, "better", "a", "t", "d")
    assert beyond.count("arrow") == 1
    assert "mark" not in beyond


@pytest.mark.parametrize(
    ("shape", "element"), [("better", "<path"), ("worse", "<rect"), ("inconclusive", "<circle")]
)
def test_verdicts_differ_in_shape(shape: str, element: str) -> None:
    drawing = row(Estimate(0.0, -0.01, 0.01), Axis(0.1), shape, "a", "t", "d")
    assert f'{element} class="mark"' in drawing


def test_words_of_users_are_escaped() -> None:
    drawing = row(Estimate(0.0, -0.01, 0.01), Axis(0.1), "worse", "a", "<script>", '"&')
    assert "<script>" not in drawing
    assert "&lt;script&gt;" in drawing


def test_labels_between_are_left_out_where_they_do_not_fit() -> None:
    assert scale(Axis(0.2), "a", "t", "d").count("<text") == 5
    assert scale(Axis(1.0), "a", "t", "d").count("<text") == 3


def test_nothing_to_draw_still_has_an_axis() -> None:
    assert shared_axis([]).limit == 0.1
    assert shared_axis([Estimate(0.0, 0.0, 0.0)]).limit == 0.1
    assert forest.shared_axis([Estimate(0.0, 0.0, 0.0)] * 3 + [Estimate(1.0, 0.5, 3.0)]).limit == 3
