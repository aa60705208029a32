"""The one writer of a process: batches gather while it commits, and go into its next transaction.

A batch is answered after the commit that holds it. One that waits longer than its deadline is
given up: whether it was stored is unknown, and the retry is told by its ids.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import exc

from experiments.definitions.errors import EvenhandError, Invalid, Overloaded, Unavailable
from experiments.events.log import append
from experiments.events.records import Record, Status
from experiments.store.database import DEADLINE, Database

GATHER_ITEMS = 2_000  # events in one transaction, unless a single batch is larger
ATTEMPTS = 3
_DEADLOCK_OR_SERIALIZATION = {"40P01", "40001"}
_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Batch:
    """Records on their way to the store, and what came of them."""

    records: Sequence[Record]
    statuses: list[Status] | None = None
    error: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def answer(self, statuses: list[Status] | None, error: Exception | None = None) -> None:
        self.statuses, self.error = statuses, error
        self.done.set()


class Writer:
    """Belongs to one process; its thread starts with the first batch."""

    def __init__(self, database: Database, *, queue_items: int) -> None:
        self._database = database
        self._queue_items = queue_items
        self._queue: deque[_Batch] = deque()
        self._queued_items = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    def check_room(self, items: int) -> None:
        """Raise `Overloaded` before any work is spent on a batch that would not be queued."""
        if self._queued_items and self._queued_items + items > self._queue_items:
            raise Overloaded(
                "QUEUE_FULL", "more events wait than the service holds; send the batch again later"
            )

    def write(self, records: Sequence[Record], deadline: float) -> list[Status]:
        """Wait for the commit that holds the records, until `deadline` on the monotonic clock.

        Raises `Overloaded` QUEUE_FULL (nothing was stored) and `Unavailable`: STORE_TIMEOUT
        (it may have been), or what the database answered.
        """
        batch = _Batch(records)
        with self._changed:
            if self._closing:
                raise Unavailable("SHUTTING_DOWN", "the service is stopping; send the batch again")
            self.check_room(len(records))
            self._queue.append(batch)
            self._queued_items += len(records)
            # A thread that died, whatever of, must not take the service with it.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="evenhand-events", daemon=True
                )
                self._thread.start()
            self._changed.notify()
        if not batch.done.wait(max(deadline - time.monotonic(), 0)):
            self._give_up(batch)
        if isinstance(batch.error, EvenhandError):
            raise type(batch.error)(batch.error.code, batch.error.detail) from batch.error
        if batch.error is not None:
            raise batch.error
        if batch.statuses is None:
            raise Unavailable(
                "STORE_TIMEOUT",
                "the database did not confirm in time, the events may be stored or not; send the"
                " same batch again, nothing is counted twice",
            )
        return batch.statuses

    def close(self) -> None:
        """Take no more, commit what waits, end the thread."""
        with self._changed:
            self._closing = True
            thread = self._thread
            self._changed.notify()
        if thread is not None:
            thread.join(2 * DEADLINE)

    def _give_up(self, batch: _Batch) -> None:
        with self._changed:
            if batch in self._queue:
                self._queue.remove(batch)
                self._queued_items -= len(batch.records)

    def _run(self) -> None:
        while batches := self._gather():
            self._commit(batches)

    def _gather(self) -> list[_Batch]:
        """What waits, up to one transaction's worth; empty when there is nothing more to do."""
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            batches: list[_Batch] = []
            items = 0
            while self._queue and (
                not batches or items + len(self._queue[0].records) <= GATHER_ITEMS
            ):
                batches.append(self._queue.popleft())
                items += len(batches[-1].records)
            self._queued_items -= items
            return batches

    def _commit(self, batches: list[_Batch]) -> None:
        try:
            statuses = self._append([record for batch in batches for record in batch.records])
        except Unavailable as error:
            for batch in batches:
                batch.answer(None, error)
        except Exception as error:  # noqa: BLE001 — whatever it is, its waiters must hear of it
            if len(batches) > 1:  # one of them spoils it: each on its own
                for batch in batches:
                    self._commit([batch])
                return
            _log.exception("a batch of events cannot be stored")
            batches[0].answer(None, _refusal(error))
        else:
            start = 0
            for batch in batches:
                end = start + len(batch.records)
                batch.answer(statuses[start:end])
                start = end

    def _append(self, records: list[Record]) -> list[Status]:
        for _ in range(ATTEMPTS - 1):
            try:
                return self._append_once(records)
            except Unavailable as error:
                if not lost_a_race(error):
                    raise
        return self._append_once(records)

    def _append_once(self, records: list[Record]) -> list[Status]:
        with self._database.append() as connection:
            return append(connection, records)


def lost_a_race(error: Unavailable) -> bool:
    """Whether PostgreSQL ended a transaction for the sake of another: it may be repeated."""
    cause = error.__cause__
    state = getattr(cause.orig, "sqlstate", None) if isinstance(cause, exc.DBAPIError) else None
    return state in _DEADLOCK_OR_SERIALIZATION


def _refusal(error: Exception) -> Exception:
    if isinstance(error, exc.DBAPIError):
        return Invalid(
            "BATCH_REFUSED",
            "the database refuses a value in this batch and nothing of it was stored; send the"
            " events one by one to find the one that it refuses",
        )
    return error
