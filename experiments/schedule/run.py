"""The scheduler: a thread in each process, of which the one that holds the lease acts."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from uuid import uuid4

from experiments.analysis.service import Reports
from experiments.definitions.errors import Stale, Unavailable
from experiments.definitions.lifecycle import Standing
from experiments.definitions.time import SECOND, Instant, now
from experiments.registry import Experiments
from experiments.schedule import due
from experiments.schedule.actions import Actions
from experiments.schedule.archiving import Archiving
from experiments.schedule.notices import Notices
from experiments.settings import Settings
from experiments.store.database import Database
from experiments.store.experiments import list_standings
from experiments.store.leases import release_lease, take_lease
from experiments.store.notices import Notice

SHORTEST = 0.5  # seconds between two ticks at least
_LEASE = "scheduler"
_LEASE_INTERVALS = 3  # that it lasts: a dead holder's runs out
_LEASE_LEAST = 5.0  # seconds: longer than anybody waits for the database

_log = logging.getLogger(__name__)


class _NotHeld(Exception):
    """The lease is another's, or this process is closing: leave the rest to the next tick."""


class Scheduler:
    """Opens nothing before its first tick. `start` is called in the process that shall act."""

    def __init__(
        self,
        database: Database,
        experiments: Experiments,
        reports: Reports,
        settings: Settings,
        clock: Callable[[], Instant] = now,
    ) -> None:
        self._database = database
        self._interval = settings.scheduler_interval
        self._lease = round(SECOND * max(_LEASE_LEAST, _LEASE_INTERVALS * self._interval))
        self._clock = clock
        self._archiving = Archiving(database, settings, clock)
        self._actions = Actions(experiments, reports, Notices(database), clock, self._hold)
        self._holder = ""
        self._held_until: Instant = 0
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the action at hand, and let another process take over at once."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self._archiving.close()
        if self._holder:
            with suppress(Unavailable):  # the lease runs out by itself
                release_lease(self._database, _LEASE, self._holder)

    def tick(self) -> list[Notice] | None:
        """Do what is due now and say what was done; None where another process holds the lease.

        A report may take long: starts and stops are looked at again before each.
        """
        try:
            self._hold()
        except _NotHeld:
            return None
        done: list[Notice] = []
        with suppress(_NotHeld):
            self._keep_time(done)
            for standing in self._standings():
                if due.is_watched(standing, self._clock()):
                    self._attempt(self._actions.watch, standing, done)
                    self._keep_time(done)
        return done

    def _run(self) -> None:
        pause = 0.0
        while not self._closing.wait(pause):
            pause = self._interval
            try:
                if self.tick() is not None:
                    self._archiving.attend()
                    pause = self._pause()
            except Unavailable as error:
                _log.warning("the scheduler waits for the database: %s", error.detail)
            except Exception:  # noqa: BLE001 — the thread must outlive whatever it meets
                _log.exception("a tick of the scheduler failed; the next one tries again")

    def _pause(self) -> float:
        """Seconds until the clock asks again; something that is made meanwhile can wait for it."""
        at = self._clock()
        instants = [due.wakes_at(standing, at) for standing in self._standings()]
        soonest = min((one for one in instants if one is not None), default=None)
        left = self._interval if soonest is None else (soonest - at) / SECOND
        return min(self._interval, max(SHORTEST, left))

    def _hold(self) -> None:
        """Take the lease, or renew it once half of it is over."""
        if self._closing.is_set():
            raise _NotHeld
        at = now()
        if at < self._held_until - self._lease // 2:
            return
        if not self._holder:
            self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        until = at + self._lease
        if not take_lease(self._database, _LEASE, self._holder, at, until):
            raise _NotHeld
        self._held_until = until

    def _standings(self) -> list[Standing]:
        with self._database.read() as connection:
            return list_standings(connection)

    def _keep_time(self, done: list[Notice]) -> None:
        for standing in self._standings():
            self._attempt(self._actions.keep_time, standing, done)

    def _attempt(
        self,
        action: Callable[[Standing], Iterator[Notice]],
        standing: Standing,
        done: list[Notice],
    ) -> None:
        """What one experiment breaks holds up no other."""
        name = (standing.environment, standing.experiment.key)
        try:
            done.extend(action(standing))
        except Stale:
            _log.info("%s/%s was changed meanwhile; the next tick looks again", *name)
        except Unavailable as error:
            _log.warning("%s/%s must wait for the next tick: %s", *name, error.detail)
        except _NotHeld:
            raise
        except Exception:  # noqa: BLE001 — nor one experiment its neighbours
            _log.exception("the schedule of %s/%s failed", *name)
