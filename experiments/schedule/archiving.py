"""Once a day closed days go into the archive: in a thread of the leader, which keeps its time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from experiments.definitions.errors import EvenhandError
from experiments.definitions.time import DAY, HOUR, Instant
from experiments.events.archive import Archive, Moved, closed_before
from experiments.settings import Settings
from experiments.store.database import Database

_log = logging.getLogger(__name__)


class Archiving:
    """`attend` is called at each tick; what it starts ends by itself, or by `close`."""

    def __init__(
        self, database: Database, settings: Settings, clock: Callable[[], Instant]
    ) -> None:
        self._archive = Archive(database, Path(settings.archive), clock)
        self._settings = settings
        self._clock = clock
        self._next: Instant = 0
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def attend(self) -> None:
        """Begin where the day's work is not done; come back in an hour where it fails."""
        at = self._clock()
        if not self._settings.compaction or at < self._next:
            return
        if self._thread is not None and self._thread.is_alive():
            return
        self._next = at + HOUR
        self._thread = threading.Thread(target=self._work, name="archiving", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the transaction at hand; the rest is done another time."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        at = self._clock()
        try:
            done = self._archive.compact(
                closed_before(at, self._settings.hot_days), progress=self._go_on
            )
            if self._settings.retention_days is not None:
                self._archive.expire(closed_before(at, self._settings.retention_days))
        except _Closing:
            return
        except EvenhandError as error:
            _log.warning("the archive must wait: %s", error.detail)
        except Exception:  # noqa: BLE001 — the thread's last word; the next hour tries again
            _log.exception("the archive failed")
        else:
            for moved in done:
                _log.info("archived %s", moved)
            self._next = at // DAY * DAY + DAY + HOUR

    def _go_on(self, _moved: Moved) -> None:
        if self._closing.is_set():
            raise _Closing


class _Closing(Exception):
    """The process ends: leave the rest."""
