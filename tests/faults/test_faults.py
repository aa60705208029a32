"""Whatever breaks: what was acknowledged is there once, and after retries all that was sent is.

A short run, unless EVENHAND_FAULTS is `long` (`make faults`). docs/reliability.md tells of both.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ENGINES, ROOT
from tests.faults import faults
from tests.faults.loader import Connection, Order
from tests.faults.outcome import Outcome, Written, dead_letters, stored_events
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.site import Site

LONG = os.environ.get("EVENHAND_FAULTS") == "long"
# Two seconds for the database, and whatever a busy machine keeps a process waiting.
LONGEST_WAIT = 12.0
REFUSED = {"429", "503"}


@pytest.mark.parametrize(
    ("engine", "scenario"),
    [(engine, one) for engine in ENGINES for one in SCENARIOS if engine in one.engines],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_nothing_is_lost_and_nothing_doubled(
    site_of: Callable[[str], Site],
    engine: str,
    scenario: Scenario,
    environment: str,
    tmp_path: Path,
    outcomes: list[Outcome],
) -> None:
    if scenario.fault is faults.fill_disk and not faults.may_mount():
        pytest.skip("no small disk may be mounted here; see `no file may be written`")
    site = site_of(engine)
    site.define(environment)
    key = site.service.key("admin", environment)
    load = scenario.load_of(long=LONG)
    order = Order(site.service.url, key, str(tmp_path), load)
    asker = Asker(site.service.url, key)
    asker.start()
    loader = subprocess.Popen([sys.executable, "-m", "tests.faults.loader", order.text()], cwd=ROOT)
    try:
        wait_for(lambda: (tmp_path / "acknowledged").stat().st_size > 0, tmp_path)
        scenario.fault(site, key, scenario.seconds_of(long=LONG))
        if load.batches is None:
            loader.send_signal(signal.SIGTERM)
        assert loader.wait(120) == 0
    finally:
        loader.kill()
        loader.wait()
        asker.end()
    summary = json.loads((tmp_path / "summary.json").read_text())
    written = Written.read(tmp_path)
    sent, acknowledged = written.sent, written.acknowledged
    stored = stored_events(site.url, environment)
    outcomes.append(
        Outcome(
            scenario.name,
            site.engine,
            sent=len(sent),
            acknowledged=len(acknowledged),
            stored=stored.total(),
            doubled=sum(count > 1 for count in stored.values()),
            lost=len(acknowledged - stored.keys()),
            longest_wait=summary["longest"],
            assignment_p99=asker.percentile(0.99),
        )
    )
    assert (outcomes[-1].lost, outcomes[-1].doubled) == (0, 0)
    check_endings(scenario, summary, written, stored)
    check_assignments(scenario, asker)

    send_again(site, key, written)
    assert stored_events(site.url, environment) == Counter(sent)
    assert site.reported(key) == (len(sent) // 2, len(sent) // 2)
    if load.bad:
        assert set(summary["bad_verdicts"]) == {"rejected"}
        assert dead_letters(site.url, environment) == load.bad * len(written.bodies)


def check_endings(
    scenario: Scenario, summary: dict[str, Any], written: Written, stored: Counter[str]
) -> None:
    endings, verdicts = set(summary["endings"]), summary["verdicts"]
    refused = {one for one in endings if one[0].isdigit() and one != "200"}
    broken = endings - refused - {"200", "hung up"}
    assert {one.split()[0] for one in refused} <= REFUSED, endings
    assert "TimeoutError" not in broken, endings
    if scenario.lives:
        assert not broken, endings
    if scenario.refused:
        assert any(one.startswith(scenario.refused) for one in endings), endings
    if scenario.lives and scenario.refused:
        assert summary["longest"] < LONGEST_WAIT
    if not scenario.load.keep_alive:
        # A signal: a request that was read is answered. One that was stored was read, and a
        # connection that ends without a reset was read to its end.
        assert stored.keys() == written.acknowledged
        assert "RemoteDisconnected" not in broken, endings
    if scenario.load.hangs_up:
        assert stored.keys() - written.acknowledged, "no reply was cut after its commit"
    assert set(verdicts) <= {"stored", "duplicate"}
    assert verdicts["stored"] <= len(written.sent), "an event was stored anew"
    if endings == {"200"}:
        assert verdicts["stored"] == len(written.sent)


def check_assignments(scenario: Scenario, asker: Asker) -> None:
    assert asker.endings["200"] > 0, asker.endings
    if scenario.lives:
        assert set(asker.endings) == {"200"}
        assert max(asker.waits) < LONGEST_WAIT


def send_again(site: Site, key: str, written: Written) -> None:
    """What a client does with whatever was not acknowledged, until it is."""
    connection = Connection(site.service.url, key)
    for body in written.unanswered():
        end = time.monotonic() + 60
        ending, answer = connection.post("/api/v1/events", body)
        while answer is None:
            assert time.monotonic() < end, f"a retry is not taken: {ending}"
            time.sleep(0.1)
            ending, answer = connection.post("/api/v1/events", body)
    connection.close()


def wait_for(happened: Callable[[], bool], folder: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not ((folder / "acknowledged").exists() and happened()):
        assert time.monotonic() < end, "the loader does not get a batch through"
        time.sleep(0.02)


class Asker(threading.Thread):
    """Asks for assignments all the time, of one unit after the other."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(name="asker")
        self.endings: Counter[str] = Counter()
        self.waits: list[float] = []
        self._connection = Connection(url, key, keep_alive=False)
        self._over = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._over.wait(0.02):
            number += 1
            began = time.monotonic()
            ending, _ = self._connection.post("/api/v1/assignments", {"unit_id": f"u{number}"})
            self.endings[ending] += 1
            self.waits.append(time.monotonic() - began)

    def end(self) -> None:
        self._over.set()
        self.join()
        self._connection.close()

    def percentile(self, part: float) -> float:
        return sorted(self.waits)[int(part * (len(self.waits) - 1))]
