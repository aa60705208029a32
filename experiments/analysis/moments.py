"""From values per unit to moments per variant: the only numbers that leave the engine."""

from __future__ import annotations

from typing import Any

import ibis
from ibis.expr.types import BooleanValue, FloatingColumn, Table

from experiments.analysis.per_unit import event_names, measure_names, measures_of, per_unit
from experiments.analysis.task import Arm, Findings, Measured, Task
from experiments.definitions.metric import Metric

# Fourth powers of a mean still fit a double. What a unit did beyond it is no measurement.
LARGEST = 1e60

Row = dict[str, Any]


def moments(exposures: Table, outcomes: Table, task: Task) -> Table:
    """All metrics in one pass: a row per variant, and one with a NULL arm for the crossovers.

    Takes what `exposures_of` and `outcomes_of` give.
    """
    units = per_unit(exposures, outcomes, task)
    names = measure_names(task)
    columns = {
        "units": units.count(),
        "asked": units.agrees.count(),
        "disagree": units.count(where=units.agrees == 0),
        "last_exposure_at": units.first_at.max(),
        "last_outcome_at": units.last_outcome_at.max(),
        **{name: units[name].sum() for name in event_names(task).values()},
    }
    for index, metric in enumerate(task.metrics):
        above, below = measures_of(metric)
        x = units[names[above]]
        if metric.kind == "conversion":
            x = (x > 0).cast("float64")
        y = None if below is None else units[names[below]]
        mature = _mature(units, metric, task)
        columns |= {
            f"{name}_{index}": column for name, column in _reduce(units, x, y, mature).items()
        }
    return units.group_by("arm").aggregate(**columns)


def tally(exposures: Table) -> Table:
    """Exposures per variant and mark, crossovers included."""
    return exposures.group_by("variant", "mark").aggregate(exposed=ibis._.count())


def findings(task: Task, arms: list[Row], tallies: list[Row], rejected: int) -> Findings:
    """Read the rows of `moments` and `tally`."""
    exposed = {row["variant"]: row["exposed"] for row in tallies if row["mark"] is None}
    excluded: dict[str, int] = {}
    for row in tallies:
        if row["mark"] is not None:
            excluded[row["mark"]] = excluded.get(row["mark"], 0) + row["exposed"]
    by_arm = {row["arm"]: row for row in arms}
    crossed = by_arm.pop(None, None)
    return Findings(
        arms=tuple(
            _arm(task, by_arm.get(variant, {}), variant, exposed[variant])
            for variant in sorted(exposed)
        ),
        crossovers=0 if crossed is None else crossed["units"],
        excluded=dict(sorted(excluded.items())),
        rejected=rejected,
    )


def _mature(units: Table, metric: Metric, task: Task) -> BooleanValue:
    if metric.window is None:
        return ibis.literal(True)
    return units.first_at + (metric.delay + metric.window) <= task.as_of


def _reduce(
    units: Table, x: FloatingColumn, y: FloatingColumn | None, mature: BooleanValue
) -> dict[str, Any]:
    """Means and population variances, which every engine centres before it squares."""
    fits = x.abs() <= LARGEST
    if y is not None:
        fits &= y.abs() <= LARGEST
    used = mature & fits
    columns = {
        "n": units.count(where=mature),
        "beyond": units.count(where=mature & ~fits),
        "mean_x": x.mean(where=used),
        "var_x": x.var(how="pop", where=used),
        "waits_from": units.first_at.min(where=~mature),
    }
    if y is not None:
        columns |= {
            "mean_y": y.mean(where=used),
            "var_y": y.var(how="pop", where=used),
            "cov": x.cov(y, how="pop", where=used),
        }
    return columns


def _arm(task: Task, row: Row, variant: str, exposed: int) -> Arm:
    """One arm; a variant that only crossovers met has no row of its own."""
    return Arm(
        variant=variant,
        units=row.get("units", 0),
        exposed=exposed,
        asked=row.get("asked", 0),
        disagree=row.get("disagree", 0),
        last_exposure_at=row.get("last_exposure_at"),
        last_outcome_at=row.get("last_outcome_at"),
        events={event: int(row.get(name, 0)) for event, name in event_names(task).items()},
        measured=tuple(_measured(row, index) for index in range(len(task.metrics))),
    )


def _measured(row: Row, index: int) -> Measured:
    n, beyond = row.get(f"n_{index}", 0), row.get(f"beyond_{index}", 0)
    used = n - beyond

    def total(name: str) -> float | None:
        mean = row.get(f"{name}_{index}")
        return None if mean is None else mean * used

    return Measured(
        n=n,
        beyond=beyond,
        mean_x=row.get(f"mean_x_{index}"),
        m2_x=total("var_x"),
        mean_y=row.get(f"mean_y_{index}"),
        m2_y=total("var_y"),
        cxy=total("cov"),
        waits_from=row.get(f"waits_from_{index}"),
    )
