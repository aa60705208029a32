"""The decision in the reader's language: what to do, why, by which rule, what would change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.console import numbers
from api.console.health_strip import reason_text
from api.console.values import difference_text, lift_texts
from api.console.words import Words
from experiments.analysis.judged import at_any_time, judged
from experiments.definitions.lifecycle import HOLDBACK

# The steps in the order in which they are asked, where a look decides at any time and where the
# planned size comes first; those of what does not decide as a run does, which end with its own
# rule; and the step at which each rule stands.
STEPS_AT_ANY_TIME = ("begun", "healthy", "harm", "ship", "flat", "wait", "open")
STEPS = ("begun", "healthy", "harm", "wait", "ship", "flat", "open")
STEPS_APART: dict[str, tuple[str, ...]] = {
    "segment": ("begun", "segment"),
    "dry_run": ("begun", "healthy", "dry_run"),
    "holdout": ("begun", "healthy", "holdout"),
    "holdback": ("begun", "healthy", "harm", "holdback"),
}
RULES = {
    "not_started": "begun",
    "no_units": "begun",
    "sample_ratio_mismatch": "healthy",
    "crossovers": "healthy",
    "goal_worse": "harm",
    "guardrail_worse": "harm",
    "waiting_for_units": "wait",
    "waiting_for_days": "wait",
    "goal_better": "ship",
    "within_minimum_effect": "flat",
    "guardrail_unproven": "open",
    "no_goal": "open",
    "no_metrics": "open",
    "not_computable": "open",
    "inconclusive": "open",
    **{rule: rule for rule in STEPS_APART},
}
_NAMES = {"reasons": "why"}  # facts that the sentences call otherwise
_ENDED = frozenset({"stopped", "shipped", "archived"})


@dataclass(frozen=True, slots=True)
class Step:
    text: str
    held: bool


@dataclass(frozen=True, slots=True)
class DecisionCard:
    """`tone` is the recommendation's code; the headline says the same in words."""

    tone: str
    headline: str
    sentence: str
    change: str
    steps: tuple[Step, ...]


def decision_card(document: dict[str, Any], words: Words) -> DecisionCard:
    decision = document["decision"]
    rule, facts = decision["rule"], fact_texts(document, words)
    forms = []
    if document["basis"] == "bayesian":
        forms.append("bayesian")
    if _has_ended(document):
        forms.append("ended")
    if "metric" not in facts:
        forms.append("unmeasured")
    any_time = at_any_time(document["metrics"])
    if any_time:
        forms.append("sequential")
    usual = STEPS_AT_ANY_TIME if any_time else STEPS
    steps = STEPS_APART.get(_apart(document), usual)
    return DecisionCard(
        tone=decision["recommendation"],
        headline=headline(document, words),
        sentence=_filled(words, f"rule.{rule}", forms, facts) or decision["reason"],
        change=_filled(words, f"change.{rule}", forms, facts),
        steps=tuple(Step(words(f"step.{step}"), step == RULES.get(rule)) for step in steps),
    )


def headline(document: dict[str, Any], words: Words) -> str:
    """What to do, in a few words."""
    decision, status = document["decision"], document["status"]
    advice, variant = decision["recommendation"], decision["variant"]
    if decision["rule"] in STEPS_APART:
        return words(f"decision.{decision['rule']}")
    if advice == "keep_running" and status == "draft":
        return words("decision.not_started")
    if advice == "keep_running" and _has_ended(document):
        return words("decision.ended")
    if advice == "ship" and status == "shipped" and variant == document["winner"]:
        return words("decision.shipped", variant=_variants(document)[variant])
    names = _variants(document)
    return words(f"decision.{advice}", variant=names.get(variant, ""))


def fact_texts(document: dict[str, Any], words: Words) -> dict[str, str | int]:
    """What the sentences of the rules may name, from the facts of the decision."""
    variants, metrics = _variants(document), _metrics(document)
    facts: dict[str, Any] = document["decision"]["facts"]
    texts: dict[str, str | int] = {
        "control": variants[document["control"]],
        "alpha": numbers.significant(document["alpha"]),
        "alpha_share": numbers.share(document["alpha"]),
    }
    for name, value in facts.items():
        text = _fact(name, value, variants, words)
        if text is not None:
            texts[_NAMES.get(name, name)] = text
    metric = metrics.get(facts.get("metric", ""))
    if metric is not None:
        texts["metric"] = metric["name"]
        comparison = next(
            (one for one in metric["comparisons"] if one["variant"] == facts.get("variant")), None
        )
        if comparison is not None:
            texts["effect"] = _effect(metric, comparison, words)
            texts["evidence"] = _evidence(metric["basis"], comparison, words)
    return texts


def _fact(name: str, value: Any, variants: Mapping[str, str], words: Words) -> str | int | None:
    match name, value:
        case "variant", str():
            return variants.get(value, value)
        case "units", dict():
            return words.list([f"{variants[key]} {numbers.count(n)}" for key, n in value.items()])
        case "expected", dict():
            return words.list([numbers.share(share) for share in value.values()])
        case "segment", str():
            return value
        case "reasons", dict():
            return reason_text(next(iter(value.values())), words)
        case "p_value", float():
            return numbers.p_sign(value)
        case (("share" | "margin" | "minimum_effect"), float()):
            return numbers.share(value)
        case _, bool():
            return None
        case _, int():
            return value
    return None


def _effect(metric: dict[str, Any], comparison: dict[str, Any], words: Words) -> str:
    evidence, kind = judged(metric["basis"], comparison), metric["kind"]
    difference, lift = comparison["difference"]["estimate"], comparison["lift"]["estimate"]
    change = difference_text(difference, evidence.interval, kind, words)
    if lift is None:
        return words("effect.difference", difference=change)
    relative, _ = lift_texts(lift, evidence.lift_interval, words)
    if kind == "conversion":
        return words("effect.both", lift=relative, difference=change)
    return words("effect.lift", lift=relative)


def _evidence(basis: str, comparison: dict[str, Any], words: Words) -> str:
    evidence = judged(basis, comparison)
    if evidence.chance_to_win is not None:
        return words("evidence.chance", chance=numbers.probability(evidence.chance_to_win))
    p, family = evidence.decisive_p_value, evidence.family
    if p is None:
        return words("none")
    if family is not None and family > 1:
        return words(f"evidence.adjusted.{basis}", p=numbers.p_sign(p), n=family)
    return words(f"evidence.p.{basis}", p=numbers.p_sign(p))


def _filled(words: Words, key: str, forms: list[str], facts: dict[str, str | int]) -> str:
    """The text in its most particular form, "" where the rule is newer than these pages."""
    for name in (*(f"{key}.{form}" for form in forms), key):
        if name in words:
            return words(name, **facts)
    return ""


def _has_ended(document: dict[str, Any]) -> bool:
    """Whether nobody enters the phase any more."""
    return document["ended_at"] is not None or (
        document["status"] in _ENDED and document.get("phase_kind") != HOLDBACK
    )


def _apart(document: dict[str, Any]) -> str:
    """What the report is of, where that does not decide as a run does."""
    if document.get("segment"):
        return "segment"
    return "holdout" if document.get("holdout") else document.get("phase_kind") or ""


def _variants(document: dict[str, Any]) -> dict[str, str]:
    return {variant["key"]: variant["name"] for variant in document["variants"]}


def _metrics(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {metric["metric"]: metric for metric in document["metrics"]}
