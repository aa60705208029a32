"""The metric tables of a report: one per role, one block per metric, one row per comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from api.console import forest, numbers
from api.console.health_strip import reason_text
from api.console.words import Words

ROLES = ("goal", "guardrail", "secondary")


@dataclass(frozen=True, slots=True)
class Row:
    """One treatment against the control. Missing numbers are a dash, with `missing` saying why."""

    variant: str
    n: str
    mean: str
    difference: str
    difference_interval: str
    lift: str
    lift_interval: str
    plot: Markup | None
    p: str
    adjusted: str
    chance: str
    loss_ship: str
    loss_keep: str
    verdict: str
    shape: str
    missing: str


@dataclass(frozen=True, slots=True)
class Block:
    """One metric: what it is, its baseline, its comparisons."""

    key: str
    name: str
    about: tuple[str, ...]
    baseline: str
    baseline_n: str
    waiting: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class RoleTable:
    role: str
    blocks: tuple[Block, ...]
    scale: Markup | None


def role_tables(document: dict[str, Any], words: Words) -> list[RoleTable]:
    bayesian = document["basis"] == "bayesian"
    names = {variant["key"]: variant["name"] for variant in document["variants"]}
    shown = [
        estimate
        for metric in document["metrics"]
        for comparison in metric["comparisons"]
        if (estimate := plotted(comparison, bayesian=bayesian))
    ]
    axis = forest.shared_axis(shown)
    tables = []
    for role in ROLES:
        blocks = tuple(
            _block(place, metric, words, names, axis, document)
            for place, metric in enumerate(document["metrics"])
            if metric["role"] == role
        )
        if blocks:
            drawn = any(row.plot for block in blocks for row in block.rows)
            tables.append(RoleTable(role, blocks, _scale(role, axis, words) if drawn else None))
    return tables


def plotted(comparison: dict[str, Any], *, bayesian: bool) -> forest.Estimate | None:
    """The lift and the interval that a comparison's drawing shows, None where there is none."""
    lift = comparison["lift"]
    bounds = (comparison["bayesian"] if bayesian else lift)["interval"]
    if lift["estimate"] is None or bounds is None or None in bounds:
        return None
    return forest.Estimate(lift["estimate"], *bounds)


def value_text(value: float | None, kind: str, decimals: int, words: Words) -> str:
    """A metric's value: conversion rates in percent, everything else as the number it is."""
    if value is None:
        return words("none")
    return (
        numbers.percent(value, decimals) if kind == "conversion" else numbers.fixed(value, decimals)
    )


def mean_decimals(variants: list[dict[str, Any]], kind: str) -> int:
    """Decimals that show two digits of the standard errors, and no fewer than people expect."""
    scale = 100 if kind == "conversion" else 1
    known = [variant for variant in variants if variant["mean"] is not None]
    errors = [
        scale * math.sqrt(variant["variance"] / variant["n"])
        for variant in known
        if variant["variance"]
    ]
    largest = max((abs(variant["mean"]) * scale for variant in known), default=0.0)
    least = 2 if largest < 100 else 1 if largest < 1000 else 0
    return numbers.decimals_for(min(errors, default=0.0), least=least)


def _block(
    place: int,
    metric: dict[str, Any],
    words: Words,
    names: dict[str, str],
    axis: forest.Axis,
    document: dict[str, Any],
) -> Block:
    by_variant = {variant["variant"]: variant for variant in metric["variants"]}
    decimals = mean_decimals(metric["variants"], metric["kind"])
    control = by_variant.get(document["control"], {"n": 0, "mean": None})
    return Block(
        key=metric["metric"],
        name=metric["name"],
        about=tuple(about(metric, words)),
        baseline=value_text(control["mean"], metric["kind"], decimals, words),
        baseline_n=numbers.count(control["n"]),
        waiting=metric["waiting"],
        rows=tuple(
            _row(
                f"plot-{place}-{index}",
                metric,
                comparison,
                by_variant,
                decimals,
                words,
                names,
                axis,
                document,
            )
            for index, comparison in enumerate(metric["comparisons"])
        ),
    )


def about(metric: dict[str, Any], words: Words) -> list[str]:
    """What is measured, in a few short phrases."""
    parts = [words(f"kind.{metric['kind']}"), words(f"direction.{metric['direction']}")]
    window, delay = metric["window_hours"], metric["delay_hours"]
    if window is not None:
        parts.append(words("window", hours=numbers.significant(window)))
    if delay:
        parts.append(words("delay", hours=numbers.significant(delay)))
    if metric["margin"] is not None:
        parts.append(words("margin", share=numbers.share(metric["margin"])))
    return parts


def _row(
    identifier: str,
    metric: dict[str, Any],
    comparison: dict[str, Any],
    by_variant: dict[str, dict[str, Any]],
    decimals: int,
    words: Words,
    names: dict[str, str],
    axis: forest.Axis,
    document: dict[str, Any],
) -> Row:
    bayesian = document["basis"] == "bayesian"
    none = words("none")
    arm = by_variant.get(comparison["variant"], {"n": 0, "mean": None})
    variant = names.get(comparison["variant"], comparison["variant"])
    difference, lift, belief = (
        comparison["difference"],
        comparison["lift"],
        comparison["bayesian"] or {},
    )
    shape = comparison["verdict"] or "inconclusive"
    verdict = verdict_text(comparison, words)
    lift_text, lift_bounds = lift_texts(
        lift["estimate"], (belief if bayesian else lift)["interval"], words
    )
    estimate = plotted(comparison, bayesian=bayesian)
    plot = None
    if estimate:
        key = "bayesian" if bayesian else "fixed"
        plot = forest.row(
            estimate,
            axis,
            shape,
            identifier,
            words("plot.title", metric=metric["name"], variant=variant, verdict=verdict),
            words(f"plot.desc.{key}", lift=lift_text, interval=lift_bounds),
        )
    chance = belief.get("chance_to_win")
    return Row(
        variant=variant,
        n=numbers.count(arm["n"]),
        mean=value_text(arm["mean"], metric["kind"], decimals, words),
        difference=difference_text(difference["estimate"], difference, metric["kind"], words),
        difference_interval=bounds_text(difference, metric["kind"], words),
        lift=lift_text,
        lift_interval=lift_bounds,
        plot=plot,
        p=none if difference["p_value"] is None else numbers.p_cell(difference["p_value"]),
        adjusted=none
        if difference["adjusted_p_value"] is None
        else numbers.p_cell(difference["adjusted_p_value"]),
        chance=none if chance is None else numbers.probability(chance),
        loss_ship=_loss(belief.get("expected_loss_ship"), words),
        loss_keep=_loss(belief.get("expected_loss_keep"), words),
        verdict=verdict,
        shape=shape,
        missing=missing_text(comparison, words, bayesian=bayesian),
    )


def verdict_text(comparison: dict[str, Any], words: Words) -> str:
    verdict = comparison["verdict"]
    if verdict is None:
        return words("verdict.none")
    held = comparison["non_inferior"]
    if held and verdict == "worse":
        return words("verdict.worse_within")
    if held is not None and verdict == "inconclusive":
        return words("verdict.within" if held else "verdict.unproven")
    return words(f"verdict.{verdict}")


def missing_text(comparison: dict[str, Any], words: Words, *, bayesian: bool) -> str:
    """Why numbers of a comparison are missing, "" where none are."""
    parts = [comparison["reason"], comparison["lift"]["reason"]]
    if bayesian:
        parts.append((comparison["bayesian"] or {}).get("reason"))
    return " ".join(reason_text(reason, words) for reason in dict.fromkeys(filter(None, parts)))


def difference_decimals(difference: dict[str, Any], kind: str) -> int:
    scale = 100 if kind == "conversion" else 1
    bounds = [scale * end for end in difference["interval"] or () if end is not None]
    half = (bounds[1] - bounds[0]) / 2 if len(bounds) == 2 else 0.0
    values = [*bounds, scale * (difference["estimate"] or 0.0)]
    return numbers.decimals_for(half, *values, least=0 if half else 2)


def difference_text(
    value: float | None, difference: dict[str, Any], kind: str, words: Words
) -> str:
    """An absolute difference: in percentage points for conversion rates."""
    if value is None:
        return words("none")
    decimals = difference_decimals(difference, kind)
    if kind == "conversion":
        return words("points", value=numbers.fixed(100 * value, decimals, signed=True))
    return numbers.fixed(value, decimals, signed=True)


def bounds_text(difference: dict[str, Any], kind: str, words: Words) -> str:
    if difference["interval"] is None or None in difference["interval"]:
        return words("none")
    decimals, scale = difference_decimals(difference, kind), 100 if kind == "conversion" else 1
    lower, upper = (numbers.fixed(scale * end, decimals) for end in difference["interval"])
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


def _loss(value: float | None, words: Words) -> str:
    if value is None:
        return words("none")
    return "< 0.01%" if 0 < value < 1e-4 else numbers.percent(value, 2)


def _scale(role: str, axis: forest.Axis, words: Words) -> Markup:
    limit = numbers.share(axis.limit)
    return forest.scale(
        axis, f"scale-{role}", words("scale.title"), words("scale.desc", limit=limit)
    )
