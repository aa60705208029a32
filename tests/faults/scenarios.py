"""The faults that are tested, each described once: what is sent, what breaks, for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.conftest import ENGINES
from tests.faults import faults
from tests.faults.loader import Clock, Load
from tests.faults.site import Site

SQLITE, POSTGRESQL = ("sqlite",), ("postgresql",)
STEADY = Load()
DAY = 86_400.0
YEAR = 365 * DAY
SINCE_1970 = -datetime.now(UTC).timestamp()  # a clock that was never set


@dataclass(frozen=True)
class Scenario:
    """`seconds` and `short` are how long the fault lasts, in a long and in a short run.

    `lives`: the service is up all the time, so every request gets an answer, assignments too.
    `refused`: how some batches end, or else the fault was not met; the beginnings of endings.
    """

    name: str
    fault: Callable[[Site, str, float], None]
    seconds: float = 0.0
    short: float = 0.0
    load: Load = STEADY
    short_load: Load | None = None
    engines: tuple[str, ...] = ENGINES
    lives: bool = True
    refused: tuple[str, ...] = ()

    def seconds_of(self, *, long: bool) -> float:
        return self.seconds if long else self.short

    def load_of(self, *, long: bool) -> Load:
        return self.load if long or self.short_load is None else self.short_load


FRESH = Load(keep_alive=False, connections=8)
WRONG_CLOCKS = tuple(
    Clock(ahead, says_sent_at)
    for says_sent_at in (True, False)
    for ahead in (-DAY, DAY, -10 * YEAR, 10 * YEAR, SINCE_1970)
    if says_sent_at or ahead != DAY  # taken at its word: a report of today holds no tomorrow
)

SCENARIOS = (
    Scenario("kill -9 of workers", faults.kill_workers, 30, 2, lives=False),
    Scenario(
        "kill -9 of master and workers",
        *(faults.kill_everything, 2, 0.2),
        lives=False,
        refused=("ConnectionRefused",),
    ),
    Scenario(
        "SIGTERM", faults.terminate, 2, 0.2, FRESH, lives=False, refused=("ConnectionRefused",)
    ),
    Scenario("SIGHUP", faults.hang_up_signal, 10, 0.5, FRESH),
    Scenario(
        "database stopped at once",
        *(faults.stop_database, 10, 1.5),
        engines=POSTGRESQL,
        refused=("503 STORE_UNAVAILABLE",),
    ),
    Scenario(
        "database frozen",
        *(faults.freeze_database, 10, 1),
        engines=POSTGRESQL,
        refused=("503 STORE_TIMEOUT", "503 STORE_UNAVAILABLE"),
    ),
    Scenario(
        "cold start, snapshot, no database",
        *(faults.start_cold_with_snapshot, 5, 0.5),
        lives=False,
        refused=("503 STORE_UNAVAILABLE",),
    ),
    Scenario(
        "cold start, nothing, no database",
        *(faults.start_cold_with_nothing, 5, 0.5),
        lives=False,
        refused=("503 SNAPSHOT_MISSING",),
    ),
    Scenario(
        "disk full",
        *(faults.fill_disk, 10, 1),
        engines=SQLITE,
        lives=False,
        refused=("503 STORE_FULL",),
    ),
    Scenario(
        "no file may be written",
        *(faults.limit_files, 10, 1),
        engines=SQLITE,
        refused=("503 STORE_UNAVAILABLE",),
    ),
    Scenario(
        "write lock held",
        *(faults.hold_write_lock, 10, 1),
        engines=SQLITE,
        refused=("503 STORE_BUSY", "503 STORE_TIMEOUT"),
    ),
    Scenario(
        "one batch a thousand times",
        faults.nothing,
        load=Load(units=50, connections=16, batches=1, repeats=1000),
    ),
    Scenario(
        "500 items, 50 of them bad",
        faults.nothing,
        load=Load(units=225, bad=50, batches=40),
        short_load=Load(units=225, bad=50, batches=4),
    ),
    Scenario(
        "replies never read",
        faults.nothing,
        load=Load(hangs_up=True, batches=400),
        short_load=Load(hangs_up=True, batches=40),
    ),
    Scenario(
        "clocks off by days and years, or in 1970",
        faults.nothing,
        load=Load(clocks=WRONG_CLOCKS, batches=40 * len(WRONG_CLOCKS)),
        short_load=Load(clocks=WRONG_CLOCKS, batches=2 * len(WRONG_CLOCKS)),
    ),
)
