"""Time the assignment of ten million units at once, against one by one, on one core.

Run from the checkout: .venv/bin/python benchmarks/bulk_assignment.py
Nothing here starts threads. The scalar path is timed on a sample and agrees with the bulk there.
"""

import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))

from experiments.assignment.buckets import bucket_ranges, choose
from experiments.assignment.bulk import variant_indices
from experiments.assignment.hashing import bucket, seed_state

UNITS, SAMPLE, TURNS = 10_000_000, 200_000, 3
LEAST_RATE, LEAST_RATIO = 5e6, 25.0

STATE = seed_state("checkout-button")
RANGES = bucket_ranges([0.5, 0.5], 0.8)


def short_ids(rng: np.random.Generator) -> pa.Array:
    return pa.array(rng.integers(1, 100_000_000, UNITS)).cast(pa.string())


def uuids(rng: np.random.Generator) -> pa.Array:
    some = [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(SAMPLE)]
    return pa.concat_arrays([pa.array(some)] * (UNITS // 10 // SAMPLE))


def accented(rng: np.random.Generator) -> pa.Array:
    some = [f"ünit-{number}" for number in rng.integers(1, 100_000_000, SAMPLE)]
    return pa.concat_arrays([pa.array(some)] * (UNITS // 10 // SAMPLE))


def rate(work: Callable[[], object], units: int) -> float:
    """Units a second, the best of some turns."""
    best = float("inf")
    for _ in range(TURNS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return units / best


def one_by_one(ids: list[str]) -> list[int]:
    found = (choose(bucket(STATE, one), RANGES) for one in ids)
    return [-1 if index is None else index for index in found]


def main() -> int:
    rng = np.random.default_rng(1)
    print(f"million units a second, best of {TURNS} turns, one core\n")
    print(f"  {'ids':<22}{'units':>12}{'bulk':>9}{'one by one':>13}{'ratio':>9}")
    missed = False
    for name, make, counts in (
        ("short, 1–8 digits", short_ids, True),
        ("UUIDs", uuids, False),
        ("beyond ASCII", accented, False),
    ):
        ids = make(rng)
        sample = ids[:SAMPLE].to_pylist()
        assert variant_indices(STATE, RANGES, ids[:SAMPLE]).tolist() == one_by_one(sample)
        bulk = rate(lambda ids=ids: variant_indices(STATE, RANGES, ids), len(ids))
        scalar = rate(lambda sample=sample: one_by_one(sample), SAMPLE)
        print(
            f"  {name:<22}{len(ids):>12,}{bulk / 1e6:>9.1f}{scalar / 1e6:>13.2f}"
            f"{bulk / scalar:>8.0f}×"
        )
        if counts:
            missed = bulk < LEAST_RATE or bulk / scalar < LEAST_RATIO
    print(f"\n  bar on short ids: {LEAST_RATE / 1e6:.0f} million a second and {LEAST_RATIO:.0f}×")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
