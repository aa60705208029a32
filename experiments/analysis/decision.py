"""What to do now, in one sentence: the first rule that holds, in a fixed order.

1. `keep_running`: a segment, which never decides; the report of everybody does.
2. `unhealthy`: the numbers cannot be trusted.
3. `keep_running`: a dry run, in which nothing differs, or a holdout, which has nothing to ship.
4. `roll_back`: a goal or a guardrail is significantly worse, however few units there are.
5. `keep_running`: a hold-back, which measures what is shipped already.
6. `keep_running`: before the planned units, or without a plan before a week.
7. `ship`: the primary goal (the first one) is better and no guardrail stands against it.
8. `no_detectable_effect`: the primary goal's lift is known to be smaller than the minimum effect.
9. `keep_running`.

Each metric is judged on its own basis. Where the primary goal and every guardrail with a margin
are judged sequentially, any look may decide, and the sixth rule comes after the eighth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from experiments.analysis.judged import at_any_time, judged
from experiments.analysis.wording import change, in_words, p_text, percent
from experiments.definitions.lifecycle import DRY_RUN, HOLDBACK, MAIN
from experiments.definitions.plan import Plan
from experiments.definitions.time import DAY, Instant

FIRST_DAYS = 7

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a decision rests on. `health` and `metrics` are those of the results document.

    `started_at` is None before the start; `ended` once nobody enters the phase any more.
    """

    started_at: Instant | None
    ended: bool
    as_of: Instant
    plan: Plan
    units: dict[str, int]
    names: dict[str, str]
    health: Document
    metrics: list[Document]
    phase_kind: str = MAIN
    is_holdout: bool = False
    segment: str | None = None  # its name


@dataclass(frozen=True, slots=True)
class Decision:
    recommendation: str
    rule: str
    reason: str
    variant: str | None
    facts: Document

    def to_document(self) -> Document:
        return {
            "recommendation": self.recommendation,
            "variant": self.variant,
            "reason": self.reason,
            "rule": self.rule,
            "facts": self.facts,
        }


def decide(evidence: Evidence) -> Decision:
    return (
        _not_begun(evidence)
        or _segment(evidence)
        or _unhealthy(evidence)
        or _dry_run(evidence)
        or _holdout(evidence)
        or _worse(evidence)
        or _held_back(evidence)
        or (None if at_any_time(evidence.metrics) else _too_early(evidence))
        or _better(evidence)
        or _no_effect(evidence)
        or _too_early(evidence)
        or _open(evidence)
    )


def days_left(started_at: Instant, as_of: Instant) -> int:
    """Whole days until the first week is over, rounded up."""
    return max(0, math.ceil((started_at + FIRST_DAYS * DAY - as_of) / DAY))


def _not_begun(evidence: Evidence) -> Decision | None:
    if evidence.started_at is None:
        return _keep("not_started", "The experiment has not started.", {})
    if evidence.segment is not None:
        return None
    if not any(evidence.units.values()) and not evidence.health["crossovers"]["units"]:
        return _keep("no_units", "No unit has met the experiment yet.", {})
    return None


def _segment(evidence: Evidence) -> Decision | None:
    if evidence.segment is None:
        return None
    return _keep(
        "segment",
        f"{evidence.segment} is a part of the units and does not decide: the report of everybody"
        " does.",
        {"segment": evidence.segment},
    )


def _unhealthy(evidence: Evidence) -> Decision | None:
    ratio, crossed = evidence.health["srm"], evidence.health["crossovers"]
    if ratio["flagged"]:
        counts = ", ".join(f"{evidence.names[key]} {n:,}" for key, n in evidence.units.items())
        shares = ", ".join(percent(share) for share in ratio["expected"].values())
        return Decision(
            "unhealthy",
            "sample_ratio_mismatch",
            f"Do not trust these results: the arms hold {counts} units where {shares} were"
            f" promised ({p_text(ratio['p_value'])}).",
            None,
            {"units": evidence.units, "expected": ratio["expected"], "p_value": ratio["p_value"]},
        )
    if crossed["flagged"]:
        return Decision(
            "unhealthy",
            "crossovers",
            f"Do not trust these results: {crossed['units']:,} units"
            f" ({percent(crossed['share'])}) met more than one variant.",
            None,
            {"crossovers": crossed["units"], "share": crossed["share"]},
        )
    return None


def _dry_run(evidence: Evidence) -> Decision | None:
    if evidence.phase_kind != DRY_RUN:
        return None
    return _keep(
        "dry_run",
        "Dry run: everybody has the control, so that only the sample ratio and the number of units"
        " count.",
        {},
    )


def _holdout(evidence: Evidence) -> Decision | None:
    if not evidence.is_holdout:
        return None
    what, facts = _measurement(evidence)
    return _keep(
        "holdout",
        f"Holdout, all launches together: {what}; it measures, and has nothing to ship.",
        facts,
    )


def _held_back(evidence: Evidence) -> Decision | None:
    if evidence.phase_kind != HOLDBACK:
        return None
    what, facts = _measurement(evidence)
    return _keep("holdback", f"Hold-back: {what}; it measures what is shipped already.", facts)


def _measurement(evidence: Evidence) -> tuple[str, Document]:
    """What the primary goal shows, where there are two arms; no facts where it shows nothing."""
    primary = _primary(evidence)
    if primary is None or primary["comparisons"][0]["verdict"] is None:
        return "nothing can be compared yet", {}
    comparison = primary["comparisons"][0]
    return change(primary, comparison, evidence.names), _facts(primary, comparison)


def _worse(evidence: Evidence) -> Decision | None:
    for role in ("goal", "guardrail"):
        for metric, comparison in _of_role(evidence, role):
            # A loss that is shown to be within the margin is one that the plan allows.
            if comparison["verdict"] == "worse" and not comparison["non_inferior"]:
                arm = evidence.names[comparison["variant"]]
                return Decision(
                    "roll_back",
                    f"{role}_worse",
                    f"Roll back {arm}: {change(metric, comparison, evidence.names)},"
                    " which is significantly worse.",
                    comparison["variant"],
                    _facts(metric, comparison),
                )
    return None


def _too_early(evidence: Evidence) -> Decision | None:
    if evidence.ended or evidence.started_at is None:
        return None
    planned = evidence.plan.planned_units
    if planned is not None:
        measured = _measured(evidence)
        if measured >= planned:
            return None
        return _keep(
            "waiting_for_units",
            f"Keep running: {measured:,} of {planned:,} planned units have been measured,"
            f" {planned - measured:,} to go.",
            {"units": measured, "planned_units": planned, "units_left": planned - measured},
        )
    left = days_left(evidence.started_at, evidence.as_of)
    if left == 0:
        return None
    return _keep(
        "waiting_for_days",
        f"Keep running: {left} of the first {FIRST_DAYS} days"
        f" {'is' if left == 1 else 'are'} still to come.",
        {"days_left": left},
    )


def _better(evidence: Evidence) -> Decision | None:
    primary = _primary(evidence)
    if primary is None:
        return None
    winners = [one for one in primary["comparisons"] if one["verdict"] == "better"]
    # The largest change in the metric's direction first.
    winners.sort(
        key=lambda one: one["difference"]["estimate"], reverse=primary["direction"] == "increase"
    )
    against: list[tuple[Document, Document]] = []
    for comparison in winners:
        objections = [
            (metric, other)
            for metric, other in _of_role(evidence, "guardrail")
            if other["variant"] == comparison["variant"]
            and (metric["margin"] is not None and not other["non_inferior"])
        ]
        if not objections:
            return Decision(
                "ship",
                "goal_better",
                f"Ship {evidence.names[comparison['variant']]}:"
                f" {change(primary, comparison, evidence.names)},"
                " and no guardrail stands against it.",
                comparison["variant"],
                _facts(primary, comparison),
            )
        against += objections
    if not against:
        return None
    metric, comparison = against[0]
    return _keep(
        "guardrail_unproven",
        f"{_prefix(evidence)}: {primary['name']} is better, but it is not shown yet that"
        f" {metric['name']} loses less than {percent(metric['margin'])}.",
        _facts(metric, comparison) | {"margin": metric["margin"]},
    )


def _no_effect(evidence: Evidence) -> Decision | None:
    primary, smallest = _primary(evidence), evidence.plan.minimum_effect
    if primary is None or smallest is None:
        return None
    intervals = [judged(primary["basis"], one).lift_interval for one in primary["comparisons"]]
    if not all(
        ends is not None and -smallest < ends[0] <= ends[1] < smallest for ends in intervals
    ):
        return None
    return Decision(
        "no_detectable_effect",
        "within_minimum_effect",
        f"No detectable effect: any change of {primary['name']} is smaller than the"
        f" {percent(smallest)} that would matter.",
        None,
        {"metric": primary["metric"], "minimum_effect": smallest, "intervals": intervals},
    )


def _open(evidence: Evidence) -> Decision:
    primary = _primary(evidence)
    if primary is None:
        rule = "no_goal" if evidence.metrics else "no_metrics"
        what = "goal metric" if evidence.metrics else "metric"
        return _keep(rule, f"{_prefix(evidence)}: the experiment has no {what} to decide by.", {})
    reasons = {one["variant"]: one["reason"] for one in primary["comparisons"] if one["reason"]}
    if len(reasons) == len(primary["comparisons"]):
        return _keep(
            "not_computable",
            f"{_prefix(evidence)}: {primary['name']} cannot be compared yet"
            f" ({in_words(next(iter(reasons.values())))}).",
            {"metric": primary["metric"], "reasons": reasons},
        )
    return _keep(
        "inconclusive",
        f"{_prefix(evidence)}: {primary['name']} shows no significant change yet.",
        {"metric": primary["metric"]},
    )


def _keep(rule: str, reason: str, facts: Document) -> Decision:
    return Decision("keep_running", rule, reason, None, facts)


def _prefix(evidence: Evidence) -> str:
    return "No conclusion" if evidence.ended else "Keep running"


def _primary(evidence: Evidence) -> Document | None:
    return next((metric for metric in evidence.metrics if metric["role"] == "goal"), None)


def _measured(evidence: Evidence) -> int:
    """Units that have seen the primary goal's window, all of the cohort where there is no goal."""
    primary = _primary(evidence)
    if primary is None:
        return sum(evidence.units.values())
    return sum(variant["n"] for variant in primary["variants"])


def _of_role(evidence: Evidence, role: str) -> Iterator[tuple[Document, Document]]:
    for metric in evidence.metrics:
        if metric["role"] == role:
            for comparison in metric["comparisons"]:
                yield metric, comparison


def _facts(metric: Document, comparison: Document) -> Document:
    evidence = judged(metric["basis"], comparison)
    return {
        "metric": metric["metric"],
        "variant": comparison["variant"],
        "basis": metric["basis"],
        "difference": comparison["difference"]["estimate"],
        "lift": comparison["lift"]["estimate"],
        "p_value": evidence.p_value,
        "adjusted_p_value": evidence.adjusted_p_value,
        "chance_to_win": comparison["bayesian"]["chance_to_win"],
    }
