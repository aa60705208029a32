"""The example replays a public test over HTTP; a worker that is killed meanwhile costs nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from experiments.store.database import Database
from experiments.store.watermark import read_watermark
from tests.functional.cookie_cats import EVENTS, check_report

ROOT = Path(__file__).parents[2]


def test_the_published_report_comes_out_although_workers_are_killed(
    database_url: str, start_service: Callable, shared: Path
) -> None:
    service = start_service(database_url)
    client = service.client("admin")
    database = Database(database_url)
    replay = subprocess.Popen(
        [
            *(sys.executable, "examples/replay_cookie_cats.py", "--url", service.url),
            *("--file", str(shared / "data" / "cookie_cats.csv")),
        ],
        cwd=ROOT,
        env={**os.environ, "EVENHAND_KEY": service.key("admin")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    killed = []
    while replay.poll() is None and len(killed) < 3:
        before = read_watermark(database)
        while replay.poll() is None and read_watermark(database) < before + 20:
            time.sleep(0.02)
        if replay.poll() is None and (workers := service.workers()):
            killed.append(workers[0])
            os.kill(workers[0], signal.SIGKILL)
    database.dispose()
    printed, complaints = replay.communicate()
    assert replay.returncode == 0, complaints
    assert killed, "the replay was over before a worker could be killed"
    assert f"{EVENTS:,} events acknowledged" in printed
    assert "roll_back: Roll back gate_40" in printed
    report = client.get("/api/v1/experiments/cookie-cats/results").json()
    check_report(report, rounds="sum_gamerounds")
