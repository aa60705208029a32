"""Notices as they are written, each once, and read."""

from __future__ import annotations

from experiments.definitions.lifecycle import Standing
from experiments.definitions.time import Instant, now
from experiments.events.event_ids import new_id
from experiments.store.database import Database
from experiments.store.notices import Notice, append_notice, has_notice, list_notices

STARTED, START_FAILED, STOPPED = "STARTED", "START_FAILED", "STOPPED"
RAMP_RAISED, RAMP_HELD, ROLLED_BACK = "RAMP_RAISED", "RAMP_HELD", "ROLLED_BACK"
CODES = (STARTED, START_FAILED, STOPPED, RAMP_RAISED, RAMP_HELD, ROLLED_BACK)


class Notices:
    def __init__(self, database: Database) -> None:
        self._database = database

    def search(
        self, environment: str, experiment: str | None = None, *, limit: int
    ) -> list[Notice]:
        """The newest first, of an environment or of one experiment."""
        with self._database.read() as connection:
            return list_notices(connection, environment, experiment, limit=limit)

    def write(self, standing: Standing, code: str, detail: str) -> Notice:
        environment, experiment = standing.environment, standing.experiment.key
        notice = Notice(environment, new_id(), experiment, code, detail, now())
        with self._database.write() as connection:
            append_notice(connection, notice)
        return notice

    def write_once(
        self, standing: Standing, code: str, detail: str, since: Instant
    ) -> Notice | None:
        """Write it unless the same was said at `since` or later."""
        environment, experiment = standing.environment, standing.experiment.key
        with self._database.read() as connection:
            if has_notice(connection, environment, experiment, code, detail, since):
                return None
        return self.write(standing, code, detail)
