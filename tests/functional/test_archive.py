"""A user's days go into the archive, by command and by the service, and nobody notices."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from experiments.definitions.time import DAY, format_instant, now
from experiments.store import tables
from experiments.store.database import Database

OLD = 20 * DAY


def start(admin: httpx.Client) -> None:
    admin.post("/api/v1/metrics", json={"key": "buy", "kind": "mean", "event": "buy"})
    made = admin.post(
        "/api/v1/experiments",
        json={
            "key": "checkout",
            "assignment": "external",
            "variants": [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}],
            "metrics": [{"metric": "buy", "role": "goal"}],
        },
    )
    assert made.status_code == 201, made.text
    started_at = format_instant(now() - 2 * OLD)
    begun = admin.post("/api/v1/experiments/checkout/start", json={"started_at": started_at})
    assert begun.status_code == 200, begun.text


def events() -> list[dict[str, object]]:
    at = {"timestamp": format_instant(now() - OLD)}
    units = [f"u{n}" for n in range(200)]
    return [
        {
            "type": "exposure",
            "experiment": "checkout",
            "variant": "ab"[n % 2],
            "unit_id": unit,
            **at,
        }
        for n, unit in enumerate(units)
    ] + [
        {"type": "outcome", "event": "buy", "event_id": f"e{n}", "unit_id": unit, "value": n / 7}
        for n, unit in enumerate(units)
    ]


def make_old(url: str) -> None:
    """Let everything have been received twenty days ago."""
    database = Database(url)
    with database.write() as connection:
        for table in (tables.exposures, tables.outcomes):
            connection.execute(sa.update(table).values(received_at=table.c.received_at - OLD))
    database.dispose()


def hot(url: str) -> int:
    database = Database(url)
    with database.read() as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(tables.outcomes))
        found: int = count.scalar_one()
    database.dispose()
    return found


def without_its_time(report: str) -> str:
    return report.split("\n\n", 1)[1]


def verify(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments.cli", "verify"]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_commands(start_service, engine: str, request: pytest.FixtureRequest):
    make: Callable[[], str] = request.getfixturevalue(f"new_{engine}")
    url = make()
    service = start_service(url, workers=1, EVENHAND_COMPACTION="off")
    admin = service.client()
    start(admin)
    sent = events()
    assert admin.post("/api/v1/events", json={"events": sent}).status_code == 200
    make_old(url)
    before = admin.get("/api/v1/experiments/checkout/results")
    printed = without_its_time(service.evenhand("report", "checkout"))
    assert "buy" in printed
    assert service.evenhand("compact", "--before", "2001-01-01") == "Nothing is old enough.\n"
    text = service.evenhand("compact", "--env", "production")
    assert "exposures: 200 rows archived" in text
    assert "outcomes: 200 rows archived" in text
    assert hot(url) == 0
    assert "The event log is whole." in service.evenhand("verify")
    again = admin.post("/api/v1/events", json={"events": sent}).json()["results"]
    assert {one["status"] for one in again} == {"duplicate"}
    after = admin.get("/api/v1/experiments/checkout/results")
    assert after.headers["ETag"] == before.headers["ETag"]
    # One event more, so that the report is made anew, from both parts.
    one = {"type": "outcome", "event": "buy", "event_id": "f", "unit_id": "nobody"}
    admin.post("/api/v1/events", json={"events": [one]})
    assert without_its_time(service.evenhand("report", "checkout")) == printed
    anew = admin.get("/api/v1/experiments/checkout/results").json()
    assert anew["watermark"] > before.json()["watermark"]
    assert anew["units"] == before.json()["units"]
    archive = Path(service.env["EVENHAND_DATA_DIR"]) / "archive"
    export = [sys.executable, "-m", "experiments.cli", "export", "--output", str(archive / "out")]
    refused = subprocess.run(export, env=service.env, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "EXPORT_LACKS_ARCHIVE" in refused.stderr
    next(archive.rglob("outcomes/**/*.parquet")).unlink()
    found = verify(service.env)
    assert found.returncode == 1
    assert "the file is missing" in found.stdout
    assert "One thing is wrong; see docs/archive.md" in found.stderr


def test_a_day_that_is_none_is_refused(service):
    command = [sys.executable, "-m", "experiments.cli", "compact", "--before", "yesterday"]
    done = subprocess.run(command, env=service.env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DAY_INVALID" in done.stderr


def test_the_service_archives_by_itself(start_service, new_sqlite: Callable[[], str]):
    url = new_sqlite()
    first = start_service(url, workers=1, EVENHAND_SCHEDULER="off")
    admin = first.client()
    start(admin)
    admin.post("/api/v1/events", json={"events": events()})
    make_old(url)
    first.stop()
    second = start_service(
        url, workers=2, EVENHAND_SCHEDULER_INTERVAL="0.5", EVENHAND_COMPACTION="on"
    )
    end = time.monotonic() + 60
    while hot(url):
        assert time.monotonic() < end, second.log.read_text()
        time.sleep(0.1)
    assert "The event log is whole." in second.evenhand("verify")
