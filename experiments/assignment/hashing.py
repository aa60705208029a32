"""The one hash that decides everything, version 2 of GrowthBook's public SDK specification.

    n = fnv32a(str(fnv32a(seed + unit_id))) % 10000 / 10000

Version 1, `fnv32a(unit_id + seed) % 1000 / 1000`, is there where a payload asks for it.

FNV-1a with 32 bits (Fowler, Noll, Vo) over UTF-16 code units, as JavaScript's `charCodeAt` gives
them, so that our answer and that of every SDK agree on any text.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Sequence
from functools import partial

# Where a unit falls in [0, 1), None where the version of the hash is not known.
Position = Callable[[str], float | None]

BUCKETS = 10_000
_OFFSET = 0x811C9DC5
_PRIME = 0x01000193
_MASK = 0xFFFFFFFF


def fnv32a(text: str, state: int = _OFFSET) -> int:
    """The 32-bit hash of a text.

    It goes on from `state`, so that hashing b from where a ended is hashing a + b.
    """
    if text.isascii():
        for unit in text.encode("ascii"):
            state = ((state ^ unit) * _PRIME) & _MASK
        return state
    for unit in array("H", text.encode("utf-16", "surrogatepass"))[1:]:
        state = ((state ^ unit) * _PRIME) & _MASK
    return state


def seed_state(seed: str) -> int:
    """What the hash has come to after the seed; computed once for each experiment."""
    return fnv32a(seed)


def bucket(state: int, unit_id: str) -> float:
    """Where a unit falls in [0, 1), in steps of 1/10,000."""
    return fnv32a(str(fnv32a(unit_id, state))) % BUCKETS / BUCKETS


def position_by(seed: str, version: int) -> Position:
    """The hash of a version, with all that depends on the seed alone worked out."""
    if version == 2:
        return partial(bucket, seed_state(seed))
    if version == 1:
        return lambda unit_id: fnv32a(seed, fnv32a(unit_id)) % 1000 / 1000
    return lambda _unit_id: None


class Seeds:
    """Many seeds hashed with one unit at once: each holds a lane of one long whole number.

    A lane has 64 bits. A state of 32 bits times the prime of 25 does not reach into the next.
    """

    def __init__(self, states: Sequence[int]) -> None:
        count = len(states)
        self._states = _lanes(states)
        self._mask = _lanes([_MASK] * count)
        self._units = [_lanes([unit] * count) for unit in range(128)]
        self._bytes = 8 * count

    def buckets(self, unit_id: str) -> list[float]:
        """Where the unit falls by each seed, as `bucket` says it."""
        if not unit_id.isascii():
            return [bucket(state, unit_id) for state in self._numbers(self._states)]
        lanes, mask, units = self._states, self._mask, self._units
        for unit in unit_id.encode("ascii"):
            lanes = ((lanes ^ units[unit]) * _PRIME) & mask
        found = []
        for number in self._numbers(lanes):
            state = _OFFSET
            for unit in b"%d" % number:
                state = ((state ^ unit) * _PRIME) & _MASK
            found.append(state % BUCKETS / BUCKETS)
        return found

    def _numbers(self, lanes: int) -> list[int]:
        return memoryview(lanes.to_bytes(self._bytes, sys.byteorder)).cast("Q").tolist()


def _lanes(numbers: Sequence[int]) -> int:
    return int.from_bytes(array("Q", numbers).tobytes(), sys.byteorder)
