"""The scheduler: a thread in each process, of which the one that holds the lease acts.

Every action goes through the registry with the revision that was read, so that two that both think
they hold the lease do a thing once, and it stands in the audit under the name `scheduler`.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from uuid import uuid4

from experiments.analysis.service import Reports
from experiments.analysis.wording import percent
from experiments.definitions.errors import EvenhandError, Stale, Unavailable
from experiments.definitions.lifecycle import Standing
from experiments.definitions.time import SECOND, format_instant, now
from experiments.registry import Experiments
from experiments.schedule import due, gate
from experiments.schedule.notices import (
    RAMP_HELD,
    RAMP_RAISED,
    ROLLED_BACK,
    START_FAILED,
    STARTED,
    STOPPED,
    Notices,
)
from experiments.store.database import Database
from experiments.store.experiments import list_standings
from experiments.store.leases import release_lease, take_lease
from experiments.store.notices import Notice

ACTOR = "scheduler"
INTERVAL = 15.0  # seconds between two ticks; the holder wakes earlier for what is due earlier
SHORTEST = 0.5  # seconds between two ticks at least
LEASE_SECONDS = 45  # renewed at each step of a tick; a dead holder's runs out
_LEASE = "scheduler"

_log = logging.getLogger(__name__)


class _NotHeld(Exception):
    """The lease is another's, or this process is closing: leave the rest to the next tick."""


class Scheduler:
    """Opens nothing before its first tick. `start` is called in the process that shall act."""

    def __init__(self, database: Database, experiments: Experiments, reports: Reports) -> None:
        self._database = database
        self._experiments = experiments
        self._reports = reports
        self._notices = Notices(database)
        self._holder = ""
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
        if self._holder:
            with suppress(Unavailable):  # the lease runs out by itself
                release_lease(self._database, _LEASE, self._holder)

    def tick(self) -> list[Notice] | None:
        """Do what is due now and say what was done; None where another process holds the lease."""
        try:
            self._hold()
        except _NotHeld:
            return None
        done: list[Notice] = []
        with suppress(_NotHeld):
            for standing in self._standings():
                done += self._attempt(self._keep_time, standing)
            for standing in self._standings():
                if due.is_watched(standing, now()):
                    done += self._attempt(self._watch, standing)
        return done

    def _run(self) -> None:
        pause = 0.0
        while not self._closing.wait(pause):
            pause = INTERVAL
            try:
                if self.tick() is not None:
                    pause = self._pause()
            except Unavailable as error:
                _log.warning("the scheduler waits for the database: %s", error.detail)
            except Exception:  # noqa: BLE001 — the thread must outlive whatever it meets
                _log.exception("a tick of the scheduler failed; the next one tries again")

    def _pause(self) -> float:
        """Seconds until the clock asks again."""
        at = now()
        instants = [due.wakes_at(standing, at) for standing in self._standings()]
        soonest = min((one for one in instants if one is not None), default=None)
        left = INTERVAL if soonest is None else (soonest - at) / SECOND
        return min(INTERVAL, max(SHORTEST, left))

    def _hold(self) -> None:
        if not self._holder:
            self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        at = now()
        until = at + LEASE_SECONDS * SECOND
        if self._closing.is_set() or not take_lease(
            self._database, _LEASE, self._holder, at, until
        ):
            raise _NotHeld

    def _standings(self) -> list[Standing]:
        with self._database.read() as connection:
            return list_standings(connection)

    def _attempt(
        self, action: Callable[[Standing], Iterator[Notice]], standing: Standing
    ) -> list[Notice]:
        """What one experiment breaks holds up no other."""
        done: list[Notice] = []
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
        return done

    def _keep_time(self, standing: Standing) -> Iterator[Notice]:
        action = due.by_clock(standing, now())
        if action is None:
            return
        self._hold()
        schedule = standing.experiment.schedule
        if action == due.STOP:
            self._move(standing, "stop")
            yield self._notices.write(
                standing,
                STOPPED,
                f"Stopped by its schedule ({_instant(schedule.stop_at)}): everybody gets the"
                " control.",
            )
            return
        try:
            if action == due.START:
                self._move(standing, "start")
        except (Stale, Unavailable):
            raise
        except EvenhandError as error:
            yield from self._once(standing, f"Not started: {error.detail} [{error.code}]")
            return
        if action == due.MISSED:
            yield from self._once(
                standing,
                f"Not started: its stop ({_instant(schedule.stop_at)}) had come before it could"
                " start; set a later stop_at.",
            )
        else:
            yield self._notices.write(
                standing, STARTED, f"Started by its schedule ({_instant(schedule.start_at)})."
            )

    def _once(self, standing: Standing, detail: str) -> Iterator[Notice]:
        """A start that failed, said once for each revision."""
        notice = self._notices.write_once(standing, START_FAILED, detail, standing.updated_at)
        if notice is not None:
            yield notice

    def _watch(self, standing: Standing) -> Iterator[Notice]:
        """Roll back what is harmed; raise the traffic of what is sound and has its time."""
        self._hold()
        environment, key = standing.environment, standing.experiment.key
        is_due = due.is_raise_due(standing, now())
        try:
            report = self._reports.watch(environment, key, self._hold)
        except EvenhandError as error:
            _log.warning("no report of %s/%s: %s", environment, key, error.detail)
            if is_due:
                yield from self._held(standing, f"no report could be made [{error.code}]")
            return
        if report.document["revision"] != standing.revision:
            return
        decision = gate.verdict(standing, report.document)
        if decision.recommendation == gate.ROLL_BACK:
            self._move(standing, "stop")
            yield self._notices.write(
                standing, ROLLED_BACK, f"{decision.reason} Stopped: everybody gets the control."
            )
        elif is_due and decision.recommendation == gate.UNHEALTHY:
            yield from self._held(standing, gate.why_held(decision))
        elif is_due:
            yield from self._raise(standing)

    def _raise(self, standing: Standing) -> Iterator[Notice]:
        step, experiment = due.next_step(standing), standing.experiment
        if step is None:
            raise AssertionError("a raise that is due has a step")
        self._hold()
        try:
            after = self._experiments.ramp(
                standing.environment,
                experiment.key,
                step,
                ACTOR,
                expected_revision=standing.revision,
            )
        except (Stale, Unavailable):
            raise
        except EvenhandError as error:
            yield from self._held(standing, f"{error.detail} [{error.code}]")
            return
        yield self._notices.write(
            after,
            RAMP_RAISED,
            f"Traffic raised from {percent(experiment.traffic)} to"
            f" {percent(after.experiment.traffic)} (step {step + 1} of"
            f" {len(experiment.schedule.ramp)}).",
        )

    def _held(self, standing: Standing, reason: str) -> Iterator[Notice]:
        """A step that is held, said once for each reason."""
        phase, experiment = standing.phase, standing.experiment
        if phase is None:
            raise AssertionError("a ramp runs in a phase")
        notice = self._notices.write_once(
            standing,
            RAMP_HELD,
            f"Traffic stays at {percent(experiment.traffic)} (step {phase.step + 1} of"
            f" {len(experiment.schedule.ramp)}): {reason}.",
            phase.started_at if phase.step_at is None else phase.step_at,
        )
        if notice is not None:
            yield notice

    def _move(self, standing: Standing, verb: str) -> None:
        self._experiments.move(
            standing.environment,
            standing.experiment.key,
            verb,
            ACTOR,
            expected_revision=standing.revision,
        )


def _instant(instant: int | None) -> str:
    return "" if instant is None else format_instant(instant)
