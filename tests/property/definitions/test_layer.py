"""However experiments come and go, no two hold one part of a layer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.definitions.errors import Conflict
from experiments.definitions.layer import SLOTS, Slice, allocate, free_slices

SIZES = st.one_of(st.floats(0.0001, 1), st.sampled_from([0.0001, 0.1, 1 / 3, 0.5, 1.0]))


@given(st.lists(st.one_of(SIZES, st.integers(0, 30)), max_size=40))
def test_parts_are_apart_and_of_the_size_that_was_wanted(steps: list[Any]) -> None:
    """A fraction takes that share; a number makes the one that came so many ago go."""
    held: list[tuple[Slice, ...]] = []
    for step in steps:
        taken = [one for part in held for one in part]
        free = sum(end - start for start, end in free_slices(taken))
        assert free == SLOTS - sum(end - start for start, end in taken)
        if isinstance(step, int):
            held = [part for index, part in enumerate(reversed(held)) if index != step][::-1]
            continue
        wanted = max(1, round(step * SLOTS))
        if wanted > free:
            with pytest.raises(Conflict) as caught:
                allocate("layer", step, taken)
            assert caught.value.code == "LAYER_FULL"
            continue
        part = allocate("layer", step, taken)
        assert sum(end - start for start, end in part) == wanted
        held.append(part)
        slots = [slot for one in held for start, end in one for slot in range(start, end)]
        assert len(set(slots)) == len(slots)
        assert all(0 <= slot < SLOTS for slot in slots)
