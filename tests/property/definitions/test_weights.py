"""Weights are normalised once: a definition that is read again stays as it is, to the last bit."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from experiments.definitions.experiment import experiment_from_document, experiment_to_document


@st.composite
def weights(draw: st.DrawFn) -> list[float]:
    """Shares as people round them, off 1 by up to a millionth."""
    parts = draw(st.lists(st.integers(1, 1000), min_size=2, max_size=20))
    whole = [round(part / sum(parts), 6) for part in parts[1:]]
    return [max(0.0, 1 - math.fsum(whole) + draw(st.floats(-9e-7, 9e-7))), *whole]


@given(weights())
@example([0.171153, 0.696986, 0.131862])
def test_weights_do_not_move_when_read_again(shares: list[float]):
    variants = [{"key": f"v{index}", "weight": share} for index, share in enumerate(shares)]
    document = experiment_to_document(experiment_from_document({"key": "t", "variants": variants}))
    assert math.fsum(one["weight"] for one in document["variants"]) == pytest.approx(1, abs=1e-12)
    assert experiment_to_document(experiment_from_document(document)) == document
