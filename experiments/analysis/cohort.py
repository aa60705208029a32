"""Who is in the experiment, and which outcomes are theirs: the first half of the expression."""

from __future__ import annotations

from dataclasses import dataclass

import ibis
from ibis.expr.types import Table

from experiments.analysis.part import described
from experiments.analysis.task import Task

SERVER = "server"  # the clock of an event that only the server has timed

COLUMNS = {
    "exposures": {
        "environment": "string",
        "experiment": "string",
        "phase": "int64",
        "variant": "string",
        "unit_hash": "int64",
        "first_at": "int64",
        "clock": "string",
        "mark": "string",
        "attributes": "json",
        "agrees": "boolean",
        "created_seq": "int64",
    },
    "outcomes": {
        "environment": "string",
        "event_id": "string",
        "event": "string",
        "unit_type": "string",
        "unit_hash": "int64",
        "value": "float64",
        "at": "int64",
        "clock": "string",
        "change_seq": "int64",
    },
    "outcome_ids": {
        "environment": "string",
        "event_id": "string",
        "unit_type": "string",
        "unit_hash": "int64",
    },
    "links": {
        "environment": "string",
        "unit_hash": "int64",
        "other_type": "string",
        "other_hash": "int64",
        "first_at": "int64",
    },
}


@dataclass(frozen=True, slots=True)
class Log:
    """The tables of the event log, on any engine that Ibis speaks to.

    `repeats`: an exposure may stand there several times, as it was archived and as it was seen
    again; the one that stands is that which a single table would have kept.
    """

    exposures: Table
    outcomes: Table
    outcome_ids: Table
    links: Table
    repeats: bool = False


def log_in(database: str, catalog: str | None = None) -> Log:
    """The log in a database of an engine, in Ibis' words; nothing is asked of the engine."""
    return Log(
        **{
            name: ibis.table(columns, name=name, catalog=catalog, database=database)
            for name, columns in COLUMNS.items()
        }
    )


def exposures_of(log: Log, task: Task) -> Table:
    """The exposures of the phase, counted ones and marked ones, of everybody.

    For a part of the units they are `described`, as `experiments.analysis.part` needs them.
    """
    seen = log.exposures
    seen = seen.filter(
        seen.environment == task.environment,
        seen.experiment == task.experiment,
        seen.phase == task.phase,
        seen.created_seq <= task.watermark,
    )
    if log.repeats:
        seen = _standing(seen)
    more = {} if task.part is None else {"described": described(seen.attributes, task.part)}
    return seen.select(
        "unit_hash",
        "variant",
        "first_at",
        "mark",
        by_server=seen.clock == SERVER,
        agrees=seen.agrees.cast("int32"),
        **more,
    )


def _standing(seen: Table) -> Table:
    """Of each unit and variant the first exposure that counts, else the first one."""
    order = ibis.window(
        group_by=[seen.unit_hash, seen.variant],
        order_by=[seen.mark.notnull(), seen.first_at, seen.created_seq],
    )
    ranked = seen.mutate(place=ibis.row_number().over(order))
    return ranked.filter(ranked.place == 0)


def outcomes_of(log: Log, task: Task, *, several_ids: bool) -> Table:
    """The outcomes that a metric needs, each under a hash of the experiment's unit type.

    An outcome goes by its own id where that is of the type, else by the further id of the type
    that it named, else by the earliest link from its own id to the type. `several_ids` says
    whether the log holds any such further id or link at all.
    """
    done = log.outcomes
    done = done.filter(
        done.environment == task.environment,
        done.event.isin(task.events),
        done.change_seq <= task.watermark,
    ).mutate(by_server=done.clock == SERVER)
    columns = ("unit_hash", "event", "value", "at", "by_server")
    own = done.filter(done.unit_type == task.unit_type).select(*columns)
    if not several_ids:
        return own
    ids, links = further_ids(log, task), links_to(log, task)
    ids = ids.select("event_id", named=ids.unit_hash)
    order = ibis.window(group_by=links.unit_hash, order_by=[links.first_at, links.other_hash])
    ranked = links.mutate(place=ibis.row_number().over(order))
    earliest = ranked.filter(ranked.place == 0).select("unit_hash", linked=ranked.other_hash)
    foreign = done.filter(done.unit_type != task.unit_type)
    foreign = foreign.left_join(ids, "event_id").left_join(earliest, "unit_hash")
    foreign = foreign.mutate(unit_hash=ibis.coalesce(foreign.named, foreign.linked))
    return own.union(foreign.filter(foreign.unit_hash.notnull()).select(*columns))


def further_ids(log: Log, task: Task) -> Table:
    ids = log.outcome_ids
    return ids.filter(ids.environment == task.environment, ids.unit_type == task.unit_type)


def links_to(log: Log, task: Task) -> Table:
    # Not cut at the watermark: an earlier meeting moves a link's change_seq, and a link that
    # dropped out of the report because of it would take acknowledged outcomes with it.
    links = log.links
    return links.filter(links.environment == task.environment, links.other_type == task.unit_type)


def cohort(exposures: Table) -> Table:
    """One row per exposed unit: unit_hash, arm, first_at, by_server, agrees.

    `arm` is NULL for a unit that met two variants. The log holds a row per unit and variant, so
    every other unit has one row only, and its clock is that of its first exposure.
    """
    seen = exposures.filter(exposures.mark.isnull())
    units = seen.group_by("unit_hash").aggregate(
        one=seen.variant.min(),
        other=seen.variant.max(),
        first_at=seen.first_at.min(),
        by_server=seen.by_server.all(),
        agrees=seen.agrees.min(),
    )
    return units.select(
        "unit_hash",
        "first_at",
        "by_server",
        "agrees",
        arm=ibis.ifelse(units.one == units.other, units.one, ibis.null(str)),
    )
