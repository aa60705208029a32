"""Time one evaluation in process, ours against growthbook-python: same definition, same units.

One experiment of two variants behind a condition, hash version 2. Both answer for every unit and
have to agree before anything is timed; then they take turns, and the best turn of each counts.

    .venv/bin/pip install --target /tmp/growthbook growthbook
    PYTHONPATH=/tmp/growthbook .venv/bin/python benchmarks/evaluate.py
"""

import random
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from experiments.assignment.evaluate import compile_experiment, evaluate
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import DRAFT, Standing, move

UNITS, TURNS = 5_000, 15
KEY = "checkout-button"
AUDIENCE = {"country": {"$in": ["FR", "DE"]}}
VARIANTS = ("grey", "green")
BARS = {"UUIDs": 2.5, "short ids": 3.5}

Ask = Callable[[str], str | None]


def ours() -> Ask:
    variants = [{"key": key, "weight": 0.5} for key in VARIANTS]
    experiment = experiment_from_document({"key": KEY, "variants": variants, "audience": AUDIENCE})
    compiled = compile_experiment(
        move(Standing("production", experiment, DRAFT, 1, 0, 0), "start", 0)
    )
    return lambda unit: evaluate(compiled, unit, {"id": unit, "country": "FR"}).variant


def theirs() -> Ask:
    """One instance for all units: making one for each takes half as long again."""
    from growthbook import GrowthBook  # noqa: PLC0415 — not a dependency

    rule = {
        "key": KEY,
        "seed": KEY,
        "hashAttribute": "id",
        "hashVersion": 2,
        "variations": list(VARIANTS),
        "weights": [0.5, 0.5],
        "coverage": 1.0,
        "condition": AUDIENCE,
        "meta": [{"key": key} for key in VARIANTS],
    }
    sdk = GrowthBook(features={KEY: {"defaultValue": "grey", "rules": [rule]}})

    def ask(unit: str) -> str | None:
        sdk.set_attributes({"id": unit, "country": "FR"})
        result = sdk.eval_feature(KEY).experimentResult
        return result.key if result else None

    return ask


def microseconds(ask: Ask, units: Sequence[str]) -> float:
    start = time.perf_counter()
    for unit in units:
        ask(unit)
    return (time.perf_counter() - start) / len(units) * 1e6


def main() -> int:
    if find_spec("growthbook") is None:
        print(
            "growthbook is not there: .venv/bin/pip install --target /tmp/growthbook growthbook,"
            " then run again with PYTHONPATH=/tmp/growthbook"
        )
        return 2
    rng = random.Random(1)
    kinds = {
        "UUIDs": [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(UNITS)],
        "short ids": [str(rng.randrange(100_000, 1_000_000)) for _ in range(UNITS)],
    }
    mine, other = ours(), theirs()
    print(f"µs an evaluation, best of {TURNS} turns over {UNITS} units, one process\n")
    print(f"  {'':<12}{'ours':>8}{'growthbook':>13}{'ratio':>8}{'bar':>7}")
    missed = False
    for name, units in kinds.items():
        assert [mine(unit) for unit in units] == [other(unit) for unit in units]
        turns = [(microseconds(mine, units), microseconds(other, units)) for _ in range(TURNS)]
        us, them = (min(column) for column in zip(*turns, strict=True))
        print(f"  {name:<12}{us:>8.2f}{them:>13.2f}{them / us:>7.2f}×{BARS[name]:>6.1f}×")
        missed |= them / us < BARS[name]
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
