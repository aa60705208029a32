"""The numbers behind the tables: per variant, and each estimate with its method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from api.console import numbers
from api.console.health_strip import reason_text
from api.console.values import mean_decimals, value_text
from api.console.words import Words
from experiments.analysis.judged import judged


@dataclass(frozen=True, slots=True)
class VariantNumbers:
    variant: str
    is_control: bool
    n: str
    mean: str
    deviation: str
    standard_error: str


@dataclass(frozen=True, slots=True)
class EstimateNumbers:
    variant: str
    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MetricNumbers:
    key: str
    name: str
    waiting: int
    variants: tuple[VariantNumbers, ...]
    estimates: tuple[EstimateNumbers, ...]


def metric_numbers(document: dict[str, Any], words: Words) -> list[MetricNumbers]:
    names = {variant["key"]: variant["name"] for variant in document["variants"]}
    return [
        MetricNumbers(
            key=metric["metric"],
            name=metric["name"],
            waiting=metric["waiting"],
            variants=tuple(_variant(v, metric, names, document, words) for v in metric["variants"]),
            estimates=tuple(
                _estimate(metric["basis"], comparison, names, words)
                for comparison in metric["comparisons"]
            ),
        )
        for metric in document["metrics"]
    ]


def _variant(
    variant: dict[str, Any],
    metric: dict[str, Any],
    names: dict[str, str],
    document: dict[str, Any],
    words: Words,
) -> VariantNumbers:
    key, n, variance = variant["variant"], variant["n"], variant["variance"]
    none = words("none")
    spread = None if variance is None else math.sqrt(variance)
    return VariantNumbers(
        variant=names.get(key, key),
        is_control=key == document["control"],
        n=numbers.count(n),
        mean=value_text(
            variant["mean"],
            metric["kind"],
            min(6, mean_decimals(metric["variants"], metric["kind"]) + 2),
            words,
        ),
        deviation=none if spread is None else numbers.significant(spread),
        standard_error=none
        if spread is None or not n
        else numbers.significant(spread / math.sqrt(n)),
    )


def _estimate(
    basis: str, comparison: dict[str, Any], names: dict[str, str], words: Words
) -> EstimateNumbers:
    difference, evidence = comparison["difference"], judged(basis, comparison)
    entries: list[tuple[str, Any]] = [
        ("difference", difference["estimate"]),
        ("difference_interval", evidence.interval),
        ("standard_error", difference["standard_error"]),
    ]
    if basis == "sequential":
        entries += [
            ("always_valid", evidence.p_value),
            ("adjusted", evidence.adjusted_p_value),
            ("family", evidence.family),
            ("planned_units", comparison["sequential"]["planned_units"]),
        ]
    else:
        entries.append(("df", difference["df"]))
    if basis == "fixed":
        entries += [
            ("p", evidence.p_value),
            ("adjusted", evidence.adjusted_p_value),
            ("family", evidence.family),
        ]
    entries += [
        ("method", evidence.method),
        ("lift", comparison["lift"]["estimate"]),
    ]
    entries += (
        _belief(comparison)
        if basis == "bayesian"
        else [
            ("lift_interval", evidence.lift_interval),
            ("lift_method", evidence.lift_method),
        ]
    )
    if comparison["reason"]:
        entries.append(("reason", reason_text(comparison["reason"], words)))
    variant = names.get(comparison["variant"], comparison["variant"])
    return EstimateNumbers(
        variant, tuple((words(f"entry.{name}"), _shown(value, words)) for name, value in entries)
    )


def _belief(comparison: dict[str, Any]) -> list[tuple[str, Any]]:
    lift, belief = comparison["lift"], comparison["bayesian"]
    return [
        ("lift_interval", lift["interval"]),
        ("lift_method", lift["method"]),
        ("chance", belief["chance_to_win"]),
        ("loss_ship", belief["expected_loss_ship"]),
        ("loss_keep", belief["expected_loss_keep"]),
        ("credible", belief["interval"]),
        ("prior", [belief["prior"]["mean"], belief["prior"]["sd"]]),
        ("belief_method", belief["method"]),
    ]


def _shown(value: Any, words: Words) -> str:
    if value is None or (isinstance(value, list) and None in value):
        return words("none")
    if isinstance(value, list):
        lower, upper = (numbers.significant(end) for end in value)
        return words("interval", lower=lower, upper=upper)
    return value if isinstance(value, str) else numbers.significant(value)
