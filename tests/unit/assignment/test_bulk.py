from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from experiments.assignment.bulk import assign_many, positions, variant_indices
from experiments.assignment.evaluate import compile_experiment, evaluate
from experiments.assignment.hashing import bucket, seed_state
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import DRAFT, Standing, Terms, move

_SHARED = Path(os.environ.get("EVENHAND_SHARED", Path(__file__).parents[4] / "shared"))
VECTORS = json.loads((_SHARED / "conformance" / "growthbook-sdk-cases.json").read_text("utf-8"))


def test_the_public_vectors():
    for seed, value, version, expected in VECTORS["hash"]:
        if version == 2:
            found = positions(seed_state(seed), pa.array([value]))
            assert found.tolist() == [round(expected * 10_000)]


@pytest.mark.parametrize(
    "ids",
    [
        [],
        [""],
        ["", "a", "", "bcd", ""],
        ["é", "日本", "😀", "a😀b", "\uffee"],
        ["plain", "é", "", "x" * 199, "x" * 201, "é" * 99, "日" * 500],
        [str(number) for number in range(70_000)],
    ],
    ids=["none", "empty", "gaps", "unicode", "lengths", "blocks"],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_the_same_positions_as_one_by_one(ids: list[str], kind: pa.DataType):
    state = seed_state("seed")
    expected = [round(bucket(state, one) * 10_000) for one in ids]
    assert positions(state, pa.array(ids, kind)).tolist() == expected
    assert positions(state, pa.array(["ü", *ids, "z"], kind)[1:-1]).tolist() == expected


def test_a_null_is_the_empty_text():
    ids = pa.array(["a", None, "b"])
    filled = pa.array(["a", "", "b"])
    assert positions(1, ids).tolist() == positions(1, filled).tolist()


def test_a_first_hash_of_few_digits():
    """The second round hashes a number as it is written; a short one has no zeros before it."""
    state = seed_state("")
    ids = pa.array([str(number) for number in range(200_000)])
    found = positions(state, ids)
    first = [one for one in ids.to_pylist() if _first(one) < 100_000]
    assert first, "two hundred thousand ids hold some"
    for one in first:
        assert found[int(one)] == round(bucket(state, one) * 10_000)


def _first(text: str) -> int:
    state = 0x811C9DC5
    for character in text:
        state = (state ^ ord(character)) * 0x01000193 % 2**32
    return state


def test_variants_at_the_edges_of_their_ranges():
    ids = pa.array([str(number) for number in range(50_000)])
    state, ranges = seed_state("edges"), ((0.0, 0.1), (0.3, 0.35), (0.9, 1.0))
    found = variant_indices(state, ranges, ids)
    at = positions(state, ids)
    for index, (low, high) in enumerate(ranges):
        inside = at[found == index]
        assert inside.min() == low * 10_000
        assert inside.max() == high * 10_000 - 1
    assert set(np.unique(found)) == {-1, 0, 1, 2}


@pytest.mark.parametrize(
    "verbs", [("start",), ("start", "pause"), ("start", "stop"), ("start", "ship")], ids="-".join
)
def test_what_one_by_one_gives(verbs: tuple[str, ...]):
    experiment = experiment_from_document(
        {
            "key": "button",
            "traffic": 0.6,
            "audience": {"country": "FR"},
            "variants": [{"key": key, "weight": 0.25} for key in "abcd"],
        }
    )
    standing = Standing("production", experiment, DRAFT, 1, 0, 0)
    for at, verb in enumerate(verbs):
        standing = move(standing, verb, at, Terms(winner="c"))
    compiled = compile_experiment(standing)
    ids = [f"user-{number}" for number in range(2_000)]
    countries = ["FR" if number % 3 else "DE" for number in range(2_000)]
    reached = np.array([country == "FR" for country in countries])
    answers, index = assign_many(compiled, pa.array(ids), reached)
    expected = [
        evaluate(compiled, one, {"id": one, "country": country})
        for one, country in zip(ids, countries, strict=True)
    ]
    assert [answers[one] for one in index] == expected
