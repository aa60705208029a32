"""Rows of experiments ↔ standings."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from experiments.definitions.experiment import (
    Document,
    experiment_from_document,
    experiment_to_document,
)
from experiments.definitions.lifecycle import Phase, Run, Standing
from experiments.store.tables import experiments


def find_standing(connection: Connection, environment: str, key: str) -> Standing | None:
    row = connection.execute(
        sa.select(experiments).where(
            experiments.c.environment == environment, experiments.c.key == key
        )
    ).first()
    return None if row is None else _standing(row)


def list_standings(connection: Connection, environment: str | None = None) -> list[Standing]:
    """All experiments, of one environment or of every one, the newest first."""
    query = sa.select(experiments).order_by(experiments.c.created_at.desc(), experiments.c.key)
    if environment is not None:
        query = query.where(experiments.c.environment == environment)
    return [_standing(row) for row in connection.execute(query)]


def insert_standing(connection: Connection, standing: Standing) -> bool:
    """Insert it; False where the key is taken."""
    names = {"environment": standing.environment, "key": standing.experiment.key}
    taken = connection.execute(
        sa.select(experiments.c.key).filter_by(**names).with_for_update()
    ).first()
    if taken is not None:
        return False
    connection.execute(sa.insert(experiments).values(**names, **_columns(standing)))
    return True


def update_standing(connection: Connection, standing: Standing) -> bool:
    """Write the next revision; False where somebody else already wrote it."""
    changed = connection.execute(
        sa.update(experiments)
        .where(
            experiments.c.environment == standing.environment,
            experiments.c.key == standing.experiment.key,
            experiments.c.revision == standing.revision - 1,
        )
        .values(**_columns(standing))
    )
    return changed.rowcount == 1


def delete_standing(connection: Connection, standing: Standing) -> None:
    connection.execute(
        sa.delete(experiments).where(
            experiments.c.environment == standing.environment,
            experiments.c.key == standing.experiment.key,
        )
    )


def standing_to_document(standing: Standing) -> Document:
    """The whole standing as JSON, for the audit log and the snapshot on disk."""
    return {
        "environment": standing.environment,
        "key": standing.experiment.key,
        **_columns(standing),
    }


def standing_from_document(document: Document) -> Standing:
    return Standing(
        environment=document["environment"],
        experiment=experiment_from_document(document["document"]),
        status=document["status"],
        revision=document["revision"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        phases=tuple(_phase(phase) for phase in document["phases"]),
        winner=document["winner"],
    )


def _standing(row: Row[Any]) -> Standing:
    return standing_from_document(dict(row._mapping))  # noqa: SLF001 — SQLAlchemy's public name


def _columns(standing: Standing) -> Document:
    return {
        "status": standing.status,
        "revision": standing.revision,
        "winner": standing.winner,
        "document": experiment_to_document(standing.experiment),
        "phases": [asdict(phase) for phase in standing.phases],
        "created_at": standing.created_at,
        "updated_at": standing.updated_at,
    }


def _phase(document: Document) -> Phase:
    runs = tuple(Run(**run) for run in document["runs"])
    return Phase(
        number=document["number"],
        seed=document["seed"],
        runs=runs,
        kind=document["kind"],
        weights=tuple((key, weight) for key, weight in document.get("weights", ())),
        slices=tuple((start, end) for start, end in document.get("slices", ())),
        step=document.get("step", 0),
        step_at=document.get("step_at"),
    )
