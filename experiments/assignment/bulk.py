"""Many units at once, in NumPy: the same answers as `evaluate` gives one by one.

    answers, index = assign_many(compiled, ids)    # answers[index[3]] is what the fourth unit gets

Ids come as an Arrow array of strings, as files hold them. Rows go through in blocks that fit the
processor's cache; in a block they are ordered by length, so that character j is one column over
the rows that have it. Ids of another script than ASCII are turned into UTF-16 code units first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from experiments.assignment.buckets import Range, choose
from experiments.assignment.decide import Step
from experiments.assignment.evaluate import Assignment, CompiledExperiment
from experiments.assignment.hashing import BUCKETS, bucket, fnv32a, seed_state
from experiments.definitions.layer import seed_of_layer

_PRIME = np.uint32(0x01000193)
_ROWS = 1 << 15
_LONGEST = 200  # code units; longer ids go one by one
_SPLIT = 100_000  # a 32-bit number has at most ten digits: five before, five behind

Units = NDArray[np.uint8] | NDArray[np.uint16]
Hashes = NDArray[np.uint32]


def assign_many(
    compiled: CompiledExperiment, ids: pa.Array, reached: NDArray[np.bool_] | None = None
) -> tuple[list[Assignment], NDArray[np.int16]]:
    """What each unit gets where the experiment is `alone`.

    Returns the possible answers, and the index of each unit's among them. `reached` says which
    units the audience holds; None means all.
    """
    if compiled.everybody is not None:
        return [compiled.everybody], np.zeros(len(ids), np.int16)
    missed, excluded = compiled.shut[Step.CONDITION], compiled.shut[Step.FILTER]
    if compiled.shipped is not None:
        answers = [compiled.shipped, missed]
        index = np.zeros(len(ids), np.int16)
    else:
        answers = [*compiled.inside, compiled.shut[Step.COVERAGE], excluded, missed]
        index = variant_indices(compiled.state, compiled.spec.ranges, ids)
        index[index < 0] = len(compiled.inside)
    if reached is not None:
        index[~reached] = len(answers) - 1
    if compiled.shipped is None and compiled.experiment.layer is not None:
        index[~_in_slices(compiled, compiled.experiment.layer.key, ids)] = len(answers) - 2
    return answers, index


def _in_slices(compiled: CompiledExperiment, layer: str, ids: pa.Array) -> NDArray[np.bool_]:
    """Whether each unit lies in the experiment's part of its layer."""
    slices = [among for one in compiled.spec.filters or () for among in one.ranges]
    if not slices:
        return np.ones(len(ids), bool)
    return variant_indices(seed_state(seed_of_layer(layer)), slices, ids) >= 0


def positions(state: int, ids: pa.Array) -> NDArray[np.uint16]:
    """Where each unit falls, in ten-thousandths; a null counts as the empty text.

    `state` is that of the hash after the seed; `ids` is an Arrow array of strings.
    """
    ids = ids.fill_null("")
    found = np.empty(len(ids), np.uint16)
    for start in range(0, len(ids), _ROWS):
        block = ids.slice(start, _ROWS)
        found[start : start + len(block)] = _block(state, block)
    return found


def variant_indices(state: int, ranges: Sequence[Range], ids: pa.Array) -> NDArray[np.int16]:
    """The index of each unit's variant, -1 where it is outside the traffic."""
    chosen = (choose(position / BUCKETS, ranges) for position in range(BUCKETS))
    table = np.array([-1 if index is None else index for index in chosen], np.int16)
    return table[positions(state, ids)]


def _block(state: int, ids: pa.Array) -> NDArray[np.uint16]:
    units, starts, lengths = _bytes_of(ids)
    found = np.empty(len(ids), np.uint16)
    plain = np.ones(len(ids), bool)
    if len(units) and units.max() > 127:
        above = np.flatnonzero(units > 127)
        plain[np.searchsorted(starts, above, side="right") - 1] = False
    plain &= lengths <= _LONGEST
    if plain.all():
        return _positions(_hash_rows(state, units, starts, lengths))
    found[plain] = _positions(_hash_rows(state, units, starts[plain], lengths[plain]))
    rest = np.flatnonzero(~plain)
    texts = ids.take(pa.array(rest)).to_pylist()
    if max(map(len, texts)) > _LONGEST // 2:
        found[rest] = [round(bucket(state, text) * BUCKETS) for text in texts]
    else:
        found[rest] = _positions(_hash_rows(state, *_code_units(texts)))
    return found


def _bytes_of(ids: pa.Array) -> tuple[Units, NDArray[np.int64], NDArray[np.int64]]:
    """The UTF-8 bytes of an array of strings, and where each begins and how long it is."""
    offset_type: Any = np.int64 if pa.types.is_large_string(ids.type) else np.int32
    _validity, offset_buffer, data = ids.buffers()
    bounds = np.frombuffer(offset_buffer, offset_type)[ids.offset : ids.offset + len(ids) + 1]
    first, last = int(bounds[0]), int(bounds[-1])
    units = np.frombuffer(data, np.uint8)[first:last] if data else np.empty(0, np.uint8)
    bounds = bounds.astype(np.int64) - first
    return units, bounds[:-1], np.diff(bounds)


def _code_units(texts: list[str]) -> tuple[Units, NDArray[np.int64], NDArray[np.int64]]:
    encoded = [text.encode("utf-16-le", "surrogatepass") for text in texts]
    lengths = np.array([len(one) // 2 for one in encoded], np.int64)
    starts = np.cumsum(lengths) - lengths
    return np.frombuffer(b"".join(encoded), np.uint16), starts, lengths


def _hash_rows(
    state: int, units: Units, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> Hashes:
    hashes = np.full(len(starts), state, np.uint32)
    if not len(starts):
        return hashes
    shortest, longest = int(lengths.min()), int(lengths.max())
    if shortest == longest and len(units) == len(starts) * longest:
        for column in units.reshape(len(starts), longest).T.astype(np.uint32):
            hashes ^= column
            hashes *= _PRIME
        return hashes
    order = np.argsort(-lengths, kind="stable")
    starts = starts[order]
    having = len(lengths) - np.searchsorted(np.sort(lengths), np.arange(longest), side="right")
    for place, count in enumerate(having):
        part = hashes[:count]
        part ^= units[starts[:count] + place]
        part *= _PRIME
    unordered = np.empty_like(hashes)
    unordered[order] = hashes
    return unordered


def _positions(hashes: Hashes) -> NDArray[np.uint16]:
    """The second round: the hash of each number as it is written, modulo the buckets."""
    after, digits = _tables()
    before, behind = np.divmod(hashes, np.uint32(_SPLIT))
    states = after[before]
    for column in digits:
        states ^= column[behind]
        states *= _PRIME
    for small in np.flatnonzero(before == 0):  # without the zeros that fill five digits
        states[small] = fnv32a(str(hashes[small]))
    return (states % np.uint32(BUCKETS)).astype(np.uint16)


@cache
def _tables() -> tuple[Hashes, NDArray[np.uint8]]:
    """The hash after the leading digits, for each of them, and the codes of the five behind."""
    leading = 2**32 // _SPLIT + 1
    after = np.array([fnv32a(str(number)) for number in range(leading)], np.uint32)
    behind = np.arange(_SPLIT)
    codes = [behind // 10**power % 10 + ord("0") for power in (4, 3, 2, 1, 0)]
    return after, np.array(codes, np.uint8)
