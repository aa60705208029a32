"""Notices as they are written, each once, and read."""

from __future__ import annotations

from experiments.definitions.lifecycle import Standing
from experiments.definitions.time import Instant
from experiments.events.event_ids import new_id
from experiments.store.database import Database
from experiments.store.notices import Notice, append_notice, has_notice, list_notices

STARTED, START_FAILED, STOPPED = "STARTED", "START_FAILED", "STOPPED"
RAMP_RAISED, RAMP_HELD = "RAMP_RAISED", "RAMP_HELD"
ROLLED_BACK, ROLL_BACK_HELD = "ROLLED_BACK", "ROLL_BACK_HELD"
CODES = (STARTED, START_FAILED, STOPPED, RAMP_RAISED, RAMP_HELD, ROLLED_BACK, ROLL_BACK_HELD)


class Notices:
    def __init__(self, database: Database) -> None:
        self._database = database

    def search(
        self, environment: str, experiment: str | None = None, *, limit: int
    ) -> list[Notice]:
        """The newest first, of an environment or of one experiment."""
        with self._database.read() as connection:
            return list_notices(connection, environment, experiment, limit=limit)

    def write_once(self, notice: Notice, since: Instant) -> bool:
        """Write it unless the same was said at `since` or later."""
        with self._database.write() as connection:
            if has_notice(connection, notice, since):
                return False
            append_notice(connection, notice)
        return True


def notice_of(standing: Standing, code: str, detail: str, at: Instant) -> Notice:
    return Notice(standing.environment, new_id(), standing.experiment.key, code, detail, at)
