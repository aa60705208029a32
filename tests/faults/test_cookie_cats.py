"""A public A/B test, replayed over HTTP while workers are killed, gives its published figures.

The data are those of the mobile game Cookie Cats: 90,189 players, the first gate at level 30 or 40.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
KILL_EVERY = 1.5  # seconds


@pytest.fixture(params=["sqlite", "postgresql"])
def report(start_service, shared: Path, request: pytest.FixtureRequest) -> dict:
    make: Callable[[], str] = request.getfixturevalue(f"new_{request.param}")
    service = start_service(make(), workers=2)
    admin = service.client()
    command = [
        sys.executable,
        str(ROOT / "examples" / "replay_cookie_cats.py"),
        *("--file", str(shared / "data" / "cookie_cats.csv"), "--url", service.url),
    ]
    key = admin.headers["Authorization"].removeprefix("Bearer ")
    replay = subprocess.Popen(
        command,
        env={**os.environ, "EVENHAND_KEY": key},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    over = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while not over.wait(KILL_EVERY):
            with suppress(ProcessLookupError, IndexError):
                victim = random.choice(service.workers())
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

    killer = threading.Thread(target=kill)
    killer.start()
    output, _ = replay.communicate(timeout=300)
    over.set()
    killer.join()
    assert replay.returncode == 0, output
    assert len(killed) >= 2, "the replay was over before anything was killed"
    answer = admin.get("/api/v1/experiments/cookie-cats/results")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_published_figures(report: dict):
    assert report["units"] == {"gate_30": 44_700, "gate_40": 45_489}
    assert report["crossovers"] == 0
    assert report["health"]["srm"]["p_value"] == pytest.approx(0.0086, abs=5e-5)
    assert report["health"]["srm"]["flagged"] is False
    assert report["decision"]["recommendation"] == "roll_back"
    assert report["decision"]["facts"]["metric"] == "retention_7"
    metrics = {metric["metric"]: metric for metric in report["metrics"]}
    assert means(metrics["retention_1"]) == pytest.approx([0.448188, 0.442283], abs=5e-7)
    assert means(metrics["retention_7"]) == pytest.approx([0.190201, 0.182000], abs=5e-7)
    assert means(metrics["sum_gamerounds"]) == pytest.approx([52.456, 51.299], abs=5e-4)
    one, seven, rounds = (
        metrics[key]["comparisons"][0]["difference"]
        for key in ("retention_1", "retention_7", "sum_gamerounds")
    )
    assert one["estimate"] == pytest.approx(-0.005905, abs=5e-7)
    assert one["p_value"] == pytest.approx(0.074414, abs=5e-7)
    assert seven["estimate"] == pytest.approx(-0.008201, abs=5e-7)
    assert seven["interval"] == pytest.approx([-0.013282, -0.003121], abs=5e-7)
    assert seven["p_value"] == pytest.approx(0.0015565, abs=5e-8)
    assert rounds["p_value"] == pytest.approx(0.37592, abs=5e-6)


def means(metric: dict) -> list[float]:
    return [variant["mean"] for variant in metric["variants"]]
