"""Values, differences and lifts as texts, with the digits that their precision allows."""

from __future__ import annotations

import math
from typing import Any

from api.console import numbers
from api.console.words import Words


def value_text(value: float | None, kind: str, decimals: int, words: Words) -> str:
    """A metric's value: conversion rates in percent, everything else as the number it is."""
    if value is None:
        return words("none")
    return (
        numbers.percent(value, decimals) if kind == "conversion" else numbers.fixed(value, decimals)
    )


def mean_decimals(variants: list[dict[str, Any]], kind: str) -> int:
    """Decimals that show two digits of the standard errors, and no fewer than people expect."""
    scale = _scale_of(kind)
    known = [variant for variant in variants if variant["mean"] is not None]
    errors = [
        scale * math.sqrt(variant["variance"] / variant["n"])
        for variant in known
        if variant["variance"]
    ]
    largest = max((abs(variant["mean"]) * scale for variant in known), default=0.0)
    least = 2 if largest < 100 else 1 if largest < 1000 else 0
    return numbers.decimals_for(min(errors, default=0.0), least=least)


def difference_text(
    value: float | None, interval: list[float] | None, kind: str, words: Words
) -> str:
    """An absolute difference: in percentage points for conversion rates."""
    if value is None:
        return words("none")
    decimals = _difference_decimals(value, interval, kind)
    if kind == "conversion":
        return words("points", value=numbers.fixed(100 * value, decimals, signed=True))
    return numbers.fixed(value, decimals, signed=True)


def bounds_text(value: float | None, interval: list[float] | None, kind: str, words: Words) -> str:
    if interval is None:
        return words("none")
    decimals, scale = _difference_decimals(value, interval, kind), _scale_of(kind)
    lower, upper = (numbers.fixed(scale * end, decimals) for end in interval)
    return words("interval", lower=lower, upper=upper)


def lift_texts(estimate: float | None, bounds: list[float] | None, words: Words) -> tuple[str, str]:
    """A lift and its interval in percent, with the digits that its interval allows."""
    if estimate is None:
        return words("none"), words("none")
    if bounds is None or None in bounds:
        decimals = numbers.decimals_for(0.0, 100 * estimate, least=1)
        return numbers.percent(estimate, decimals, signed=True), words("none")
    lower, upper = bounds
    half = 50 * (upper - lower)
    decimals = numbers.decimals_for(half, 100 * estimate, 100 * lower, 100 * upper, least=1)
    return (
        numbers.percent(estimate, decimals, signed=True),
        words(
            "interval",
            lower=numbers.percent(lower, decimals),
            upper=numbers.percent(upper, decimals),
        ),
    )


def loss_text(value: float | None, words: Words) -> str:
    if value is None:
        return words("none")
    return "< 0.01%" if 0 < value < 1e-4 else numbers.percent(value, 2)


def _difference_decimals(value: float | None, interval: list[float] | None, kind: str) -> int:
    scale = _scale_of(kind)
    bounds = [scale * end for end in interval or ()]
    half = (bounds[1] - bounds[0]) / 2 if bounds else 0.0
    return numbers.decimals_for(half, *bounds, scale * (value or 0.0), least=0 if half else 2)


def _scale_of(kind: str) -> int:
    return 100 if kind == "conversion" else 1
