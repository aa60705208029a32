"""The metric tables of a report: one per role, one block per metric, one row per comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from api.console import forest, numbers
from api.console.health_strip import reason_text
from api.console.values import (
    bounds_text,
    difference_text,
    lift_texts,
    loss_text,
    mean_decimals,
    value_text,
)
from api.console.words import Words
from experiments.analysis.judged import Judged, judged

ROLES = ("goal", "guardrail", "secondary")


@dataclass(frozen=True, slots=True)
class Row:
    """One treatment against the control. Missing numbers are a dash, with `missing` saying why.

    `reading` says how often it may be looked at, "" where the whole table is read alike.
    """

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
    reading: str
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
    """`basis` is the one by which all its metrics are judged, else "mixed"."""

    role: str
    basis: str
    blocks: tuple[Block, ...]
    scale: Markup | None


def role_tables(document: dict[str, Any], words: Words) -> list[RoleTable]:
    names = {variant["key"]: variant["name"] for variant in document["variants"]}
    shown = [
        estimate
        for metric in document["metrics"]
        for comparison in metric["comparisons"]
        if (estimate := plotted(comparison, judged(metric["basis"], comparison)))
    ]
    axis = forest.shared_axis(shown)
    tables = []
    for role in ROLES:
        metrics = [(n, one) for n, one in enumerate(document["metrics"]) if one["role"] == role]
        if not metrics:
            continue
        basis, *others = {metric["basis"] for _, metric in metrics}
        basis = "mixed" if others else basis
        blocks = tuple(
            _block(place, metric, words, names, axis, document, is_mixed=basis == "mixed")
            for place, metric in metrics
        )
        drawn = any(row.plot for block in blocks for row in block.rows)
        tables.append(RoleTable(role, basis, blocks, _scale(role, axis, words) if drawn else None))
    return tables


def plotted(comparison: dict[str, Any], evidence: Judged) -> forest.Estimate | None:
    """The lift and the interval that a comparison's drawing shows, None where there is none."""
    lift, bounds = comparison["lift"]["estimate"], evidence.lift_interval
    return None if lift is None or bounds is None else forest.Estimate(lift, *bounds)


def _block(
    place: int,
    metric: dict[str, Any],
    words: Words,
    names: dict[str, str],
    axis: forest.Axis,
    document: dict[str, Any],
    *,
    is_mixed: bool,
) -> Block:
    by_variant = {variant["variant"]: variant for variant in metric["variants"]}
    decimals = mean_decimals(metric["variants"], metric["kind"])
    control = by_variant.get(document["control"], {"n": 0, "mean": None})
    return Block(
        key=metric["metric"],
        name=metric["name"],
        about=tuple(about(metric, document["basis"], words)),
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
                is_mixed=is_mixed,
            )
            for index, comparison in enumerate(metric["comparisons"])
        ),
    )


def about(metric: dict[str, Any], plan: str, words: Words) -> list[str]:
    """What is measured, in a few short phrases; `plan` is the basis of the plan."""
    parts = [words(f"kind.{metric['kind']}"), words(f"direction.{metric['direction']}")]
    window, delay = metric["window_hours"], metric["delay_hours"]
    if window is not None:
        parts.append(words("window", hours=numbers.significant(window)))
    if delay:
        parts.append(words("delay", hours=numbers.significant(delay)))
    if metric["margin"] is not None:
        parts.append(words("margin", share=numbers.share(metric["margin"])))
    if metric["basis"] != plan:
        parts.append(words("horizon"))
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
    *,
    is_mixed: bool,
) -> Row:
    none, basis, kind = words("none"), metric["basis"], metric["kind"]
    arm = by_variant.get(comparison["variant"], {"n": 0, "mean": None})
    variant = names.get(comparison["variant"], comparison["variant"])
    evidence, belief = judged(basis, comparison), comparison["bayesian"]
    shape = comparison["verdict"] or "inconclusive"
    verdict = verdict_text(comparison, words)
    change = comparison["difference"]["estimate"]
    lift_text, lift_bounds = lift_texts(
        comparison["lift"]["estimate"], evidence.lift_interval, words
    )
    estimate = plotted(comparison, evidence)
    plot = None
    if estimate:
        plot = forest.row(
            estimate,
            axis,
            shape,
            identifier,
            words("plot.title", metric=metric["name"], variant=variant, verdict=verdict),
            words(f"plot.desc.{basis}", lift=lift_text, interval=lift_bounds),
        )
    chance = evidence.chance_to_win
    return Row(
        variant=variant,
        n=numbers.count(arm["n"]),
        mean=value_text(arm["mean"], kind, decimals, words),
        difference=difference_text(change, evidence.interval, kind, words),
        difference_interval=bounds_text(change, evidence.interval, kind, words),
        lift=lift_text,
        lift_interval=lift_bounds,
        plot=plot,
        p=none if evidence.p_value is None else numbers.p_cell(evidence.p_value),
        adjusted=none
        if evidence.adjusted_p_value is None
        else numbers.p_cell(evidence.adjusted_p_value),
        reading=words(f"reading.{basis}") if is_mixed else "",
        chance=none if chance is None else numbers.probability(chance),
        loss_ship=loss_text(belief["expected_loss_ship"], words),
        loss_keep=loss_text(belief["expected_loss_keep"], words),
        verdict=verdict,
        shape=shape,
        missing=missing_text(comparison, evidence, words),
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


def missing_text(comparison: dict[str, Any], evidence: Judged, words: Words) -> str:
    """Why numbers of a comparison are missing, "" where none are."""
    told = dict.fromkeys(filter(None, (comparison["reason"], evidence.reason)))
    return " ".join(reason_text(reason, words) for reason in told)


def _scale(role: str, axis: forest.Axis, words: Words) -> Markup:
    limit = numbers.share(axis.limit)
    return forest.scale(
        axis, f"scale-{role}", words("scale.title"), words("scale.desc", limit=limit)
    )
