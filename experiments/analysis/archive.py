"""The archive's files beside the hot tables, as one log, for who copies from it."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import ibis
from ibis.expr.types import Table

from experiments.analysis.cohort import COLUMNS, Log, log_in

_ARCHIVED = ("exposures", "outcomes", "outcome_ids")
# What SQLite, PostgreSQL and Parquet name by several types.
_CASTS = {"json": "JSON", "boolean": "BOOLEAN"}


@dataclass(frozen=True, slots=True)
class Files:
    """The live files of one environment, by table, as the manifest names them."""

    by_table: dict[str, tuple[str, ...]]


def live_files(cursor: duckdb.DuckDBPyConnection, schema: str, environment: str) -> Files:
    found = cursor.execute(
        f"SELECT log_table, path FROM log.{schema}.archive_files"  # noqa: S608 — quoted here
        f" WHERE environment = {quoted(environment)} AND state = 'live' ORDER BY path"
    ).fetchall()
    return Files(
        {
            table: tuple(path for log_table, path in found if log_table == table)
            for table in _ARCHIVED
        }
    )


def whole_log(
    cursor: duckdb.DuckDBPyConnection, schema: str, environment: str, folder: str, files: Files
) -> Log:
    """The hot tables and the files together: views that this cursor alone sees."""
    hot = log_in(schema, catalog="log")
    views = {
        table: _view(cursor, schema, environment, table, [f"{folder}/{path}" for path in paths])
        for table, paths in files.by_table.items()
        if paths
    }
    return Log(
        exposures=views.get("exposures", hot.exposures),
        outcomes=views.get("outcomes", hot.outcomes),
        outcome_ids=views.get("outcome_ids", hot.outcome_ids),
        links=hot.links,
        repeats="exposures" in views,
    )


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _view(
    cursor: duckdb.DuckDBPyConnection,
    schema: str,
    environment: str,
    table: str,
    paths: list[str],
) -> Table:
    columns = COLUMNS[table]
    stored = ", ".join(_read(name, kind) for name, kind in columns.items())
    archived = ", ".join(
        f"{quoted(environment)} AS environment" if name == "environment" else _read(name, kind)
        for name, kind in columns.items()
    )
    listed = ", ".join(quoted(path) for path in paths)
    cursor.execute(
        f"CREATE OR REPLACE TEMP VIEW whole_{table} AS"  # noqa: S608 — quoted, or our own
        f" SELECT {stored} FROM log.{schema}.{table}"
        f" WHERE environment = {quoted(environment)}"
        f" UNION ALL SELECT {archived} FROM read_parquet([{listed}], hive_partitioning = false)"
    )
    return ibis.table(columns, name=f"whole_{table}", catalog="temp", database="main")


def _read(name: str, kind: str) -> str:
    return f'CAST("{name}" AS {_CASTS[kind]}) AS "{name}"' if kind in _CASTS else f'"{name}"'
