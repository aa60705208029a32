"""What each unit did within each metric's window: a row per unit, a column per measure."""

from __future__ import annotations

from dataclasses import dataclass

import ibis
from ibis.expr.types import BooleanValue, FloatingColumn, IntegerColumn, IntegerValue, Table

from experiments.analysis.cohort import cohort
from experiments.analysis.task import Task
from experiments.definitions.metric import Metric


@dataclass(frozen=True, slots=True)
class Measure:
    """The number, or the sum of the values, of one event within one window; metrics share them."""

    event: str
    delay: int
    window: int | None
    summed: bool


def measures_of(metric: Metric) -> tuple[Measure, Measure | None]:
    """What a metric adds up per unit, and what it divides the sum by, if anything."""
    summed = metric.kind in {"sum", "mean", "ratio"}
    above = Measure(metric.event, metric.delay, metric.window, summed)
    if metric.kind == "mean":
        return above, Measure(metric.event, metric.delay, metric.window, summed=False)
    if metric.denominator_event is not None:
        return above, Measure(metric.denominator_event, metric.delay, metric.window, summed=True)
    return above, None


def per_unit(exposures: Table, outcomes: Table, task: Task) -> Table:
    """The cohort with a column per measure (`measure_names`) and per event (`event_names`).

    Takes what `exposures_of` and `outcomes_of` give.
    """
    units = cohort(exposures)
    measures, events = measure_names(task), event_names(task)
    if not events:
        return units.mutate(last_outcome_at=ibis.null("int64"))
    met = outcomes.join(units.filter(units.arm.notnull()), "unit_hash")
    both_by_server = met.by_server & met.by_server_right
    # The public SDKs post each batch from a thread of its own, so that an outcome may overtake
    # the exposure that caused it; with one clock for both, a short lead counts as none.
    counts = met.at >= met.first_at - ibis.ifelse(both_by_server, task.grace, 0)
    since = ibis.greatest(met.at - met.first_at, 0)
    sums = met.group_by("unit_hash").aggregate(
        last_outcome_at=met.at.max(),
        **{name: met.count(where=met.event == event) for event, name in events.items()},
        **{
            name: _adds(
                met, measure, (met.event == measure.event) & counts & _inside(since, measure)
            )
            for measure, name in measures.items()
        },
    )
    joined = units.left_join(sums, "unit_hash")
    return joined.select(
        *units.columns,
        "last_outcome_at",
        **{name: joined[name].fill_null(0) for name in events.values()},
        **{name: joined[name].cast("float64").fill_null(0.0) for name in measures.values()},
    )


def measure_names(task: Task) -> dict[Measure, str]:
    wanted = [one for metric in task.metrics for one in measures_of(metric) if one is not None]
    return {measure: f"measure_{i}" for i, measure in enumerate(dict.fromkeys(wanted))}


def event_names(task: Task) -> dict[str, str]:
    return {event: f"event_{i}" for i, event in enumerate(task.events)}


def _adds(met: Table, measure: Measure, where: BooleanValue) -> IntegerColumn | FloatingColumn:
    return met.value.sum(where=where) if measure.summed else met.count(where=where)


def _inside(since: IntegerValue, measure: Measure) -> BooleanValue:
    late = since >= measure.delay
    if measure.window is None:
        return late
    return late & (since < measure.delay + measure.window)
