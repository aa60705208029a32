"""A record is the row of its table, but for the numbers of the transaction."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from experiments.events.records import ExposureRecord, LinkRecord, OutcomeRecord
from experiments.store import tables


@pytest.mark.parametrize(
    ("table", "record"),
    [
        (tables.exposures, ExposureRecord),
        (tables.outcomes, OutcomeRecord),
        (tables.links, LinkRecord),
    ],
)
def test_the_fields_are_the_columns_in_their_order(table: sa.Table, record: type):
    names = [column.name for column in table.columns]
    columns = [name for name in names if not name.endswith("_seq")]
    assert list(record._fields[: len(columns)]) == columns
    assert all(name.endswith("_seq") for name in names[len(columns) :])
