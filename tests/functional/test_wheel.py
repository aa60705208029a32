"""The wheel, installed into an empty environment with the locked dependencies, is the service."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "venv", str(folder / "venv"))
    pip = (str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet")
    run(*pip, "--require-hashes", "--requirement", str(ROOT / "requirements.lock"))
    # What the wheel asks for must all be in the lock: nothing may be fetched now.
    run(*pip, "--no-index", str(wheel))
    return folder / "venv" / "bin"


def run(*command: str, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_starts_the_service(environment: Path, tmp_path: Path, free_port: int):
    env = {
        "PATH": f"{environment}:{os.environ['PATH']}",
        "EVENHAND_DATA_DIR": str(tmp_path / "data"),
        "EVENHAND_SECRET_KEY": "for tests",
    }
    run("evenhand", "init", env=env, cwd=tmp_path)
    key = run("evenhand", "key", "create", "--kind", "admin", env=env, cwd=tmp_path).strip()
    assert "\n" not in key
    log = tmp_path / "log"
    with log.open("wb") as output:
        serve = subprocess.Popen(
            ["evenhand", "serve", "--bind", f"127.0.0.1:{free_port}", "--workers", "1"],
            env=env,
            cwd=tmp_path,
            executable=str(environment / "evenhand"),
            stderr=output,
        )
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{free_port}", headers={"X-API-Key": key}, timeout=60
        ) as client:
            wait(client, serve, log)
            metric = {"key": "buy", "kind": "conversion", "event": "buy"}
            experiment = {
                "key": "button",
                "variants": [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}],
                "metrics": [{"metric": "buy", "role": "goal"}],
            }
            assert client.post("/api/v1/metrics", json=metric).status_code == 201
            assert client.post("/api/v1/experiments", json=experiment).status_code == 201
            assert client.post("/api/v1/experiments/button/start").status_code == 200
            assert client.get("/api/v1/experiments/button/results").status_code == 200
            for page in ("/experiments/button", "/docs", "/openapi.json"):
                assert client.get(page).status_code == 200, page
    finally:
        serve.terminate()
        serve.wait(30)


def wait(client: httpx.Client, serve: subprocess.Popen, log: Path) -> None:
    for _ in range(200):
        try:
            if client.get("/healthz").status_code == 200:
                return
        except httpx.TransportError:
            assert serve.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())
