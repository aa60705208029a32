"""The units of a segment: a condition in Python, units in the engine, a few texts between them.

The engine lists the distinct combinations of those attributes that the condition looks at, Python
says batch by batch which of them fulfil it, and the engine keeps the units that have one of these.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import ibis
from ibis.expr.types import JSONColumn, StringValue, Table

from experiments.analysis.task import Part
from experiments.assignment.conditions import attributes_of, read_condition

_BETWEEN = "\x1f"  # stands nowhere in JSON


def described(attributes: JSONColumn, part: Part) -> StringValue:
    """A unit's attributes that the condition looks at, as text; one that it lacks is empty."""
    texts: list[StringValue] = [
        attributes[_pointer(name)].cast("string").fill_null("") for name in _names(part)
    ]
    return ibis.literal(_BETWEEN).join(texts) if texts else ibis.literal("")


def first_exposures(exposures: Table) -> Table:
    """One row per unit: its first exposure that counts, else its first one."""
    order = ibis.window(
        group_by=exposures.unit_hash,
        order_by=[exposures.mark.notnull(), exposures.first_at, exposures.variant],
    )
    ranked = exposures.mutate(place=ibis.row_number().over(order))
    return ranked.filter(ranked.place == 0).select("unit_hash", "described")


def combinations(units: Table) -> Table:
    """The distinct descriptions of units, each with a number."""
    distinct = units.select("described").distinct()
    return distinct.mutate(number=ibis.row_number())


def test_of(part: Part) -> Callable[[str], bool]:
    """Whether units with a description are of the part."""
    holds, names = read_condition(part.condition, part.groups), _names(part)
    return lambda text: holds(_attributes(text, names))


def within(exposures: Table, units: Table, chosen: Table) -> Table:
    """The exposures of the units whose description was chosen."""
    return exposures.semi_join(units.semi_join(chosen, "described"), "unit_hash")


def _names(part: Part) -> tuple[str, ...]:
    """The attributes themselves, where the condition looks inside of one too."""
    paths = attributes_of(part.condition, part.groups)
    return tuple(dict.fromkeys(path.split(".")[0] for path in paths))


def _pointer(name: str) -> str:
    """A JSON pointer (RFC 6901): a plain name would be read as a path with wildcards."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _attributes(text: str, names: tuple[str, ...]) -> dict[str, Any]:
    values = zip(names, text.split(_BETWEEN), strict=False)
    return {name: json.loads(value) for name, value in values if value}
