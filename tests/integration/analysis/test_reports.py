"""Reports on demand: stored, fresh, coalesced, late, failing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from experiments.analysis import service
from experiments.analysis.service import Pending, Report, Reports
from experiments.definitions.errors import NotFound, Unavailable
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import Standing, move
from experiments.definitions.metric import metric_from_document
from experiments.definitions.segment import segment_from_document
from experiments.definitions.time import DAY, HOUR, now, parse_instant
from experiments.settings import Settings
from experiments.store.database import Database
from experiments.store.definitions import METRICS, SEGMENTS, Stored
from experiments.store.experiments import insert_standing, update_standing
from experiments.store.tables import reports as stored_reports

ENV, KEY = "production", "exp"
SETTINGS = Settings(database_url="", data_dir=Path())


def define(
    database: Database, *verbs: str, started_at: int | None = None, window: float | None = None
) -> Standing:
    """An experiment with one goal metric, moved on by the verbs."""
    at = now() - 30 * DAY if started_at is None else started_at
    experiment = experiment_from_document(
        {
            "key": KEY,
            "variants": [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}],
            "metrics": [{"metric": "buys", "role": "goal"}],
        }
    )
    metric = {"key": "buys", "kind": "count", "event": "buy", "window_hours": window}
    standing = Standing(ENV, experiment, "draft", 1, at, at)
    for verb in verbs:
        standing = move(standing, verb, at)
    with database.write() as connection:
        METRICS.insert(connection, Stored(ENV, metric_from_document(metric), 1, at, at))
        insert_standing(connection, standing)
    return standing


def finished(answer: Report | Pending) -> dict[str, Any]:
    assert isinstance(answer, Report)
    return answer.document


def means(document: dict[str, Any]) -> list[float | None]:
    return [variant["mean"] for variant in document["metrics"][0]["variants"]]


def count(database: Database) -> int:
    with database.read() as connection:
        query = sa.select(sa.func.count()).select_from(stored_reports)
        return int(connection.execute(query).scalar_one())


def test_a_report_from_the_log(log: Any) -> None:
    define(log.database, "start")
    at = now() - 20 * DAY
    for i in range(40):
        log.expose(f"u{i}", "ab"[i % 2], at)
    for i in range(0, 40, 4):
        log.outcome(f"u{i}", "buy", at + 1)
    log.write()
    document = finished(Reports(log.database, SETTINGS).results(ENV, KEY))
    assert document["units"] == {"a": 20, "b": 20}
    assert means(document) == [0.5, 0]
    assert document["decision"]["recommendation"] == "roll_back"
    assert document["health"]["events"] == {"buy": 10}
    json.dumps(document, allow_nan=False)


def test_the_stored_report_answers_until_the_log_moves(log: Any) -> None:
    define(log.database, "start")
    log.expose("u", "a", now() - 20 * DAY)
    log.write()
    reports = Reports(log.database, SETTINGS)
    first = reports.results(ENV, KEY)
    assert isinstance(first, Report)
    assert Reports(log.database, SETTINGS).results(ENV, KEY) == first
    assert count(log.database) == 1
    log.outcome("u", "buy", now() - 20 * DAY + 1)
    log.write()
    second = reports.results(ENV, KEY)
    assert means(finished(second)) == [1, None]
    assert second.etag != first.etag
    assert reports.stored(ENV, KEY) == second
    assert reports.stored(ENV, KEY, as_of=first.document["watermark"]) == first
    # A watermark between two reports is held by the later one.
    assert reports.stored(ENV, KEY, as_of=second.document["watermark"]) == second


def test_each_phase_and_each_segment_has_a_report_of_its_own(log: Any) -> None:
    standing = define(log.database, "start", "rerandomise")
    first, latest = standing.phases
    for number in range(30):
        plan = {"plan": "pro" if number < 10 else "free"}
        log.expose(f"u{number}", "ab"[number % 2], first.started_at, attributes=plan)
    for number in range(40):
        log.expose(f"v{number}", "ab"[number % 2], latest.started_at, phase=2, attributes=None)
    log.write()
    vip = segment_from_document({"key": "vip", "attribute": "plan", "values": ["pro"]})
    with log.database.write() as connection:
        SEGMENTS.insert(connection, Stored(ENV, vip, 1, 0, 0))
    reports = Reports(log.database, SETTINGS)
    found = {
        (phase, segment): finished(reports.results(ENV, KEY, phase=phase, segment=segment))
        for phase in (None, 1, 2)
        for segment in (None, "vip")
    }
    assert {part: sum(one["units"].values()) for part, one in found.items()} == {
        (None, None): 40, (None, "vip"): 0, (1, None): 30, (1, "vip"): 10, (2, None): 40,
        (2, "vip"): 0,
    }  # fmt: skip
    assert found[None, None] == found[2, None]
    assert count(log.database) == 4
    for (phase, segment), document in found.items():
        assert reports.stored(ENV, KEY, phase=phase, segment=segment).document == document
    assert found[1, None]["ended_at"] is not None
    assert found[1, None]["decision"]["rule"] != "segment"
    assert reports.watch(ENV, KEY, lambda: None).document == found[2, None]


def test_a_segment_that_changes_asks_for_a_new_report(sqlite_log: Any) -> None:
    define(sqlite_log.database, "start")
    for plan in ("pro", "free", "free"):
        sqlite_log.expose(f"u{sqlite_log.seq}", "a", now() - DAY, attributes={"plan": plan})
    sqlite_log.write()
    reports = Reports(sqlite_log.database, SETTINGS)

    def store(plan: str, revision: int, name: str = "vip") -> None:
        outer = {"key": "outer", "condition": {"$savedGroup": {"id": "inner"}}, "name": name}
        inner = {"key": "inner", "condition": {"plan": plan}}
        with sqlite_log.database.write() as connection:
            for document in (outer, inner):
                SEGMENTS.delete(connection, ENV, document["key"])
                record = segment_from_document(document)
                SEGMENTS.insert(connection, Stored(ENV, record, revision, 0, 0))

    store("pro", 1)
    before = finished(reports.results(ENV, KEY, segment="outer"))
    store("free", 1)
    with pytest.raises(NotFound, match="no report"):
        reports.stored(ENV, KEY, segment="outer")
    after = finished(reports.results(ENV, KEY, segment="outer"))
    assert (before["units"], after["units"]) == ({"a": 1, "b": 0}, {"a": 2, "b": 0})
    store("pro", 7)
    assert finished(reports.results(ENV, KEY, segment="outer")) == before
    store("pro", 7, "Regular customers")
    renamed = finished(reports.results(ENV, KEY, segment="outer"))
    assert renamed["segment"] == {"key": "outer", "name": "Regular customers"}


def test_a_revision_asks_for_a_new_report(sqlite_log: Any) -> None:
    standing = define(sqlite_log.database, "start")
    sqlite_log.expose("u", "a", now() - 20 * DAY)
    sqlite_log.write()
    reports = Reports(sqlite_log.database, SETTINGS)
    assert finished(reports.results(ENV, KEY))["status"] == "running"
    with sqlite_log.database.write() as connection:
        update_standing(connection, move(standing, "stop", now()))
    document = finished(reports.results(ENV, KEY))
    assert (document["status"], document["revision"]) == ("stopped", standing.revision + 1)


def test_a_unit_that_matures_asks_for_a_new_report(sqlite_log: Any) -> None:
    define(sqlite_log.database, "start", window=1.0)
    exposed = now() - HOUR + 4_000_000
    sqlite_log.expose("u", "a", exposed)
    sqlite_log.write()
    reports = Reports(sqlite_log.database, SETTINGS)
    early = finished(reports.results(ENV, KEY))
    assert early["metrics"][0]["waiting"] == 1
    assert parse_instant(early["next_maturity_at"]) == exposed + HOUR
    pause = threading.Event()
    while now() < exposed + HOUR:
        pause.wait(0.05)
    later = finished(reports.results(ENV, KEY))
    assert later["watermark"] == early["watermark"]
    assert later["metrics"][0]["waiting"] == 0
    assert later["next_maturity_at"] is None


def test_a_day_of_waiting_that_ends_asks_for_a_new_report(sqlite_log: Any) -> None:
    define(sqlite_log.database, "start", started_at=now() - DAY + 4_000_000)
    sqlite_log.expose("u", "a", now())
    sqlite_log.write()
    reports = Reports(sqlite_log.database, SETTINGS)
    early = finished(reports.results(ENV, KEY))
    assert early["decision"]["facts"] == {"days_left": 7}
    pause = threading.Event()
    while now() < parse_instant(early["started_at"]) + DAY:
        pause.wait(0.05)
    assert finished(reports.results(ENV, KEY))["decision"]["facts"] == {"days_left": 6}


def test_a_draft_has_an_empty_report(sqlite_log: Any) -> None:
    define(sqlite_log.database)
    reports = Reports(sqlite_log.database, SETTINGS)
    document = finished(reports.results(ENV, KEY))
    assert (document["units"], document["decision"]["rule"]) == ({"a": 0, "b": 0}, "not_started")
    assert count(sqlite_log.database) == 0


def test_unknown_experiments_and_reports(sqlite_log: Any) -> None:
    reports = Reports(sqlite_log.database, SETTINGS)
    with pytest.raises(NotFound) as unknown:
        reports.results(ENV, KEY)
    assert unknown.value.code == "EXPERIMENT_NOT_FOUND"
    define(sqlite_log.database, "start")
    for names, code in (
        ({"phase": 2}, "PHASE_NOT_FOUND"),
        ({"segment": "vip"}, "SEGMENT_NOT_FOUND"),
    ):
        for ask in (reports.results, reports.stored):
            with pytest.raises(NotFound) as absent:
                ask(ENV, KEY, **names)
            assert absent.value.code == code
    with pytest.raises(NotFound) as elsewhere:
        reports.results("staging", KEY)
    assert elsewhere.value.code == "EXPERIMENT_NOT_FOUND"
    with pytest.raises(NotFound) as missing:
        reports.stored(ENV, KEY)
    assert missing.value.code == "REPORT_NOT_FOUND"


def test_who_does_not_wait_finds_the_report_later(sqlite_log: Any) -> None:
    define(sqlite_log.database, "start")
    sqlite_log.expose("u", "a", now())
    sqlite_log.write()
    reports = Reports(sqlite_log.database, SETTINGS)
    pending = reports.results(ENV, KEY, wait=0)
    assert isinstance(pending, Pending)
    assert pending.watermark == sqlite_log.seq
    assert 0 <= pending.progress < 1
    made = finished(reports.results(ENV, KEY))
    assert reports.stored(ENV, KEY, as_of=pending.watermark).document == made
    assert count(sqlite_log.database) == 1


@dataclass
class Gate:
    """Lets the analyses through one by one, and counts them."""

    tasks: list[Any] = field(default_factory=list)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Holds each analysis where it would start its process; the process itself is the real one."""
    gate, read_log = Gate(), service.read_log

    def held(task: Any, *arguments: Any) -> Any:
        gate.tasks.append(task)
        gate.entered.release()
        gate.go.acquire()
        return read_log(task, *arguments)

    monkeypatch.setattr(service, "read_log", held)
    yield gate
    gate.go.release(100)


def test_many_who_ask_share_at_most_two_analyses(sqlite_log: Any, gate: Gate) -> None:
    define(sqlite_log.database, "start")
    sqlite_log.expose("u", "a", now() - 20 * DAY)
    sqlite_log.write()
    reports = Reports(sqlite_log.database, SETTINGS)
    answers: list[dict[str, Any]] = []

    def ask() -> threading.Thread:
        thread = threading.Thread(
            target=lambda: answers.append(finished(reports.results(ENV, KEY)))
        )
        thread.start()
        return thread

    early = [ask() for _ in range(3)]
    assert gate.entered.acquire(timeout=20)
    for _ in range(4):
        sqlite_log.outcome("u", "buy", now() - 20 * DAY + 1)
        sqlite_log.write()
        assert isinstance(reports.results(ENV, KEY, wait=0), Pending)
    late = [ask() for _ in range(3)]
    gate.go.release(100)
    for thread in early + late:
        thread.join()
    assert len(gate.tasks) == 2
    assert [means(answer)[0] for answer in answers].count(4) >= 3
    assert means(finished(reports.results(ENV, KEY))) == [4, None]
    assert len(gate.tasks) == 2


def test_the_deadline_ends_the_process(sqlite_log: Any, caplog: pytest.LogCaptureFixture) -> None:
    define(sqlite_log.database, "start")
    impatient = Settings(database_url="", data_dir=Path(), analysis_deadline=0.01)
    with pytest.raises(Unavailable) as late:
        Reports(sqlite_log.database, impatient).results(ENV, KEY)
    assert late.value.code == "ANALYSIS_DEADLINE"
    assert "exp" in caplog.text
    # The next one who asks is not held up by it.
    finished(Reports(sqlite_log.database, SETTINGS).results(ENV, KEY))


def test_a_failure_is_told_and_logged(sqlite_log: Any, caplog: pytest.LogCaptureFixture) -> None:
    define(sqlite_log.database, "start")
    settings = Settings(database_url="", data_dir=Path(), analysis_memory="much")
    reports = Reports(sqlite_log.database, settings)
    for _ in range(2):
        with pytest.raises(Unavailable) as failed:
            reports.results(ENV, KEY)
        assert failed.value.code == "ANALYSIS_FAILED"
        assert "much" not in failed.value.detail
    assert "memory" in caplog.text.lower()


def test_a_file_with_a_quote_in_its_name(sqlite_log: Any, tmp_path: Path) -> None:
    sqlite_log.database.dispose()
    path = tmp_path / "it's mine.db"
    Path(sqlite_log.database.url.database).rename(path)
    source = service.source_of(Database(f"sqlite:///{path}"))
    found = service.read_log(sqlite_log.task(), source, SETTINGS, lambda _fraction: None)
    assert found.arms == ()


def test_the_password_stays_out_of_the_log(
    postgres_log: Any, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres_log.database.url
    wrong = url.set(password="hunter2").update_query_dict({"host": "/nowhere"})
    source = service.source_of(Database(wrong.render_as_string(hide_password=False)))
    with pytest.raises(Unavailable):
        service.read_log(postgres_log.task(), source, SETTINGS, lambda _fraction: None)
    assert "nowhere" in caplog.text
    assert "hunter2" not in caplog.text


CHECK_IMPORTS = """
import sys
{imports}
print(sorted(name for name in {names} if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("imports", "names"),
    [
        ("import experiments.analysis.service", ("duckdb", "_duckdb", "ibis")),
        ("import experiments.analysis.worker", ("sqlite3", "sqlalchemy", "stats", "pandas")),
    ],
)
def test_what_either_process_never_loads(imports: str, names: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHECK_IMPORTS.format(imports=imports, names=names)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_the_worker_leaves_with_its_parent() -> None:
    """Its standard input ends when the parent dies, however it dies."""
    with subprocess.Popen(
        [sys.executable, "-m", "experiments.analysis.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write("{}\n")
        worker.stdin.close()
        assert worker.wait(timeout=30) != 0


WRITER = """
import sys, threading
from experiments.definitions.errors import Unavailable
from experiments.store.database import Database
from experiments.store.tables import outcomes
import sqlalchemy as sa
from experiments.store.watermark import advance

def write(url, name, go_on, acknowledge):
    database, written = Database(url), 0
    with database.read() as connection:
        row = dict(connection.execute(sa.select(outcomes)).mappings().first())
    while go_on():
        try:
            with database.write() as connection:
                seq = advance(connection)
                names = [f"{name}-{written + i}" for i in range(20)]
                rows = [row | {"event_id": event_id, "change_seq": seq} for event_id in names]
                connection.execute(sa.insert(outcomes), rows)
        except Unavailable:  # the other writer held the lock all the time: try again
            continue
        written += 20
        acknowledge(written)
    database.dispose()
    return written
"""

OTHER_PROCESS = """
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
print(write(sys.argv[1], "other", lambda: not ended.is_set(), lambda written: None))
"""


def test_reports_while_two_processes_write(sqlite_log: Any) -> None:
    """No report misses what was committed before it was asked for; no committed row is lost.

    Were the file opened and closed by a second SQLite library in this process, the lock that this
    process holds would be gone, and the two writers would overwrite each other.
    """
    database: Database = sqlite_log.database
    define(database, "start")
    at = now() - 20 * DAY
    sqlite_log.expose("u", "a", at)
    sqlite_log.outcome("u", "buy", at)
    sqlite_log.write()
    url = str(database.url)
    reports = Reports(database, SETTINGS)
    stop, acknowledged = threading.Event(), [0]
    code: dict[str, Any] = {}
    exec(WRITER, code)
    mine = threading.Thread(
        target=lambda: code["write"](
            url, "mine", lambda: not stop.is_set(), lambda n: acknowledged.__setitem__(0, n)
        )
    )
    with subprocess.Popen(
        [sys.executable, "-c", WRITER + OTHER_PROCESS, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        mine.start()
        try:
            for _ in range(5):
                before = acknowledged[0]
                assert finished(reports.results(ENV, KEY))["health"]["events"]["buy"] > before
        finally:
            stop.set()
            mine.join()
            theirs = int(other.communicate()[0])
    assert acknowledged[0] > 0
    assert theirs > 0
    total = 1 + acknowledged[0] + theirs
    assert finished(reports.results(ENV, KEY))["health"]["events"] == {"buy": total}
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        counter = connection.exec_driver_sql("SELECT value FROM change_counter").scalar_one()
    assert counter == sqlite_log.seq + (total - 1) // 20
