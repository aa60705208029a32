"""The numbers behind the tables: per variant, and each estimate with its method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from api.console import numbers
from api.console.health_strip import reason_text
from api.console.metric_tables import mean_decimals, value_text
from api.console.words import Words


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
    bayesian = document["basis"] == "bayesian"
    return [
        MetricNumbers(
            key=metric["metric"],
            name=metric["name"],
            waiting=metric["waiting"],
            variants=tuple(_variant(v, metric, names, document, words) for v in metric["variants"]),
            estimates=tuple(
                _estimate(comparison, names, words, bayesian=bayesian)
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
    comparison: dict[str, Any], names: dict[str, str], words: Words, *, bayesian: bool
) -> EstimateNumbers:
    difference, lift, belief = comparison["difference"], comparison["lift"], comparison["bayesian"]
    entries: list[tuple[str, Any]] = [
        ("difference", difference["estimate"]),
        ("difference_interval", difference["interval"]),
        ("standard_error", difference["standard_error"]),
        ("df", difference["df"]),
    ]
    if not bayesian:
        entries += [
            ("p", difference["p_value"]),
            ("adjusted", difference["adjusted_p_value"]),
            ("family", difference["family"]),
        ]
    entries += [
        ("method", difference["method"]),
        ("lift", lift["estimate"]),
        ("lift_interval", lift["interval"]),
        ("lift_method", lift["method"]),
    ]
    if bayesian and belief is not None:
        prior = belief["prior"]
        entries += [
            ("chance", belief["chance_to_win"]),
            ("loss_ship", belief["expected_loss_ship"]),
            ("loss_keep", belief["expected_loss_keep"]),
            ("credible", belief["interval"]),
            ("prior", prior and [prior["mean"], prior["sd"]]),
            ("belief_method", belief["method"]),
        ]
    if comparison["reason"]:
        entries.append(("reason", reason_text(comparison["reason"], words)))
    variant = names.get(comparison["variant"], comparison["variant"])
    return EstimateNumbers(
        variant, tuple((words(f"entry.{name}"), _shown(value, words)) for name, value in entries)
    )


def _shown(value: Any, words: Words) -> str:
    if value is None or (isinstance(value, list) and None in value):
        return words("none")
    if isinstance(value, list):
        lower, upper = (numbers.significant(end) for end in value)
        return words("interval", lower=lower, upper=upper)
    return value if isinstance(value, str) else numbers.significant(value)
