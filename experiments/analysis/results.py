"""The results document: what the API answers, and what the page and the terminal draw."""

from __future__ import annotations

from typing import Any

from experiments.analysis.arms import compared, in_phase, met
from experiments.analysis.comparisons import compare
from experiments.analysis.decision import Evidence, days_left, decide
from experiments.analysis.health import health
from experiments.analysis.task import Findings
from experiments.definitions.lifecycle import (
    ARCHIVED,
    HOLDBACK,
    MAIN,
    SHIPPED,
    STOPPED,
    Phase,
    Standing,
)
from experiments.definitions.metric import Metric
from experiments.definitions.segment import Segment
from experiments.definitions.time import DAY, Instant, format_instant
from experiments.settings import VERSION

NOTHING = Findings(arms=(), crossovers=0, excluded={}, rejected=0)

Document = dict[str, Any]


def results(
    standing: Standing,
    phase: Phase | None,
    metrics: tuple[Metric, ...],
    found: Findings,
    *,
    watermark: int,
    as_of: Instant,
    segment: Segment | None = None,
) -> Document:
    """Draw up the report of one phase; `metrics` stand in the order of the experiment's."""
    plan, ended = standing.experiment.plan, _has_ended(standing, phase)
    experiment = met(in_phase(standing.experiment, phase), found)
    arms = {arm.variant: arm.units for arm in found.arms}
    units = {variant.key: arms.get(variant.key, 0) for variant in experiment.variants}
    checks = health(experiment, found)
    judged = compare(compared(experiment), metrics, found)
    decision = decide(
        Evidence(
            started_at=None if phase is None else phase.started_at,
            ended=ended,
            as_of=as_of,
            plan=plan,
            units=units,
            names={variant.key: variant.name for variant in experiment.variants},
            health=checks,
            metrics=judged,
            phase_kind=MAIN if phase is None else phase.kind,
            is_holdout=experiment.holdout is not None,
            segment=None if segment is None else segment.name,
        )
    )
    return {
        "experiment": experiment.key,
        "name": experiment.name,
        "hypothesis": experiment.hypothesis,
        "environment": standing.environment,
        "revision": standing.revision,
        "status": standing.status,
        "phase": None if phase is None else phase.number,
        "phase_kind": None if phase is None else phase.kind,
        "segment": None if segment is None else {"key": segment.key, "name": segment.name},
        "holdout": experiment.holdout is not None,
        "assignment": experiment.assignment,
        "basis": plan.basis,
        "alpha": plan.alpha,
        "correction": plan.correction,
        "watermark": watermark,
        "as_of": format_instant(as_of),
        "version": VERSION,
        "started_at": None if phase is None else format_instant(phase.started_at),
        "ended_at": _instant(phase.ended_at if phase is not None and ended else None),
        "next_maturity_at": _instant(next_maturity(metrics, found)),
        "control": experiment.control.key,
        "winner": standing.winner,
        "variants": [
            {"key": variant.key, "name": variant.name, "weight": variant.weight}
            for variant in experiment.variants
        ],
        "units": units,
        "crossovers": found.crossovers,
        "planned_units": plan.planned_units,
        "minimum_effect": plan.minimum_effect,
        "health": checks,
        "decision": decision.to_document(),
        "metrics": judged,
    }


def next_maturity(metrics: tuple[Metric, ...], found: Findings) -> Instant | None:
    """When the next unit will have seen the whole window of a metric."""
    instants = [
        metric.mature_at(one.waits_from)
        for arm in found.arms
        for metric, one in zip(metrics, arm.measured, strict=True)
        if one.waits_from is not None
    ]
    return min(instants, default=None)


def good_until(
    document: Document, phase: Phase, matures_at: Instant | None, as_of: Instant
) -> Instant | None:
    """When the report changes though the log does not: a unit matures, or a day of waiting ends."""
    if document["decision"]["rule"] != "waiting_for_days":
        return matures_at
    week = days_left(phase.started_at, phase.started_at)
    tomorrow = phase.started_at + (week + 1 - days_left(phase.started_at, as_of)) * DAY
    return tomorrow if matures_at is None else min(matures_at, tomorrow)


def _has_ended(standing: Standing, phase: Phase | None) -> bool:
    """Whether nobody enters the phase any more; a hold-back is open though all is shipped."""
    if phase != standing.phase:
        return True
    if standing.status == SHIPPED and phase is not None and phase.kind == HOLDBACK:
        return phase.ended_at is not None
    return standing.status in {STOPPED, SHIPPED, ARCHIVED}


def _instant(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)
