"""Of many processes one holds a lease, and one acts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from experiments.store.database import Database
from experiments.store.leases import release_lease, take_lease
from tests.conftest import ROOT

PROCESSES, RACES = 3, 40

# Each takes the same leases in the same order, all from the same moment on.
RACE = """
import json, sys, time
from experiments.store.database import Database
from experiments.store.leases import take_lease
url, holder, start, races = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
database = Database(url)
database.ping()
while time.time() < start:
    pass
won = [i for i in range(races) if take_lease(database, f"race-{i}", holder, at=0, until=9)]
database.dispose()
print(json.dumps(won))
"""


def test_a_lease_is_one_holders_until_it_runs_out(database: Database):
    assert take_lease(database, "job", "a", at=0, until=10)
    assert not take_lease(database, "job", "b", at=9, until=19)
    assert take_lease(database, "job", "a", at=9, until=20), "the holder renews it"
    assert not take_lease(database, "job", "b", at=19, until=30)
    assert take_lease(database, "other", "b", at=19, until=30), "leases are apart"
    assert take_lease(database, "job", "b", at=20, until=30)
    assert not take_lease(database, "job", "a", at=20, until=30)


def test_only_the_holder_lets_go(database: Database):
    assert take_lease(database, "job", "a", at=0, until=10)
    release_lease(database, "job", "b")
    assert not take_lease(database, "job", "b", at=5, until=15)
    release_lease(database, "job", "a")
    assert take_lease(database, "job", "b", at=5, until=15)


def test_of_many_processes_one_wins_each_race(database_url: str):
    start = str(time.time() + 2)
    running = [
        launch(database_url, "-c", RACE, database_url, f"p{number}", start, str(RACES))
        for number in range(PROCESSES)
    ]
    won = [lease for process in running for lease in json.loads(output(process))]
    assert sorted(won) == list(range(RACES))


def test_of_many_ticks_at_once_one_acts(shop: Any, database_url: str):
    keys = [f"e{number}" for number in range(5)]
    for key in keys:
        shop.create(key, schedule={"start_at": "2020-01-01T00:00:00Z"})
    running = [launch(database_url, "-m", "experiments.cli", "tick") for _ in range(PROCESSES)]
    printed = "".join(output(process) for process in running)
    assert printed.count("STARTED") == len(keys)
    assert sorted(shop.notices()) == [(key, "STARTED") for key in keys]
    for key in keys:
        history = shop.get(f"/experiments/{key}/history")["revisions"]
        assert [one["verb"] for one in history] == ["start", "create"]


def launch(url: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "EVENHAND_DATABASE_URL": url},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out
