"""The process that reads the log: `python -m experiments.analysis.worker`, started per report.

DuckDB's scanner carries a SQLite library of its own, and closing its file drops the POSIX locks
that a library already in the process holds on it. So DuckDB lives in this process alone, which
never opens the store through `sqlite3`, and leaves with its report.

Standard input: one JSON line {"task", "source", "memory", "scratch", "archive"}, then nothing
until the parent closes it. Standard output: JSON lines of {"progress": 0…1}, the last of them
either {"findings"} or {"error": text}.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import ibis
from ibis.backends.duckdb import Backend
from ibis.expr.types import Table

from experiments.analysis.archive import live_files, quoted, whole_log
from experiments.analysis.cohort import (
    Log,
    exposures_of,
    further_ids,
    links_to,
    outcomes_of,
)
from experiments.analysis.moments import Row, findings, moments, tally
from experiments.analysis.part import combinations, first_exposures, test_of, within
from experiments.analysis.per_unit import per_unit
from experiments.analysis.task import (
    Findings,
    Source,
    Task,
    findings_to_document,
    task_from_document,
)
from experiments.store.archive_lock import reading

_Asked = Callable[[Table], bool]  # whether a table has any row

_BATCH = 2000  # descriptions of units, each of a few kilobytes at most as a rule

_SCHEMAS = {"sqlite": "main", "postgres": "public"}


def main() -> int:
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        found = run(
            task_from_document(order["task"]),
            Source(**order["source"]),
            memory=order["memory"],
            scratch=order["scratch"],
            archive=order["archive"],
        )
    except (duckdb.Error, OSError) as error:
        _say({"error": f"{type(error).__name__}: {error}"})
        return 1
    _say({"findings": findings_to_document(found)})
    return 0


def run(task: Task, source: Source, *, memory: str, scratch: str, archive: str) -> Findings:
    connection = connect(source, memory=memory, scratch=scratch)
    _say({"progress": 0.1})
    # A scan of SQLite has one thread, and so has all that is joined to it in the same breath: the
    # columns and rows that are needed come over first, and all threads work on the copy.
    with reading(Path(archive)), ThreadPoolExecutor() as pool:
        exposures, outcomes = pool.map(
            partial(_copied_whole, connection, source, task, archive),
            ("seen", "done"),
            (_exposures, _outcomes),
        )
    if task.part is not None:
        first = _copied(connection, "first", first_exposures(exposures))
        chosen = _chosen(connection, first, test_of(task.part))
        exposures = _copied(connection, "part", within(exposures, first, chosen))
    _say({"progress": 0.6})
    tallies = rows(connection, tally(exposures))
    units = _copied(connection, "units", per_unit(exposures, outcomes, task))
    arms = rows(connection, moments(units, task))
    _say({"progress": 0.9})
    return findings(task, arms, tallies, *_refused(connection, source, task))


def connect(source: Source, *, memory: str, scratch: str) -> Backend:
    """DuckDB with the database attached as `log`, within `memory`, spilling into `scratch`."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": scratch,
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if source.password is not None:
        os.environ["PGPASSWORD"] = source.password
    raw = duckdb.connect(config=settings)
    raw.execute(f"LOAD {quoted(_extension(source.engine))}")
    raw.execute(f"ATTACH {quoted(source.location)} AS log (TYPE {source.engine}, READ_ONLY)")
    return ibis.duckdb.from_connection(raw)


def _copied_whole(
    connection: Backend,
    source: Source,
    task: Task,
    archive: str,
    name: str,
    choose: Callable[[Log, Task, _Asked], Table],
) -> Table:
    """What `choose` takes from the hot tables and the archive, which make one log together.

    Whoever reads holds the archive's lock; where there is no such folder yet, or no such locks,
    the manifest tells whether rows have moved between the two while they were copied.
    """
    schema = _SCHEMAS[source.engine]
    with connection.con.cursor() as cursor:

        def ask(table: Table) -> bool:
            return cursor.execute(connection.compile(table.limit(1))).fetchone() is not None

        while True:
            files = live_files(cursor, schema, task.environment)
            log = whole_log(cursor, schema, task.environment, archive, files)
            table = choose(log, task, ask)
            cursor.execute(f"CREATE OR REPLACE TABLE {name} AS {connection.compile(table)}")
            if live_files(cursor, schema, task.environment) == files:
                return ibis.table(table.schema(), name=name)


def _exposures(log: Log, task: Task, _ask: _Asked) -> Table:
    return exposures_of(log, task)


def _outcomes(log: Log, task: Task, ask: _Asked) -> Table:
    several_ids = ask(further_ids(log, task)) or ask(links_to(log, task))
    return outcomes_of(log, task, several_ids=several_ids)


def _copied(connection: Backend, name: str, table: Table) -> Table:
    with connection.con.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} AS {connection.compile(table)}")
    return ibis.table(table.schema(), name=name)


def _chosen(connection: Backend, units: Table, test: Callable[[str], bool]) -> Table:
    """The descriptions of units that pass, a batch in this process at a time."""
    combined = _copied(connection, "combined", combinations(units))
    chosen = _copied(connection, "chosen", combined.select("described").limit(0))
    engine, begin = connection.con, 0
    while True:
        batch = f"FROM combined WHERE number BETWEEN {begin} AND {begin + _BATCH - 1}"
        found = engine.execute(f"SELECT number, described {batch}").fetchall()
        if not found:
            return chosen
        passing = ", ".join(str(number) for number, described in found if test(described))
        if passing:
            engine.execute(f"INSERT INTO chosen SELECT described {batch} AND number IN ({passing})")
        begin += _BATCH


def rows(connection: Backend, table: Table) -> list[Row]:
    answer: Any = connection.raw_sql(connection.compile(table))
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def _refused(connection: Backend, source: Source, task: Task) -> tuple[int, dict[str, int]]:
    """How many dead letters name the experiment or one of its events, whenever they came.

    Beside it, by code, those that came in the phase and name the experiment itself.
    """
    # A body is what a client sent, which may be no JSON at all.
    events = ", ".join(quoted(event) for event in task.events)
    until = "" if task.followed_at is None else f"AND received_at < {task.followed_at}"
    query = f"""
        SELECT code, named AND received_at >= {task.began_at} {until} AS counts, count(*)
        FROM (
            SELECT
                code,
                received_at,
                coalesce((item ->> '$.experiment') = {quoted(task.experiment)}, false) AS named,
                coalesce(list_contains([{events}], item ->> '$.event'), false) AS measured
            FROM (
                SELECT code, received_at, CASE WHEN json_valid(body) THEN body END AS item
                FROM log.{_SCHEMAS[source.engine]}.dead_letters
                WHERE environment = {quoted(task.environment)}
            )
        )
        WHERE named OR measured
        GROUP BY ALL
        ORDER BY code
    """  # noqa: S608 — quoted here; bound parameters would load pandas
    found = connection.con.execute(query).fetchall()
    return sum(n for *_, n in found), {code: n for code, counts, n in found if counts}


def _extension(engine: str) -> str:
    """Load by path: installing an extension would write into the home directory."""
    package = files(f"duckdb_extension_{engine}_scanner")
    version = f"v{duckdb.__version__}"
    return str(package / "extensions" / version / f"{engine}_scanner.duckdb_extension")


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 — the parent reads it


def _leave_with_parent() -> None:
    sys.stdin.read()
    os._exit(2)  # standard input has ended: the parent gave up or is dead


if __name__ == "__main__":
    sys.exit(main())
