"""Finished reports, kept under what names them; a stored one is never written again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Row

from experiments.definitions.time import Instant
from experiments.store.tables import reports


@dataclass(frozen=True, slots=True)
class StoredReport:
    """`good_until`: when the same log would give another report, None for never.

    `segment` is "" for everybody, else the key of a segment and a digest of what it says, as in
    "vip@8d3c0b0c2f6a1e55".
    """

    environment: str
    experiment: str
    phase: int
    segment: str
    revision: int
    version: str
    watermark: int
    as_of: Instant
    good_until: Instant | None
    document: dict[str, Any]


def insert_report(connection: Connection, report: StoredReport) -> None:
    """Store it; does nothing where the same one is there already."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(
        insert(reports)
        .values(
            environment=report.environment,
            experiment=report.experiment,
            phase=report.phase,
            segment=report.segment,
            watermark=report.watermark,
            as_of=report.as_of,
            revision=report.revision,
            version=report.version,
            good_until=report.good_until,
            document=report.document,
        )
        .on_conflict_do_nothing()
    )


def find_report(
    connection: Connection,
    environment: str,
    experiment: str,
    phase: int,
    segment: str,
    revision: int,
    version: str,
    watermark: int,
) -> StoredReport | None:
    """The latest report of exactly this definition, software and log."""
    row = connection.execute(
        _of(environment, experiment, phase, segment)
        .where(
            reports.c.revision == revision,
            reports.c.version == version,
            reports.c.watermark == watermark,
        )
        .order_by(reports.c.as_of.desc())
        .limit(1)
    ).first()
    return None if row is None else _report(row)


def find_latest_report(
    connection: Connection,
    environment: str,
    experiment: str,
    phase: int,
    segment: str,
    at_least: int | None = None,
) -> StoredReport | None:
    """The newest report, or the first one whose watermark is `at_least` so high."""
    query = _of(environment, experiment, phase, segment)
    if at_least is None:
        query = query.order_by(reports.c.watermark.desc(), reports.c.as_of.desc())
    else:
        query = query.where(reports.c.watermark >= at_least)
        query = query.order_by(reports.c.watermark, reports.c.as_of.desc())
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _report(row)


def _of(environment: str, experiment: str, phase: int, segment: str) -> sa.Select[Any]:
    return sa.select(reports).filter_by(
        environment=environment, experiment=experiment, phase=phase, segment=segment
    )


def _report(row: Row[Any]) -> StoredReport:
    return StoredReport(
        environment=row.environment,
        experiment=row.experiment,
        phase=row.phase,
        segment=row.segment,
        revision=row.revision,
        version=row.version,
        watermark=row.watermark,
        as_of=row.as_of,
        good_until=row.good_until,
        document=row.document,
    )
