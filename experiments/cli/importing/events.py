"""A file of events: each line is an item as `POST /api/v1/events` takes it."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from experiments.cli.importing.reading import BadLine, Line

Item = dict[str, Any]

_JSON_COLUMNS = ("ids", "attributes", "properties")
_FLAG_COLUMNS = ("in_experiment", "hash_used", "overridden")
_FLAGS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def event_of(line: Line) -> list[Item] | BadLine:
    """The item of a line: blank cells are left out, texts become what their column holds.

    An outcome needs an id or a time: with neither, importing the file again would double it.
    """
    try:
        item = {
            name: _typed(name, cell)
            for name, cell in line.cells.items()
            if cell is not None and cell != ""
        }
    except ValueError as error:
        return line.refuse("VALUE_INVALID", str(error))
    if item.get("type") == "outcome" and not ("event_id" in item or "timestamp" in item):
        return line.refuse(
            "ID_OR_TIME_MISSING",
            "an outcome has an event_id or a timestamp, or a second import would double it",
        )
    return [item]


def _typed(name: str, cell: Any) -> Any:
    if isinstance(cell, str):
        return _from_text(name, cell)
    if isinstance(cell, datetime):
        if cell.tzinfo is None:
            raise ValueError(f"column {name!r} holds {cell}; a time has an offset")
        return cell.isoformat()
    if isinstance(cell, Decimal):
        return float(cell)
    if name in _JSON_COLUMNS and isinstance(cell, list):  # a map of Parquet is a list of pairs
        cell = dict(cell)
    if isinstance(cell, dict):  # a struct of Parquet has all its fields in every row
        return {key: value for key, value in cell.items() if value is not None}
    return cell


def _from_text(name: str, text: str) -> Any:
    if name == "value":
        try:
            return float(text)
        except ValueError:
            raise ValueError(f"column 'value' holds {text!r}, which is no number") from None
    if name in _FLAG_COLUMNS:
        if text.strip().lower() not in _FLAGS:
            raise ValueError(f"column {name!r} holds {text!r}; write true or false")
        return _FLAGS[text.strip().lower()]
    if name in _JSON_COLUMNS:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"column {name!r} holds no JSON: {error}") from None
    return text
