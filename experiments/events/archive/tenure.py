"""Who changes the archive: one process at a time, and what it commits it commits as the holder."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from sqlalchemy.engine import Connection

from experiments.definitions.errors import Conflict, Unavailable
from experiments.definitions.time import SECOND, Instant
from experiments.store.database import Database
from experiments.store.leases import keep_lease, release_lease, take_lease

LEASE = 60 * SECOND
_NAME = "archive"


class Tenure:
    """The right to change the archive; `confirm` it in each transaction that does."""

    def __init__(self, database: Database, clock: Callable[[], Instant]) -> None:
        self._database = database
        self._clock = clock
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

    def renew(self) -> None:
        """Raise `Conflict` ARCHIVE_BUSY where another process has it."""
        at = self._clock()
        if not take_lease(self._database, _NAME, self._holder, at, at + LEASE):
            raise _busy()

    def confirm(self, connection: Connection) -> None:
        """Hold it until the transaction ends; raises as `renew` does."""
        if not keep_lease(connection, _NAME, self._holder, self._clock() + LEASE):
            raise _busy()

    def end(self) -> None:
        with suppress(Unavailable):  # it runs out by itself
            release_lease(self._database, _NAME, self._holder)


@contextmanager
def tenure(database: Database, clock: Callable[[], Instant]) -> Iterator[Tenure]:
    held = Tenure(database, clock)
    held.renew()
    try:
        yield held
    finally:
        held.end()


def _busy() -> Conflict:
    return Conflict(
        "ARCHIVE_BUSY",
        "another process works on the archive, or one died less than a minute ago; run the"
        " command again when it is done",
    )
