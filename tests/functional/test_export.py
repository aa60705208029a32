"""The way out and back: `evenhand export`, other tools on its files, `evenhand import FOLDER`."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from experiments.cli import main
from experiments.definitions.time import DAY, format_instant, now
from experiments.events.scan import SCAN_TABLES, Extent, scan
from experiments.store.database import Database
from experiments.store.definition_rows import DEFINITION_KINDS, read_definition_rows
from tests.conftest import ROOT, Service, StartService, running
from tests.functional.definitions import made, move

Run = Callable[..., Result]

UNITS = 300
ODD = 'Zoë, "the\r\n1st"\t☃'
SAME = {"watermark", "as_of"}  # what may differ between two reports of the same log


def runner(url: str, folder: Path) -> Run:
    env = {"EVENHAND_DATABASE_URL": url, "EVENHAND_DATA_DIR": str(folder)}
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words], env=env)


def fill(service: Service) -> None:
    """Two environments with everything that a log can hold."""
    for environment in ("production", "staging"):
        admin = service.client("admin", environment)
        made(admin, "segments", key="fr", condition={"country": "FR"})
        made(admin, "layers", key="page")
        made(admin, "metrics", key="bought", kind="conversion", event="buy", window_hours=48)
        made(admin, "metrics", key="spent", kind="sum", event="buy")
        made(admin, "features", key="banner", type="boolean", default=False)
        made(
            admin,
            "experiments",
            key="shop",
            name="Zoë's ☃",
            unit_type="device",
            assignment="external",
            variants=[
                {"key": "a", "weight": 0.5},
                {"key": "b", "weight": 0.5},
            ],
            metrics=[{"metric": "bought", "role": "goal"}, {"metric": "spent", "role": "goal"}],
        )
        started = datetime.now(UTC) - timedelta(days=30)  # every window is over
        answer = admin.post(
            "/api/v1/experiments/shop/start", json={"started_at": started.isoformat()}
        )
        assert answer.status_code == 200, answer.text
        events = _events(started + timedelta(hours=1))
        for begin in range(0, len(events), 500):
            answer = admin.post("/api/v1/events", json={"events": events[begin : begin + 500]})
            assert answer.status_code == 200, answer.text
    move(service.client("admin", "staging"), "shop", "stop")


def _events(start: datetime) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for n in range(UNITS):
        at = start + timedelta(minutes=37 * n, microseconds=n)
        device = ODD if n == 0 else f"d{n}"
        seen = {"type": "exposure", "experiment": "shop", "variant": "ab"[n % 2]}
        events.append(
            {
                **seen,
                "unit_id": device,
                "unit_type": "device",
                "timestamp": at.isoformat(),
                "attributes": {"country": "FR" if n % 3 else ODD, "n": 1.5e300, "deep": [{}]},
                "overridden": n % 50 == 7,
            }
        )
        bought = {"type": "outcome", "event": "buy", "value": n * 0.1 + 1e-17}
        if n % 4 == 0:  # under a user id, which a link leads to the device
            ids = {"device": device, "user": f"u{n}"}
            later = (at + timedelta(minutes=5)).isoformat()
            events.append({"type": "outcome", "event": "login", "ids": ids, "timestamp": later})
            unit = {"unit_id": f"u{n}", "unit_type": "user"}
        elif n % 4 == 1:  # by the server's clock only
            unit = {"unit_id": device, "unit_type": "device", "event_id": f"order-{n}"}
            events.append({**bought, **unit, "properties": {"basket": [ODD, n]}})
            continue
        else:
            unit = {"unit_id": device, "unit_type": "device"}
        events.append({**bought, **unit, "timestamp": (at + timedelta(hours=1)).isoformat()})
    crossover = {"type": "exposure", "experiment": "shop", "variant": "b", "unit_id": "d2"}
    events.append({**crossover, "unit_type": "device", "timestamp": start.isoformat()})
    events.append({"type": "exposure", "experiment": "shop", "variant": "z", "unit_id": ODD})
    events.append({"type": "outcome", "event": "buy", "unit_id": "x", "value": "much", "n": "é"})
    return events


def contents(url: str) -> dict[str, Any]:
    """All that an export is to keep, as the store holds it."""
    database = Database(url)
    try:
        with database.snapshot() as connection:
            found: dict[str, Any] = {
                table.name: sorted(
                    (row for rows in scan(connection, table, Extent()) for row in rows), key=repr
                )
                for table in SCAN_TABLES
            }
            for kind in DEFINITION_KINDS:
                found[kind] = list(read_definition_rows(connection, kind, None))
        return found
    finally:
        database.dispose()


def reports(run: Run) -> list[Any]:
    """The reports of everything, as JSON and as text, without what names the moment."""
    found: list[Any] = []
    for part in ((), ("--segment", "fr"), ("--env", "staging")):
        document = run("report", "shop", *part, "--json")
        assert document.exit_code == 0, document.stderr
        report = json.loads(document.stdout)
        found.append({name: value for name, value in report.items() if name not in SAME})
    text = run("report", "shop")
    assert text.exit_code == 0, text.stderr
    head, _, rest = text.stdout.partition("\n\n")
    assert "as of" in " ".join(head.split())
    return [*found, rest]


def same(found: Any, expected: Any, path: str = "") -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), path
        for name, value in expected.items():
            same(found[name], value, f"{path}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), path
        for place, (one, other) in enumerate(zip(found, expected, strict=True)):
            same(one, other, f"{path}[{place}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), path
    else:
        assert found == expected, path


@pytest.fixture(scope="module")
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """The URL of a store on the named engine that a service has filled; made once."""
    made_before: dict[str, str] = {}

    def make(engine: str) -> str:
        if engine not in made_before:
            url = request.getfixturevalue(f"new_{engine}")()
            with running(tmp_path_factory.mktemp("filled")) as start:
                fill(start(url, workers=1))
            made_before[engine] = url
        return made_before[engine]

    return make


@pytest.mark.parametrize(
    ("source", "target", "file_format"),
    [
        ("sqlite", "postgresql", "parquet"),
        ("postgresql", "sqlite", "csv"),
        ("postgresql", "postgresql", "jsonl"),
    ],
)
def test_there_and_back_every_report_is_the_same(
    filled: Callable[[str], str],
    source: str,
    target: str,
    file_format: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    url = filled(source)
    run, folder = runner(url, tmp_path / "from"), tmp_path / "out"
    done = run("export", "--output", folder, "--format", file_format)
    assert done.exit_code == 0, done.stderr
    new = request.getfixturevalue(f"new_{target}")()
    again = runner(new, tmp_path / "to")
    taken = again("import", folder)
    assert taken.exit_code == 0, taken.stderr
    assert contents(new) == contents(url)
    same(reports(again), reports(run))


def stored(done: Result) -> dict[str, str]:
    assert done.exit_code == 0, done.stderr
    return dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())


def test_what_is_there_is_not_stored_again(
    filled: Callable[[str], str], database_url: str, tmp_path: Path
) -> None:
    run = runner(filled("sqlite"), tmp_path / "from")
    for name in ("first", "second"):
        assert run("export", "--output", tmp_path / name).exit_code == 0
    target = runner(database_url, tmp_path / "to")
    assert target("import", tmp_path / "first").exit_code == 0
    before = contents(database_url)
    marks = watermark(target)
    same_folder = stored(target("import", tmp_path / "first"))
    assert (same_folder["definitions"], same_folder["rows stored"]) == ("0", "0")
    # Another export of the same store has no position here: its rows are looked at one by one.
    other = stored(target("import", tmp_path / "second"))
    rows = sum(len(before[table.name]) for table in SCAN_TABLES)
    assert (other["definitions"], other["rows stored"]) == ("0", "0")
    assert (other["there already"], other["conflicts"]) == (f"{rows:,}", "0")
    assert contents(database_url) == before
    assert watermark(target) == marks


def watermark(run: Run) -> int:
    return int(json.loads(run("report", "shop", "--json").stdout)["watermark"])


def test_a_killed_import_goes_on(
    filled: Callable[[str], str], new_sqlite: Callable[[], str], tmp_path: Path
) -> None:
    source, folder = filled("postgresql"), tmp_path / "out"
    assert runner(source, tmp_path / "from")("export", "--output", folder).exit_code == 0
    url = new_sqlite()
    env = {**os.environ, "EVENHAND_DATABASE_URL": url, "EVENHAND_DATA_DIR": str(tmp_path / "to")}
    command = [sys.executable, "-m", "experiments.cli", "import", str(folder)]
    process = subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.DEVNULL)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as store:
        end = time.monotonic() + 60
        steps = "SELECT count(*) FROM audit WHERE subject = 'import'"
        while store.execute(steps).fetchone()[0] < 3 and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    again = runner(url, tmp_path / "to")("import", folder)
    assert "An earlier import of this export finished" in again.stderr
    rows = int(stored(again)["rows stored"].replace(",", ""))
    assert 0 < rows < sum(len(contents(source)[table.name]) for table in SCAN_TABLES)
    assert contents(url) == contents(source)


def test_an_export_is_one_moment_of_a_store_that_is_written_to(
    database_url: str, start_service: StartService, tmp_path: Path
) -> None:
    service = start_service(database_url, workers=1)
    admin = service.client()
    made(
        admin,
        "experiments",
        key="load",
        assignment="external",
        variants=[{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}],
    )
    move(admin, "load", "start")
    stop = threading.Event()
    sent: list[int] = []

    def write() -> None:
        """An exposure and an outcome of each unit, committed together."""
        while not stop.is_set():
            units = [f"u{len(sent)}-{n}" for n in range(50)]
            seen = {"type": "exposure", "experiment": "load", "variant": "a"}
            bought = {"type": "outcome", "event": "buy"}
            events = [{**seen, "unit_id": unit} for unit in units]
            events += [{**bought, "unit_id": unit, "event_id": unit} for unit in units]
            answer = admin.post("/api/v1/events", json={"events": events})
            assert answer.status_code == 200, answer.text
            sent.append(len(units))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            for number in range(3):
                before = sum(sent)
                service.evenhand("export", "--output", str(tmp_path / str(number)))
                manifest = json.loads((tmp_path / str(number) / "manifest.json").read_text("utf-8"))
                rows = {table["name"]: table["rows"] for table in manifest["tables"]}
                assert rows["exposures"] == rows["outcomes"] >= before
        finally:
            stop.set()
        writing.result()
    assert sum(sent) > before


@pytest.mark.parametrize("file_format", ["parquet", "csv", "jsonl"])
def test_other_tools_read_every_file(
    filled: Callable[[str], str], file_format: str, tmp_path: Path
) -> None:
    url, folder = filled("sqlite"), tmp_path / "out"
    done = runner(url, tmp_path / "from")("export", "--output", folder, "--format", file_format)
    assert done.exit_code == 0, done.stderr
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.relative_to(folder).as_posix() for path in files} == {
        "manifest.json",
        *(file["path"] for file in manifest["files"]),
    }
    with_pandas = {
        "parquet": pd.read_parquet,
        "csv": pd.read_csv,
        "jsonl": lambda path: pd.read_json(path, lines=True, dtype=False),
    }
    for file in manifest["files"]:
        definitions = file["table"].startswith("definitions/")
        read = with_pandas["jsonl" if definitions else file_format]
        assert len(read(folder / file["path"])) == file["rows"], file["path"]
    reader = {"parquet": "read_parquet", "csv": "read_csv", "jsonl": "read_json"}[file_format]
    held = contents(url)
    for table in SCAN_TABLES:
        if held[table.name]:
            query = f"""SELECT environment, count(*), count(DISTINCT day)
                FROM {reader}('{folder}/{table.name}/*/*/*.{file_format}', hive_partitioning=true)
                GROUP BY environment ORDER BY environment"""
            found = duckdb.sql(query).fetchall()
            assert sum(rows for _, rows, _ in found) == len(held[table.name])
            assert {environment for environment, _, _ in found} == {
                row[0] for row in held[table.name]
            }
    total = sum(row[6] for row in held["outcomes"])
    spent = duckdb.sql(f"SELECT sum(value) FROM {reader}('{folder}/outcomes/*/*/*.{file_format}')")
    assert spent.fetchall()[0][0] == pytest.approx(total, rel=1e-12)


def test_a_part_of_the_log_and_the_rest_later(
    filled: Callable[[str], str], new_sqlite: Callable[[], str], tmp_path: Path
) -> None:
    source = filled("sqlite")
    run = runner(source, tmp_path / "from")
    noon = format_instant(now() - 26 * DAY)
    early, late = tmp_path / "early", tmp_path / "late"
    assert run("export", "--output", early, "--until", noon).exit_code == 0
    parts = ("exposures", "outcomes", "links", "dead-letters")
    only = [word for part in parts for word in ("--only", part)]
    assert run("export", "--output", late, "--since", noon, *only).exit_code == 0
    assert not (late / "definitions").exists()
    url = new_sqlite()
    target = runner(url, tmp_path / "to")
    assert target("import", early).exit_code == 0
    assert len(contents(url)["exposures"]) < len(contents(source)["exposures"])
    assert target("import", late).exit_code == 0
    assert contents(url) == contents(source)

    one = tmp_path / "one"
    assert run("export", "--output", one, "--env", "staging").exit_code == 0
    environments = {path.name for path in one.glob("exposures/*")}
    assert environments == {"environment=staging"}
    rows = (one / "definitions" / "experiments.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(row)["environment"] for row in rows} == {"staging"}


def test_no_secret_leaves(filled: Callable[[str], str], tmp_path: Path) -> None:
    url, folder = filled("sqlite"), tmp_path / "out"
    done = runner(url, tmp_path / "from")("export", "--output", folder, "--format", "jsonl")
    assert done.exit_code == 0
    with sqlite3.connect(url.removeprefix("sqlite:///")) as store:
        keys = store.execute("SELECT secret_sha256 FROM api_keys").fetchall()
    assert keys
    text = "".join(path.read_text("utf-8") for path in folder.rglob("*.json*"))
    assert not any(secret in text for (secret,) in keys)
    history = (folder / "definitions" / "history.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(entry)["subject"] for entry in history} >= {"experiment", "metric"}
    assert "key" not in {json.loads(entry)["subject"] for entry in history}


def test_what_cannot_be_taken_is_refused_before_anything_is_stored(
    filled: Callable[[str], str], new_sqlite: Callable[[], str], tmp_path: Path
) -> None:
    source = runner(filled("sqlite"), tmp_path / "from")
    folder = tmp_path / "out"
    assert source("export", "--output", folder).exit_code == 0
    full = source("export", "--output", folder)
    assert (full.exit_code, "FOLDER_NOT_EMPTY" in full.stderr) == (1, True)

    url = new_sqlite()
    target = runner(url, tmp_path / "to")
    with_env = target("import", folder, "--env", "staging")
    assert (with_env.exit_code, "--env does not go with" in with_env.stderr) == (2, True)
    damaged = next(folder.glob("outcomes/*/*/*"))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-9] + b"!" + whole[-8:])
    refused = target("import", folder)
    assert (refused.exit_code, "CHECKSUM_MISMATCH" in refused.stderr) == (1, True)
    assert not any(contents(url).values())
    damaged.unlink()
    assert "FILE_UNREADABLE" in target("import", folder).stderr
    damaged.write_bytes(whole)

    other = tmp_path / "metric.yaml"
    other.write_text("metrics:\n  - key: bought\n    kind: count\n    event: buy\n")
    applied = target("apply", other, "--yes")
    assert applied.exit_code == 0, applied.output
    differs = target("import", folder)
    assert (differs.exit_code, "DEFINITIONS_DIFFER" in differs.stderr) == (1, True)
    assert not contents(url)["exposures"]

    (folder / "manifest.json").rename(folder / "manifest.txt")
    assert "NO_MANIFEST" in target("import", folder).stderr
