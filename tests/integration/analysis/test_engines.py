"""One random log through every engine, against a plain reading of the rules in Python."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ibis
import psycopg
import pytest
from psycopg.rows import dict_row

from experiments.analysis.cohort import exposures_of, log_in, outcomes_of
from experiments.analysis.moments import findings, moments, tally
from experiments.analysis.per_unit import per_unit
from experiments.analysis.task import Arm, Findings, Measured, Task
from experiments.definitions.metric import Metric
from experiments.definitions.time import HOUR, SECOND
from experiments.events.unit_hash import unit_hash

AT = 1_760_000_000_000_000
MAKE = Callable[..., Metric]
SEEDS = (1, 2, 3)
UNITS = 120


def metrics(make: MAKE) -> tuple[Metric, ...]:
    return (
        make("conversion", "buy", window_hours=5.0),
        make("count", "see", delay_hours=1.0),
        make("sum", "buy", delay_hours=2.0, window_hours=20.0),
        make("mean", "buy"),
        make("ratio", "buy", denominator_event="see", window_hours=8.0, delay_hours=0.5),
    )


def scatter(log: Any, seed: int) -> None:
    """Two arms, crossovers, marks, both clocks, three types of id, links, ties of time."""
    draw = random.Random(seed)

    def moment() -> int:
        return AT + draw.randrange(-40, 120) * HOUR // 4 + draw.choice((0, 0, 1, 5, 9, 11)) * SECOND

    def clock() -> str:
        return draw.choice(("client", "server"))

    for i in range(UNITS):
        for variant in draw.choice((("a",), ("b",), ("a",), ("b",), ("a", "b"))):
            log.expose(
                f"u{i}",
                variant,
                moment(),
                clock=clock(),
                mark=draw.choice((None, None, None, None, "NOT_RUNNING")),
                agrees=draw.choice((True, True, False, None)),
            )
    for i in range(UNITS // 2):
        for _ in range(draw.randrange(3)):
            log.link(("device", f"d{i}"), ("id", f"u{draw.randrange(UNITS)}"), moment() + _)
    for _ in range(UNITS * 8):
        kind = draw.choice(("id", "id", "id", "device", "account"))
        further = {"id": f"u{draw.randrange(UNITS)}"} if kind == "account" else {}
        if kind == "id" and draw.random() < 0.3:
            further = {"device": f"d{draw.randrange(UNITS)}"}
        prefix = {"id": "u", "device": "d", "account": "x"}[kind]
        log.outcome(
            f"{prefix}{draw.randrange(UNITS)}",
            draw.choice(("buy", "see", "other")),
            moment(),
            draw.choice((0.0, -3.5, 1.0, 250.0, 1e6, draw.gauss(20, 5))),
            unit_type=kind,
            clock=clock(),
            further=further,
        )


@dataclass(frozen=True)
class Unit:
    variant: str
    first_at: int
    clock: str
    agrees: bool | None


def read_by_hand(rows: dict[str, list[dict[str, Any]]], task: Task) -> Findings:
    """The rules of the docs, one loop per rule, one Python number per unit."""
    seen = [row for row in rows["exposures"] if row["created_seq"] <= task.watermark]
    exposures: dict[int, list[dict[str, Any]]] = defaultdict(list)
    excluded: dict[str, int] = defaultdict(int)
    for row in seen:
        if row["mark"] is None:
            exposures[row["unit_hash"]].append(row)
        else:
            excluded[row["mark"]] += 1
    units = {
        unit: Unit(row["variant"], row["first_at"], row["clock"], row["agrees"])
        for unit, [row, *more] in exposures.items()
        if not more
    }
    theirs: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows["outcomes"]:
        if row["change_seq"] <= task.watermark and row["event"] in task.events:
            theirs[_unit_of(row, rows, task)].append(row)
    arms = []
    for variant in sorted({row["variant"] for row in seen if row["mark"] is None}):
        members = {unit: one for unit, one in units.items() if one.variant == variant}
        did = [row for unit in members for row in theirs[unit]]
        arms.append(
            Arm(
                variant=variant,
                units=len(members),
                exposed=sum(r["variant"] == variant for rs in exposures.values() for r in rs),
                asked=sum(one.agrees is not None for one in members.values()),
                disagree=sum(one.agrees is False for one in members.values()),
                last_exposure_at=max(one.first_at for one in members.values()),
                last_outcome_at=max(row["at"] for row in did),
                events={e: sum(row["event"] == e for row in did) for e in task.events},
                measured=tuple(_measured(metric, members, theirs, task) for metric in task.metrics),
            )
        )
    crossed = sum(len(some) > 1 for some in exposures.values())
    return Findings(tuple(arms), crossed, dict(excluded), 0)


def _unit_of(row: dict[str, Any], rows: dict[str, list[dict[str, Any]]], task: Task) -> int:
    if row["unit_type"] == task.unit_type:
        return int(row["unit_hash"])
    for named in rows["outcome_ids"]:
        if (named["event_id"], named["unit_type"]) == (row["event_id"], task.unit_type):
            return int(named["unit_hash"])
    linked = [
        link
        for link in rows["links"]
        if (link["unit_hash"], link["other_type"]) == (row["unit_hash"], task.unit_type)
    ]
    if not linked:
        return unit_hash("nobody", "")
    return int(min(linked, key=lambda link: (link["first_at"], link["other_hash"]))["other_hash"])


def _measured(
    metric: Metric, members: dict[int, Unit], theirs: dict[int, list[dict[str, Any]]], task: Task
) -> Measured:
    xs, ys, waits = [], [], []
    for unit, one in members.items():
        if metric.window is not None and task.as_of < metric.mature_at(one.first_at):
            waits.append(one.first_at)
            continue
        inside: dict[str, list[float]] = defaultdict(list)
        for row in theirs[unit]:
            after = row["at"] - one.first_at
            if row["clock"] == one.clock == "server" and -task.grace <= after < 0:
                after = 0
            ends = float("inf") if metric.window is None else metric.delay + metric.window
            if after >= 0 and metric.delay <= after < ends:
                inside[row["event"]].append(row["value"])
        did = inside[metric.event]
        xs.append(
            {
                "conversion": float(bool(did)),
                "count": float(len(did)),
            }.get(metric.kind, sum(did))
        )
        ys.append(
            float(len(did))
            if metric.kind == "mean"
            else sum(inside[metric.denominator_event or ""])
        )
    paired = metric.kind in {"mean", "ratio"}
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    dx, dy = [x - mean_x for x in xs], [y - mean_y for y in ys]
    return Measured(
        n=len(xs),
        beyond=0,
        mean_x=mean_x,
        m2_x=sum(d * d for d in dx),
        mean_y=mean_y if paired else None,
        m2_y=sum(d * d for d in dy) if paired else None,
        cxy=sum(a * b for a, b in zip(dx, dy, strict=True)) if paired else None,
        waits_from=min(waits, default=None),
    )


def assert_same(found: Findings, expected: Findings) -> None:
    """Counts exactly; moments to 1e-9 of √(M2ₓ·M2ᵧ)."""
    assert _counts(found) == _counts(expected)
    for arm, other in zip(found.arms, expected.arms, strict=True):
        for one, right in zip(arm.measured, other.measured, strict=True):
            assert one.mean_x == pytest.approx(right.mean_x, rel=1e-9, abs=1e-9)
            assert one.m2_x == pytest.approx(right.m2_x, rel=1e-9)
            assert (one.mean_y is None) == (right.mean_y is None)
            if one.mean_y is not None and one.m2_x is not None and one.m2_y is not None:
                assert one.mean_y == pytest.approx(right.mean_y, rel=1e-9, abs=1e-9)
                assert one.m2_y == pytest.approx(right.m2_y, rel=1e-9)
                assert one.cxy == pytest.approx(right.cxy, abs=1e-9 * (one.m2_x * one.m2_y) ** 0.5)


def _counts(found: Findings) -> Any:
    return (
        found.crossovers,
        found.excluded,
        [
            (
                arm.variant,
                arm.units,
                arm.exposed,
                arm.asked,
                arm.disagree,
                arm.last_exposure_at,
                arm.last_outcome_at,
                arm.events,
                [(one.n, one.beyond, one.waits_from) for one in arm.measured],
            )
            for arm in found.arms
        ],
    )


def asked(log: Any) -> dict[str, Any]:
    """Half of the units have seen their windows, and the last rows are past the watermark."""
    return {"as_of": AT + 20 * HOUR, "watermark": log.seq * 19 // 20}


@pytest.mark.parametrize("seed", SEEDS)
def test_duckdb_over_the_store(log: Any, make_metric: MAKE, seed: int) -> None:
    scatter(log, seed)
    rows, names = dict(log.rows), asked(log)
    expected = read_by_hand(rows, log.task(*metrics(make_metric), **names))
    assert_same(log.find(*metrics(make_metric), **names), expected)
    assert all(arm.measured[0].waits_from for arm in expected.arms)


@pytest.mark.parametrize("seed", SEEDS)
def test_postgresql_itself(postgres_log: Any, make_metric: MAKE, seed: int) -> None:
    log = postgres_log
    scatter(log, seed)
    task = log.task(*metrics(make_metric), **asked(log))
    expected = read_by_hand(dict(log.rows), task)
    log.write()
    stored = log_in("public")
    exposures = exposures_of(stored, task)
    outcomes = outcomes_of(stored, task, several_ids=True)
    units = per_unit(exposures, outcomes, task)
    # Not through the store's connections, which give up after two seconds.
    url = log.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute("ANALYZE")
        arms, tallies = (
            connection.execute(ibis.to_sql(table, dialect="postgres")).fetchall()
            for table in (moments(units, task), tally(exposures))
        )
    assert_same(findings(task, arms, tallies, 0, {}), expected)
