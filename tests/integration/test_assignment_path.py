"""The path of an assignment touches no database, and goes on when the database is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from api import create_app
from experiments.access import Keys
from experiments.settings import Settings
from experiments.store.database import Database

BUTTON = {
    "key": "button",
    "variants": [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}],
}
ASSIGN = "/api/v1/assignments"
FLAGS = "/ofrep/v1/evaluate/flags"
CONTEXT = {"context": {"targetingKey": "u"}}


def test_no_statement_runs_on_the_path_of_an_assignment(database_url: str, tmp_path: Path):
    app = create_app(Settings(database_url, tmp_path, secret_key="for tests"))
    database: Database = app.extensions["evenhand"].database
    admin = {"X-API-Key": Keys(database).create("admin", "production", actor="tests")}
    client = app.test_client()
    client.post("/api/v1/experiments", json=BUTTON, headers=admin)
    client.post("/api/v1/experiments/button/start", headers=admin)
    ours = threading.get_ident()
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if threading.get_ident() == ours:  # the poll of the version has a thread of its own
            seen.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    for number in range(50):
        answer = client.post(ASSIGN, json={"unit_id": f"u{number}"}, headers=admin)
        assert answer.json["assignments"][0]["reason"] == "SPLIT"
        for flags in (FLAGS, f"{FLAGS}/button"):
            assert client.post(flags, json=CONTEXT, headers=admin).status_code == 200
    assert seen == []
    client.get("/api/v1/experiments", headers=admin)
    assert seen, "the listener must see what does run"
    app.extensions["evenhand"].close()


@pytest.fixture
def replaced(new_sqlite: Callable[[], str]) -> tuple[str, Path]:
    """A SQLite store and its file, which a test may move away."""
    url = new_sqlite()
    return url, Path(url.removeprefix("sqlite:///"))


def lose(file: Path) -> None:
    """Make the database unusable: its files are gone and a folder stands in their place."""
    for suffix in ("", "-wal", "-shm"):
        path = file.with_name(file.name + suffix)
        if path.exists():
            path.rename(path.with_name(f"lost-{path.name}"))
    file.mkdir()


def test_without_its_database_it_assigns_and_refuses_events(start_service, replaced):
    url, file = replaced
    service = start_service(url, workers=1)
    admin = service.client()
    admin.post("/api/v1/experiments", json=BUTTON)
    admin.post("/api/v1/experiments/button/start")
    before = admin.post(ASSIGN, json={"unit_id": "u"}).json()
    # The pooled connections hold the old file: a new process has to open the lost one.
    service.stop()
    lose(file)
    again = start_service(url, workers=1)
    key = {"Authorization": admin.headers["Authorization"]}
    answer = httpx.post(again.url + ASSIGN, json={"unit_id": "u"}, headers=key)
    assert answer.json() == before
    assert answer.headers["Evenhand-Stale"] == "true"
    flag = httpx.post(f"{again.url}{FLAGS}/button", json=CONTEXT, headers=key)
    assert flag.json()["variant"] == before["assignments"][0]["variant"]
    assert flag.headers["Evenhand-Stale"] == "true"
    logged = httpx.post(
        again.url + ASSIGN, json={"unit_id": "u", "log_exposure": True}, headers=key
    )
    assert logged.json()["assignments"][0]["exposure"] == "failed"
    outcome = {"type": "outcome", "event": "buy", "unit_id": "u"}
    refused = httpx.post(again.url + "/api/v1/events", json={"events": [outcome]}, headers=key)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["Content-Type"] == "application/problem+json"
    ready = httpx.get(again.url + "/readyz")
    assert (ready.status_code, ready.json()["serves"]) == (200, "stale")
    assert ready.json()["stores"] != "ok"


def test_a_cold_start_with_nothing_refuses_and_never_guesses(start_service, tmp_path: Path):
    folder = tmp_path / "folder.db"
    folder.mkdir()
    service = start_service(f"sqlite:///{folder}", workers=1)
    answer = httpx.post(
        service.url + ASSIGN, json={"unit_id": "u"}, headers={"X-API-Key": "ehk_client_x_y_z"}
    )
    assert answer.status_code in {401, 503}
    key = f"ehk_client_production_{'0' * 16}_{'0' * 48}"
    answer = httpx.post(service.url + ASSIGN, json={"unit_id": "u"}, headers={"X-API-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (503, "SNAPSHOT_MISSING")
    flags = httpx.post(service.url + FLAGS, json=CONTEXT, headers={"X-API-Key": key})
    assert (flags.status_code, flags.json()["code"]) == (503, "SNAPSHOT_MISSING")
    assert int(flags.headers["Retry-After"]) >= 1
    assert "Retry-After" in flags.headers["Access-Control-Expose-Headers"]
    assert httpx.get(service.url + "/readyz").status_code == 503


def test_postgresql_away_and_back(start_service, new_postgresql: Callable[[], str]):
    """Connections are cut and refused for a while; nothing needs a restart afterwards."""
    import psycopg  # noqa: PLC0415 — only here

    url = new_postgresql()
    service = start_service(url, workers=1)
    admin = service.client()
    admin.post("/api/v1/experiments", json=BUTTON)
    admin.post("/api/v1/experiments/button/start")
    name = url.split("/")[3].split("?")[0]
    maintenance = url.replace(f"/{name}?", "/postgres?")
    outcome = {"type": "outcome", "event": "buy", "unit_id": "u", "event_id": "e1"}
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        away = admin.post("/api/v1/events", json={"events": [outcome]})
        assert away.status_code == 503
        assert int(away.headers["Retry-After"]) >= 1
        given = admin.post(ASSIGN, json={"unit_id": "u"})
        assert given.json()["assignments"][0]["reason"] == "SPLIT"
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    back = admin.post("/api/v1/events", json={"events": [outcome]}).json()["results"][0]
    assert back["status"] == "stored"
