"""From values per unit to moments per variant: the only numbers that leave the engine."""

from __future__ import annotations

from typing import Any

import ibis
from ibis.expr.types import BooleanValue, FloatingScalar, Table

from experiments.analysis.per_unit import event_names, measure_names, measures_of
from experiments.analysis.task import Arm, Findings, Measured, Task
from experiments.definitions.metric import Metric

# Fourth powers of a mean still fit a double. What a unit did beyond it is no measurement.
LARGEST = 1e60

Row = dict[str, Any]


def moments(units: Table, task: Task) -> Table:
    """All metrics at once: a row per variant, and one with a NULL arm for the crossovers.

    Takes what `per_unit` gives.
    """
    units = _centred(units, task)
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
        x = _Column(units, names[above], converted=metric.kind == "conversion")
        y = None if below is None else _Column(units, names[below])
        mature = _mature(units, metric, task)
        columns |= {
            f"{name}_{index}": column for name, column in _reduce(units, x, y, mature).items()
        }
    return units.group_by("arm").aggregate(**columns)


def tally(exposures: Table) -> Table:
    """Exposures per variant and mark, crossovers included."""
    return exposures.group_by("variant", "mark").aggregate(exposed=ibis._.count())


def findings(
    task: Task,
    arms: list[Row],
    tallies: list[Row],
    rejected: int,
    dead_letters: dict[str, int],
) -> Findings:
    """Read the rows of `moments` and `tally`, beside what was refused."""
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
        dead_letters=dead_letters,
    )


def _mature(units: Table, metric: Metric, task: Task) -> BooleanValue:
    if metric.window is None:
        return ibis.literal(True)
    return units.first_at + (metric.delay + metric.window) <= task.as_of


def _centred(units: Table, task: Task) -> Table:
    """Add to each unit the mean of every measure that sums values, over all arms.

    Engines keep a running mean, whose last digit at 1e9 is 1e-7: taking a common centre off first
    leaves the variance its digits.
    """
    names = [name for measure, name in measure_names(task).items() if measure.summed]
    if not names:
        return units
    centres = units.aggregate(
        **{
            f"centre_of_{name}": units[name].mean(where=units[name].abs() <= LARGEST).fill_null(0.0)
            for name in names
        }
    )
    return units.cross_join(centres)


class _Column:
    """A value per unit, from its centre, and the way back to the mean."""

    def __init__(self, units: Table, name: str, *, converted: bool = False) -> None:
        value = units[name]
        centre = f"centre_of_{name}"
        self._centre = units[centre] if centre in units.columns else None
        self.fits = value.abs() <= LARGEST
        self.value = (value > 0).cast("int32").cast("float64") if converted else value
        if self._centre is not None:
            self.value = self.value - self._centre

    def mean(self, where: BooleanValue) -> FloatingScalar:
        mean = self.value.mean(where=where)
        return mean if self._centre is None else mean + self._centre.max()

    def variance(self, where: BooleanValue) -> FloatingScalar:
        return self.value.var(how="pop", where=where)


def _reduce(units: Table, x: _Column, y: _Column | None, mature: BooleanValue) -> dict[str, Any]:
    fits = x.fits if y is None else x.fits & y.fits
    used = mature & fits
    columns = {
        "n": units.count(where=mature),
        "beyond": units.count(where=mature & ~fits),
        "mean_x": x.mean(used),
        "var_x": x.variance(used),
        "waits_from": units.first_at.min(where=~mature),
    }
    if y is not None:
        columns |= {
            "mean_y": y.mean(used),
            "var_y": y.variance(used),
            "cov": x.value.cov(y.value, how="pop", where=used),
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
