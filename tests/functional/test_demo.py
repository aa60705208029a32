"""The demo as a person starts it: interrupted, completed, started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from experiments.cli import main
from experiments.cli.demo.samples import UNITS
from experiments.registry import Experiments
from experiments.store.database import Database

READY = "Evenhand runs on"


@contextmanager
def demo(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", "demo", "--bind", f"127.0.0.1:{port}"],
        env={**os.environ, "EVENHAND_DATA_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)


def printed_until_keys(process: subprocess.Popen[str]) -> list[str]:
    """What the demo prints, up to the last of its keys."""
    lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if line.strip().startswith("admin "):
            return lines
    raise AssertionError(f"the demo ended:\n{''.join(lines)}")


def exposures(folder: Path) -> int:
    database = Database(f"sqlite:///{folder}/evenhand.db")
    try:
        with database.read() as connection:
            return connection.exec_driver_sql("SELECT count(*) FROM exposures").scalar_one()
    finally:
        database.dispose()


def test_interrupted_completed_and_started_again(tmp_path: Path, free_port: int) -> None:
    folder, url = tmp_path / "data", f"http://127.0.0.1:{free_port}"
    with demo(folder, free_port) as process:
        while not (folder / "demo.json").exists():
            assert process.poll() is None
            time.sleep(0.05)
        while exposures(folder) < 3_000:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    assert READY not in printed
    state = json.loads((folder / "demo.json").read_text())
    assert state["complete"] is False
    assert exposures(folder) < 3 * UNITS * 0.9

    with demo(folder, free_port) as process:
        lines = "".join(printed_until_keys(process))
        assert READY in lines
        assert f"{url}/docs" in lines
        assert httpx.get(f"{url}/docs").status_code == 200
        assert stat.S_IMODE((folder / "demo.json").stat().st_mode) == 0o600
        state = json.loads((folder / "demo.json").read_text())
        assert state["complete"] is True
        assert all(key in lines for key in state["keys"].values())
        headers = {"Authorization": f"Bearer {state['keys']['admin']}"}
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            reports = {}
            for key in ("checkout-button", "search-ranking", "welcome-tour"):
                assert f"{url}/experiments/{key}" in lines
                assert client.get(f"/experiments/{key}").status_code == 200
                reports[key] = client.get(f"/api/v1/experiments/{key}/results").json()
        decisions = {key: one["decision"]["recommendation"] for key, one in reports.items()}
        assert decisions == {
            "checkout-button": "ship",
            "search-ranking": "no_detectable_effect",
            "welcome-tour": "unhealthy",
        }
        for key in ("checkout-button", "search-ranking"):
            assert sum(reports[key]["units"].values()) == UNITS
        for report in reports.values():
            assert report["crossovers"] == 0
            assert report["health"]["hash_disagreement"]["units"] == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    stored = exposures(folder)

    with demo(folder, free_port) as process:
        lines = "".join(printed_until_keys(process))
        assert all(key in lines for key in state["keys"].values())
        assert exposures(folder) == stored
    assert process.returncode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")


def one_line(folder: Path, *arguments: str, **env: str) -> str:
    """The message of a demo that cannot start."""
    env = {"EVENHAND_DATA_DIR": str(folder), **env}
    done = CliRunner().invoke(main, ["demo", *arguments], env=env)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    return line


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        assert "--bind" in one_line(tmp_path / "data", "--bind", bind)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("bind", ["0.0.0.0:8000", ":8000", "[::]:8000", "example.org:80", "8000"])
def test_an_address_that_others_reach(tmp_path: Path, bind: str) -> None:
    assert "this machine only" in one_line(tmp_path / "data", "--bind", bind)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, free_port: int) -> None:
    (tmp_path / "file").touch()
    line = one_line(tmp_path / "file" / "data", "--bind", f"127.0.0.1:{free_port}")
    assert "EVENHAND_DATA_DIR" in line


def test_a_folder_with_experiments_of_somebody(tmp_path: Path, free_port: int) -> None:
    env = {"EVENHAND_DATA_DIR": str(tmp_path)}
    assert CliRunner().invoke(main, ["init"], env=env).exit_code == 0
    database = Database(f"sqlite:///{tmp_path}/evenhand.db")
    arms = [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]
    Experiments(database, lambda: None).create("staging", {"key": "x", "variants": arms}, "tests")
    database.dispose()
    line = one_line(tmp_path, "--bind", f"127.0.0.1:{free_port}")
    assert "holds experiments that the demo has not made" in line
    assert not (tmp_path / "demo.json").exists()


def test_a_service_that_dies_at_its_start(tmp_path: Path, free_port: int) -> None:
    bind = f"127.0.0.1:{free_port}"
    line = one_line(tmp_path / "data", "--bind", bind, EVENHAND_WORKERS="several")
    assert "does not start" in line
    assert "several" in line
