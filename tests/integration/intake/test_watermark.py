"""The watermark: nothing that was acknowledged lies above it, nothing appears below it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from experiments.definitions.errors import Unavailable
from experiments.store import tables
from experiments.store.database import Database
from experiments.store.watermark import advance, read_watermark


def test_an_empty_log_stands_at_zero(database: Database) -> None:
    assert read_watermark(database) == 0


def test_everything_acknowledged_is_at_or_below_it(log: Any) -> None:
    for n in range(5):
        log.take(log.outcome(f"e{n}"), log.exposure(f"u{n}"))
        watermark = read_watermark(log.database)
        rows = [*log.rows(tables.outcomes), *log.rows(tables.exposures)]
        assert max(row["change_seq"] for row in rows) == watermark


def test_it_stays_while_only_definitions_change(log: Any) -> None:
    log.take(log.outcome("e1"))
    watermark = read_watermark(log.database)
    log.start("another")
    log.take({"refused": True})
    assert read_watermark(log.database) == watermark


def test_a_transaction_that_is_rolled_back_leaves_it(database: Database) -> None:
    with database.append() as connection:
        advance(connection)
        connection.rollback()
    assert read_watermark(database) == 0


@pytest.fixture
def postgres_log(postgres_database: Database, make_log: Any) -> Any:
    log = make_log(postgres_database)
    log.start()
    return log


def test_it_waits_for_a_writer_that_began_earlier(postgres_log: Any) -> None:
    log = postgres_log
    with ThreadPoolExecutor(1) as pool:
        with log.database.append() as connection:
            seq = advance(connection)
            connection.execute(
                sa.insert(tables.links).values(
                    environment="production",
                    unit_type="user",
                    unit_id="1",
                    other_type="device",
                    other_id="2",
                    unit_hash=1,
                    other_hash=2,
                    first_at=1,
                    change_seq=seq,
                )
            )
            assert log.statuses(log.outcome("e1")) == ["stored"]
            [row] = log.rows(tables.outcomes)
            assert row["change_seq"] > seq
            asked = pool.submit(read_watermark, log.database)
            # It must not answer while the earlier write may still appear below it.
            with pytest.raises(TimeoutError):
                asked.result(timeout=0.2)
        assert asked.result() == row["change_seq"]


def test_it_does_not_wait_for_a_writer_after_which_nothing_was_acknowledged(
    postgres_log: Any,
) -> None:
    log = postgres_log
    log.take(log.outcome("e1"))
    [row] = log.rows(tables.outcomes)
    with log.database.append() as connection:
        assert advance(connection) > row["change_seq"]
        assert read_watermark(log.database) == row["change_seq"]


def test_a_write_that_does_not_end_is_busy(postgres_log: Any) -> None:
    log = postgres_log
    with log.database.engine.connect() as connection, connection.begin():
        advance(connection)
        log.take(log.outcome("e1"))
        with pytest.raises(Unavailable) as busy:
            read_watermark(log.database)
    assert busy.value.code == "LOG_BUSY"
    [row] = log.rows(tables.outcomes)
    assert read_watermark(log.database) == row["change_seq"]


def test_a_long_read_does_not_hold_it(postgres_log: Any) -> None:
    log = postgres_log
    with log.database.read() as reader:
        count = sa.select(sa.func.count()).select_from(tables.outcomes)
        assert reader.execute(count).scalar_one() == 0
        log.take(log.outcome("e1"))
        [row] = log.rows(tables.outcomes)
        assert read_watermark(log.database) == row["change_seq"]
        assert reader.execute(count).scalar_one() == 0
