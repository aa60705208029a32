"""`evenhand import` as a person runs it: files in, counts and refusals out, a report after."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean, variance

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from experiments.cli import main
from experiments.definitions.time import now
from experiments.registry import Experiments, Metrics
from experiments.store.database import Database
from tests.functional.cookie_cats import EVENTS, check_report

Run = Callable[..., Result]

ROWS = ("--experiment", "gate", "--unit", "unit", "--variant", "arm")
CREATE = ("--create", "--control", "a")


def runner(url: str, folder: Path) -> Run:
    """Runs the command line on a store."""
    env = {"EVENHAND_DATABASE_URL": url, "EVENHAND_DATA_DIR": str(folder)}
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words], env=env)


@pytest.fixture
def sqlite(new_sqlite: Callable[[], str]) -> str:
    return new_sqlite()


@pytest.fixture
def run(sqlite: str, data_dir: Path) -> Run:
    return runner(sqlite, data_dir)


def counts(done: Result) -> dict[str, str]:
    return dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())


def report(run: Run, key: str) -> dict:
    done = run("report", key, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_a_public_test_gives_its_published_report_and_again_nothing_new(
    database_url: str, data_dir: Path, shared: Path
) -> None:
    run = runner(database_url, data_dir)
    arguments = (
        *("import", shared / "data" / "cookie_cats.csv", "--experiment", "cookie-cats"),
        *("--unit", "userid", "--variant", "version"),
        *("--outcome", "retention_1", "--outcome", "retention_7"),
        *("--outcome", "rounds=sum_gamerounds", "--create", "--control", "gate_30"),
    )
    done = run(*arguments)
    assert done.exit_code == 0, done.stderr
    assert "gate_30 (44,700 rows), gate_40 (45,489 rows)" in done.stderr
    assert counts(done)["rows read"] == "90,189"
    assert counts(done)["events stored"] == f"{EVENTS:,}"
    first = report(run, "cookie-cats")
    check_report(first, rounds="rounds")
    assert [metric["kind"] for metric in first["metrics"]] == ["conversion", "conversion", "sum"]

    again = run(*arguments)
    assert again.exit_code == 0, again.stderr
    assert (counts(again)["events stored"], counts(again)["duplicates"]) == ("0", f"{EVENTS:,}")
    assert report(run, "cookie-cats")["metrics"] == first["metrics"]


def test_the_three_formats_give_the_same_report(run: Run, tmp_path: Path) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
    rows = [
        {"unit": f"u{n}", "arm": "ab"[n % 2], "back": n % 3 == 0, "spent": n % 5 * 1.25, "at": at}
        for n in range(400)
    ]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "at": at.isoformat()} for row in rows)
    lines = (json.dumps({**row, "at": at.isoformat()}) for row in rows)
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    for suffix in ("csv", "jsonl", "parquet"):
        done = run(
            *("import", tmp_path / f"rows.{suffix}", "--experiment", suffix, "--unit", "unit"),
            *("--variant", "arm", "--exposed-at", "at", "--env", suffix),
            *("--outcome", "back", "--outcome", "spent", *CREATE),
        )
        assert done.exit_code == 0, done.stderr
        found = json.loads(run("report", suffix, "--env", suffix, "--json").stdout)
        assert found["units"] == {"a": 200, "b": 200}
        assert found["started_at"] == at.strftime("%Y-%m-%dT%H:%M:%SZ")
        kinds = [metric["kind"] for metric in found["metrics"]]
        assert kinds == ["conversion", "sum"]
        for column, metric in zip(("back", "spent"), found["metrics"], strict=True):
            for arm, moments in zip((0, 1), metric["variants"], strict=True):
                cells = [float(row[column]) for row in rows[arm::2]]
                assert moments["n"] == len(cells)
                assert moments["mean"] == pytest.approx(fmean(cells), rel=1e-12)
                assert moments["variance"] == pytest.approx(variance(cells), rel=1e-12)


def test_bad_lines_are_listed_and_the_rest_goes_in(run: Run, tmp_path: Path) -> None:
    file, rejects = tmp_path / "rows.csv", tmp_path / "rejects.csv"
    file.write_bytes(
        b"unit,arm,spent\n"
        b"1,a,2.5\n"
        b"2,b\n"
        b",a,1\n"
        b'4,"a,1\n'
        b"5,b,nan\n"
        b"6,a,\xff\n"
        b"7,b,much\n"
        b"8,b,0\n" + b"%s,a,1\n" % (b"9" * 300)
    )
    done = run("import", file, *ROWS, "--outcome", "spent", *CREATE, "--rejects", rejects)
    assert done.exit_code == 3, done.stderr
    assert (counts(done)["rows read"], counts(done)["rows refused"]) == ("9", "7")
    assert counts(done)["events stored"] == "3"
    with rejects.open(newline="") as lines:
        listed = [(row["line"], row["code"]) for row in csv.DictReader(lines)]
    assert listed == [
        ("3", "COLUMN_COUNT"),
        ("4", "UNIT_MISSING"),
        ("5", "ROW_UNREADABLE"),
        ("6", "VALUE_NOT_FINITE"),
        ("7", "ROW_UNREADABLE"),
        ("8", "VALUE_INVALID"),
        ("10", "FIELD_LENGTH"),
    ]
    shown = [line for line in done.stderr.splitlines() if line.startswith("line ")]
    assert [line.split()[1] for line in shown] == [f"{number}:" for number, _ in listed]
    assert report(run, "gate")["units"] == {"a": 1, "b": 1}


def test_a_long_list_is_cut_on_the_screen_and_whole_in_the_file(run: Run, tmp_path: Path) -> None:
    file, rejects = tmp_path / "rows.csv", tmp_path / "rejects.csv"
    file.write_text("unit,arm\n1,a\n2,b\n" + ",a\n" * 50)
    done = run("import", file, *ROWS, *CREATE, "--rejects", rejects)
    assert done.exit_code == 3
    assert done.stderr.count("UNIT_MISSING") == 20
    assert "30 more" in done.stderr
    assert rejects.read_text().count("UNIT_MISSING") == 50


def test_another_value_for_a_stored_outcome_is_a_conflict(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("unit,arm,spent\n1,a,2\n2,b,3\n")
    assert run("import", file, *ROWS, "--outcome", "spent", *CREATE).exit_code == 0
    file.write_text("unit,arm,spent\n1,a,2\n2,b,4\n")
    done = run("import", file, *ROWS, "--outcome", "spent")
    assert done.exit_code == 3
    assert (counts(done)["conflicts"], counts(done)["duplicates"]) == ("1", "3")
    assert "line 3:" in done.stderr
    assert "EVENT_ID_CONFLICT" in done.stderr


def test_an_experiment_that_exists_is_used_as_it_is(run: Run, sqlite: str, tmp_path: Path) -> None:
    database = Database(sqlite)
    Metrics(database, lambda: None).create(
        "staging", {"key": "m", "kind": "sum", "event": "spent"}, "tests"
    )
    experiments = Experiments(database, lambda: None)
    experiments.create(
        "staging",
        {
            "key": "gate",
            "unit_type": "player",
            "assignment": "external",
            "variants": [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}],
            "metrics": [{"metric": "m", "role": "goal"}],
        },
        "tests",
    )
    file = tmp_path / "rows.csv"
    file.write_text("unit,arm,spent,back\n1,a,2,yes\n2,b,3,no\n3,c,1,no\n")
    arguments = ("import", file, *ROWS, "--outcome", "spent", "--env", "staging")
    draft = run(*arguments)
    assert draft.exit_code == 1
    assert "NOT_RUNNING" in draft.stderr

    experiments.move("staging", "gate", "start", "tests", started_at=now())
    database.dispose()
    wrong = run(*arguments, "--unit-type", "visitor")
    assert wrong.exit_code == 1
    assert "UNIT_TYPE_MISMATCH" in wrong.stderr
    done = run(*arguments, "--outcome", "back")
    assert done.exit_code == 3
    assert "line 4:" in done.stderr
    assert "UNKNOWN_VARIANT" in done.stderr
    assert "no metric of gate measures the event 'back'" in done.stderr
    found = json.loads(run("report", "gate", "--env", "staging", "--json").stdout)
    assert [one["mean"] for one in found["metrics"][0]["variants"]] == [2, 3]


def test_what_cannot_be_done_says_how(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("unit,arm\n1,a\n2,b\n")
    for arguments, status, words in (
        ((file, *ROWS), 1, "--create --control VARIANT"),
        ((file, *ROWS, "--create", "--control", "z"), 1, "a, b"),
        ((file, *ROWS, "--create"), 2, "--control"),
        ((file,), 2, "--events"),
        ((file, *ROWS, *CREATE, "--rejects", file), 2, "overwrite"),
        ((file, *ROWS, "--events"), 2, "does not go with --events"),
        ((file, *ROWS, "--outcome", "spent"), 1, "it has unit, arm"),
        ((tmp_path / "none.csv", *ROWS), 2, "does not exist"),
    ):
        done = run("import", *arguments)
        assert done.exit_code == status, done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_a_file_of_events_as_csv_and_as_json_lines(run: Run, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("unit,arm\n1,a\n2,b\n")
    assert run("import", rows, *ROWS, *CREATE).exit_code == 0
    when = "2026-01-31T09:30:00Z"
    items = [
        {"type": "exposure", "experiment": "gate", "variant": "a", "unit_id": "3"},
        {"type": "outcome", "event": "spent", "unit_id": "3", "value": 2.5, "timestamp": when},
        {"type": "outcome", "event": "spent", "unit_id": "3", "event_id": "e1"},
        {"type": "outcome", "event": "spent", "unit_id": "3"},
        {"type": "exposure", "experiment": "none", "variant": "a", "unit_id": "3"},
    ]
    lines = tmp_path / "events.jsonl"
    lines.write_text("\n".join(json.dumps(item) for item in items) + "\nnot json\n")
    done = run("import", lines, "--events")
    assert done.exit_code == 3
    assert (counts(done)["events stored"], counts(done)["rows refused"]) == ("3", "3")
    for words in ("line 4:", "ID_OR_TIME_MISSING", "line 5:", "UNKNOWN_EXPERIMENT", "line 6:"):
        assert words in done.stderr

    table = tmp_path / "events.csv"
    with table.open("w", newline="") as file:
        names = ("type", "event", "experiment", "variant", "unit_id", "value", "timestamp")
        writer = csv.DictWriter(file, (*names, "event_id"))
        writer.writeheader()
        writer.writerows(items[:3])
    done = run("import", table, "--events")
    assert done.exit_code == 0, done.stderr
    assert (counts(done)["duplicates"], counts(done)["events stored"]) == ("3", "0")
