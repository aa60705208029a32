"""`evenhand import --as`: tables of exposures and of outcomes, as a warehouse holds them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from experiments.cli import main
from experiments.definitions.time import DAY, now
from experiments.registry import Experiments, Metrics
from experiments.store.database import Database
from tests.conftest import ROOT

Run = Callable[..., Result]
START = datetime(2026, 1, 1, tzinfo=UTC)


def define(url: str) -> None:
    database = Database(url)
    metrics = Metrics(database, lambda: None)
    metrics.create(
        "production",
        {"key": "spent", "kind": "sum", "event": "purchase", "window_hours": 48},
        "tests",
    )
    experiments = Experiments(database, lambda: None)
    for key in ("search", "colour"):
        experiments.create(
            "production",
            {
                "key": key,
                "assignment": "external",
                "variants": [{"key": "old", "weight": 0.5}, {"key": "new", "weight": 0.5}],
                "metrics": [{"metric": "spent", "role": "goal"}],
            },
            "tests",
        )
        began = now() - 3_000 * DAY
        experiments.move("production", key, "start", "tests", started_at=began)
    database.dispose()


@pytest.fixture
def url(database_url: str) -> str:
    define(database_url)
    return database_url


@pytest.fixture
def run(url: str, data_dir: Path) -> Run:
    env = {"EVENHAND_DATABASE_URL": url, "EVENHAND_DATA_DIR": str(data_dir)}
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words], env=env)


def counts(done: Result) -> dict[str, str]:
    return dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())


def report(run: Run, key: str) -> dict:
    done = run("report", key, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_tables_as_growthbook_reads_them_give_a_report(run: Run, tmp_path: Path) -> None:
    seen, done = tmp_path / "viewed_experiment.csv", tmp_path / "orders.parquet"
    times = [START + timedelta(hours=n) for n in range(40)]
    lines = [
        f"{at:%Y-%m-%d %H:%M:%S} UTC,u{n},{('search', 'colour')[n // 20]},{'01'[n % 2]}"
        for n, at in enumerate(times)
    ]
    # The place of a variation or its key, and the ways in which databases write a time.
    lines[1] = lines[1].replace(" UTC,u1,search,1", ".250+00,u1,search,new")
    lines[2] = lines[2].replace(" UTC", "+00:00")
    seen.write_text("Timestamp,user_id,experiment_id,variation_id\n" + "\n".join(lines) + "\n")
    orders = [
        {"time": at + timedelta(minutes=5), "user_id": f"u{n}", "order": n, "total": n + 0.5}
        for n, at in enumerate(times)
        if n % 4 < 3
    ]
    pq.write_table(pa.Table.from_pylist(orders), done)

    exposures = run("import", seen, "--as", "exposures")
    assert exposures.exit_code == 0, exposures.stderr
    assert "timestamp=Timestamp, unit=user_id, experiment=experiment_id" in exposures.stderr
    outcomes = (
        *("import", done, "--as", "outcomes", "--event", "purchase"),
        *("--column", "value=total", "--column", "event_id=order"),
    )
    first = run(*outcomes)
    assert first.exit_code == 0, first.stderr
    assert counts(first)["events stored"] == "30"
    found = report(run, "search")
    assert found["units"] == {"old": 10, "new": 10}
    bought = {n: n + 0.5 for n in range(20) if n % 4 < 3}
    means = [sum(v for n, v in bought.items() if n % 2 == arm) / 10 for arm in (0, 1)]
    assert [one["mean"] for one in found["metrics"][0]["variants"]] == pytest.approx(means)
    again = run(*outcomes)
    assert (counts(again)["events stored"], counts(again)["duplicates"]) == ("0", "30")
    assert (run("import", seen, "--as", "exposures").exit_code, report(run, "colour")["units"]) == (
        0,
        {"old": 10, "new": 10},
    )


def test_rows_that_cannot_be_used_are_listed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "seen.csv"
    file.write_text(
        "timestamp,anonymous_id,experiment,variation\n"
        "2026-01-31T09:30:00Z,a,search,0\n"
        "2026-01-31 09:30:00,b,search,1\n"
        "yesterday,c,search,1\n"
        "2026-02-31 09:30:00Z,d,search,1\n"
        ",e,search,1\n"
        "2026-01-31T09:30:00Z,f,nothing,1\n"
        "2026-01-31T09:30:00Z,g,search,2\n"
        "2026-01-31T09:30:00Z,,search,1\n"
        "2026-01-31T09:30:00Z,h,,1\n"
    )
    done = run("import", file, "--as", "exposures")
    assert done.exit_code == 3
    assert counts(done)["events stored"] == "1"
    shown = [
        (line.split()[1], line.rsplit("[", 1)[1].rstrip("]"))
        for line in done.stderr.splitlines()
        if line.startswith("line ")
    ]
    assert shown == [
        ("3:", "TIMESTAMP_INVALID"),
        ("4:", "TIMESTAMP_INVALID"),
        ("5:", "TIMESTAMP_INVALID"),
        ("6:", "TIMESTAMP_MISSING"),
        ("7:", "UNKNOWN_EXPERIMENT"),
        ("8:", "UNKNOWN_VARIANT"),
        ("9:", "UNIT_MISSING"),
        ("10:", "EXPERIMENT_MISSING"),
    ]
    assert "0 = old, 1 = new" in done.stderr
    with_utc = run("import", file, "--as", "exposures", "--utc")
    assert counts(with_utc)["events stored"] == "1"


def test_columns_that_are_not_clear_are_asked_for(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "seen.csv"
    file.write_text(
        "ts,user_id,device_id,arm\n2026-01-31T09:30:00Z,u1,d1,new\n2026-01-31T09:31:00Z,u2,d2,1\n"
    )
    told = ("--experiment", "search", "--variant", "arm")
    for words, status, said in (
        (("exposures",), 1, "COLUMN_AMBIGUOUS"),
        (("exposures", "--unit", "user_id"), 1, "say --experiment"),
        (("exposures", "--unit", "user_id", "--experiment", "search"), 1, "COLUMN_MISSING"),
        (("exposures", "--unit", "who"), 1, "it has ts, user_id"),
        (("exposures", "--column", "value=arm"), 2, "timestamp, unit, experiment, variant"),
        (("outcomes", "--variant", "arm"), 2, "--variant does not go with --as outcomes"),
        (("outcomes", *told), 2, "--experiment does not go with --as outcomes"),
        (("exposures", "--event", "buy"), 2, "--event does not go with --as exposures"),
        (("exposures", "--events"), 2, "does not go with --as"),
        (("exposures", *told, "--create"), 2, "does not go with --as"),
    ):
        done = run("import", file, "--as", *words)
        assert done.exit_code == status, done.stderr
        assert said in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
    alone = run("import", file, "--utc", *told, "--unit", "user_id")
    assert (alone.exit_code, "--utc does not go with" in alone.stderr) == (2, True)
    done = run("import", file, "--as", "exposures", *told, "--unit-type", "device")
    assert "unit=device_id" in done.stderr
    assert counts(done)["events stored"] == "2"


def test_a_killed_import_of_a_table_goes_on(
    new_sqlite: Callable[[], str], data_dir: Path, tmp_path: Path
) -> None:
    url = new_sqlite()
    define(url)
    file, rows = tmp_path / "orders.csv", 60_000
    with file.open("w") as table:
        table.write("timestamp,user_id,event_name,amount\n")
        for n in range(rows):
            at = START + timedelta(seconds=n)
            table.write(f"{at.isoformat()},u{n % 997},purchase,{n}.25\n")
    words = ["import", str(file), "--as", "outcomes"]
    env = {**os.environ, "EVENHAND_DATABASE_URL": url, "EVENHAND_DATA_DIR": str(data_dir)}
    command = [sys.executable, "-m", "experiments.cli", *words]
    process = subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.DEVNULL)
    store = sqlite3.connect(url.removeprefix("sqlite:///"))
    end = time.monotonic() + 120
    while not store.execute("SELECT count(*) FROM audit WHERE subject = 'import'").fetchone()[0]:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = store.execute("SELECT count(*) FROM outcomes").fetchone()[0]
    assert 0 < before < rows
    again = CliRunner().invoke(main, words, env=env)
    assert again.exit_code == 0, again.stderr
    assert "stored everything up to line 20,001" in again.stderr
    assert counts(again)["rows read"] == f"{rows - 20_000:,}"
    total = store.execute("SELECT count(*), sum(value) FROM outcomes").fetchone()
    assert total == (rows, sum(range(rows)) + rows * 0.25)
    whole = CliRunner().invoke(main, words, env=env)
    assert counts(whole)["duplicates"] == f"{rows:,}"
    store.close()
