"""A layer: experiments in it exclude each other, each in slices of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments.definitions.errors import Conflict, Invalid, Problem
from experiments.definitions.keys import KEY_RULE, is_key

Document = dict[str, Any]
Slice = tuple[int, int]  # [start, end) in ten-thousandths

SLOTS = 10_000


@dataclass(frozen=True, slots=True)
class Layer:
    key: str
    name: str
    unit_type: str = "id"


def seed_of_layer(key: str) -> str:
    """No key holds a slash, so that no experiment's seed is the same."""
    return f"layer/{key}"


def layer_from_document(document: Document) -> Layer:
    layer = Layer(
        document["key"], document.get("name") or document["key"], document.get("unit_type", "id")
    )
    problems = [
        Problem(path, "KEY_INVALID", f"{key!r} is not a key: {KEY_RULE}")
        for path, key in (("key", layer.key), ("unit_type", layer.unit_type))
        if not is_key(key)
    ]
    if problems:
        raise Invalid.of(problems)
    return layer


def layer_to_document(layer: Layer) -> Document:
    return {"key": layer.key, "name": layer.name, "unit_type": layer.unit_type}


def free_slices(taken: list[Slice]) -> list[Slice]:
    """What nobody holds, in order."""
    free: list[Slice] = []
    at = 0
    for start, end in sorted(taken):
        if start > at:
            free.append((at, start))
        at = max(at, end)
    if at < SLOTS:
        free.append((at, SLOTS))
    return free


def allocate(layer: str, size: float, taken: list[Slice]) -> tuple[Slice, ...]:
    """The first free slices that make up `size`, a fraction; `Conflict` LAYER_FULL."""
    wanted = max(1, round(size * SLOTS))
    given: list[Slice] = []
    for start, end in free_slices(taken):
        part = min(wanted, end - start)
        given.append((start, start + part))
        wanted -= part
        if wanted == 0:
            return tuple(given)
    free = sum(end - start for start, end in free_slices(taken)) / SLOTS
    raise Conflict(
        "LAYER_FULL",
        f"{size:.4g} of the layer {layer!r} are wanted and {free:.4g} are free; take a smaller"
        " share, or stop an experiment of the layer",
    )
