"""The English of a decision: changes, how sure they are, percentages."""

from __future__ import annotations

from typing import Any

from experiments.analysis.judged import judged

Document = dict[str, Any]


def change(metric: Document, comparison: Document, names: dict[str, str]) -> str:
    """`Retention is 4.3 % lower than in gate_30 (p = 0.0031)`."""
    estimate, lift = comparison["difference"]["estimate"], comparison["lift"]["estimate"]
    size = f"{abs(estimate):.4g}" if lift is None else percent(abs(lift))
    way = "higher" if estimate > 0 else "lower"
    against = names[comparison["against"]]
    return f"{metric['name']} is {size} {way} than in {against} ({_sure(metric, comparison)})"


def _sure(metric: Document, comparison: Document) -> str:
    evidence = judged(metric["basis"], comparison)
    if evidence.chance_to_win is not None:
        return f"chance to win {percent(evidence.chance_to_win)}"
    p_value = evidence.decisive_p_value
    if p_value is None:
        raise AssertionError("what is better or worse has a p-value")
    sure = p_text(p_value)
    if metric["basis"] == "sequential":
        sure = f"always-valid {sure}"
    if evidence.family is not None and evidence.family > 1:
        sure += f" over {evidence.family} comparisons"
    return sure


def p_text(p_value: float) -> str:
    return "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.3g}"


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def in_words(reason: str) -> str:
    return reason.lower().replace("_", " ")
