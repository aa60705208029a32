"""Definitions of another service put into this one as they stand there, with their history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.definitions.errors import Conflict, Invalid
from experiments.registry.writing import change
from experiments.store.database import Connection, Database
from experiments.store.definition_rows import (
    DEFINITION_KINDS,
    HISTORY_KINDS,
    Document,
    insert_definition_rows,
    read_definition_rows,
)
from experiments.store.definitions import FEATURES, LAYERS, METRICS, SEGMENTS, Shelf
from experiments.store.experiments import standing_from_document

_DEADLINE = 60.0  # seconds; all definitions and their history go in as one change
_SHELVES: dict[str, Shelf[Any]] = {
    "segments": SEGMENTS,
    "layers": LAYERS,
    "metrics": METRICS,
    "features": FEATURES,
}
_CURRENT = tuple(kind for kind in DEFINITION_KINDS if kind not in {*HISTORY_KINDS, "environments"})


def check_definitions(database: Database, definitions: Mapping[str, Sequence[Document]]) -> None:
    """Raise what `restore_definitions` would raise, and write nothing."""
    _check_readable(definitions)
    with database.read() as connection:
        _are_there(connection, definitions)


def restore_definitions(
    database: Database,
    definitions: Mapping[str, Sequence[Document]],
    history: Mapping[str, Iterable[Document]],
) -> int:
    """Write all of it, or nothing; the number of rows that were new.

    An environment takes definitions from elsewhere only while it has none of its own: they rely
    on each other. Raises `Conflict` DEFINITIONS_DIFFER where it has others than these, `Invalid`
    DEFINITION_UNREADABLE where this version cannot read one.
    """
    _check_readable(definitions)
    with change(database, _DEADLINE) as connection:
        written = 0
        if not _are_there(connection, definitions):
            for kind in ("environments", *_CURRENT):
                written += insert_definition_rows(connection, kind, definitions.get(kind, ()))
        for kind in HISTORY_KINDS:
            written += insert_definition_rows(connection, kind, history.get(kind, ()))
        if not written:
            connection.rollback()
    return written


def _check_readable(definitions: Mapping[str, Sequence[Document]]) -> None:
    for kind in _CURRENT:
        for row in definitions.get(kind, ()):
            try:
                if kind == "experiments":
                    standing_from_document(row)
                else:
                    _SHELVES[kind].from_json(row)
            except (KeyError, TypeError, ValueError) as error:
                raise Invalid(
                    "DEFINITION_UNREADABLE",
                    f"{kind}: {row.get('key')!r} cannot be read by this version ({error!r});"
                    " update Evenhand to the version of the export",
                ) from error


def _are_there(connection: Connection, definitions: Mapping[str, Sequence[Document]]) -> bool:
    """Whether the environments hold exactly these; False where they hold nothing."""
    wanted = _by_key(definitions)
    environments = sorted({environment for _, environment, _ in wanted})
    present = _by_key(
        {kind: list(read_definition_rows(connection, kind, environments)) for kind in _CURRENT}
    )
    if not present:
        return not wanted
    differ = [name for name, row in wanted.items() if present.get(name) != row]
    if differ:
        shown = ", ".join(f"{kind} {key!r} of {place}" for kind, place, key in differ[:3])
        more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
        raise Conflict(
            "DEFINITIONS_DIFFER",
            f"this store defines something already, and differently or without {shown}{more};"
            " import into a store where these environments are empty, or export with --only and"
            " without definitions",
        )
    return True


def _by_key(rows: Mapping[str, Sequence[Document]]) -> dict[tuple[str, str, str], Document]:
    return {
        (kind, row["environment"], row["key"]): row
        for kind in _CURRENT
        for row in rows.get(kind, ())
    }
