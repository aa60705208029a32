"""The service under gunicorn with twenty live experiments, every other one behind an audience."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import http_load
import httpx

from experiments.access import DEFAULT_ENVIRONMENT, Keys
from experiments.store.database import Database
from experiments.store.migrate import migrate

ROOT = Path(__file__).parents[1]
EXPERIMENTS = 20


@contextlib.contextmanager
def evenhand(
    folder: Path, workers: int = 1, url: str | None = None, threads: int | None = None
) -> Iterator[tuple[int, str, int]]:
    """The service with its experiments running: its port, an admin key, its process."""
    url = url or f"sqlite:///{folder}/evenhand.db"
    database = Database(url)
    migrate(database)
    key = Keys(database).create("admin", DEFAULT_ENVIRONMENT, actor="benchmark")
    database.dispose()
    port = http_load.unused_port()
    environ = {
        "EVENHAND_DATABASE_URL": url,
        "EVENHAND_DATA_DIR": str(folder / "data"),
        "EVENHAND_SECRET_KEY": "for the benchmark only",
        "EVENHAND_BIND": f"127.0.0.1:{port}",
        "EVENHAND_WORKERS": str(workers),
        **({} if threads is None else {"EVENHAND_THREADS": str(threads)}),
    }
    command = [sys.executable, "-m", "gunicorn", "wsgi:app"]
    up = f"http://127.0.0.1:{port}"
    log = folder / "evenhand.log"
    with http_load.started(command, environ, f"{up}/healthz", log, ROOT) as process:
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=f"{up}/api/v1", headers=headers, timeout=30) as admin:
            for number in range(EXPERIMENTS):
                name = f"experiment-{number:02}"
                weighted = [{"key": one, "weight": 0.5} for one in ("control", "treatment")]
                audience = {"country": {"$in": ["FR", "DE"]}} if number % 2 else {}
                document = {"key": name, "variants": weighted, "audience": audience}
                admin.post("/experiments", json=document).raise_for_status()
                admin.post(f"/experiments/{name}/start").raise_for_status()
        yield port, key, process.pid
