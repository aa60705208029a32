"""Connections: how a transaction begins, how long it may take, what a failure means.

Nothing is opened before first use, and each process opens its own: a preloaded application may
be forked safely.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import URL, Connection, Engine, make_url

from experiments.definitions.errors import Invalid, Unavailable

__all__ = ["DEADLINE", "Connection", "Database", "database_url"]

DEADLINE = 2.0  # seconds that anybody waits for the database


class Database:
    """One database, opened lazily and anew in each process."""

    def __init__(self, url: str) -> None:
        self.url = database_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engines: dict[int, Engine] = {}

    @property
    def engine(self) -> Engine:
        # Engines of a parent process stay: to forget one would close files and sockets that are
        # not ours. No lock, which a fork could copy while it is held: an engine opens nothing
        # until it is used, and setdefault lets one win.
        pid = os.getpid()
        return self._engines.get(pid) or self._engines.setdefault(pid, self._open())

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one snapshot and writes nothing."""
        with self._begin(writes=False) as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """As `read`, for as long as it takes: the whole store, streamed.

        It blocks nobody, but SQLite's log of changes grows until it ends, and PostgreSQL cleans
        up nothing that it may still see.
        """
        with self._begin(writes=False, deadline=None) as connection:
            if not self.is_sqlite:
                for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
                    connection.execute(sa.text(f"SET LOCAL {limit} = 0"))
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its first statement on SQLite."""
        with self._begin(writes=True) as connection:
            yield connection

    @contextmanager
    def append(self, deadline: float = DEADLINE) -> Iterator[Connection]:
        """A write transaction in which ON CONFLICT meets what others have just committed.

        In the snapshot of `write`, PostgreSQL would refuse such a row as a serialization failure.
        """
        isolation = {} if self.is_sqlite else {"isolation_level": "READ COMMITTED"}
        with self._begin(writes=True, deadline=deadline, **isolation) as connection:
            yield connection

    def ping(self) -> None:
        """Raise `Unavailable` where the database does not answer or has no tables."""
        with self.read() as connection:
            connection.execute(sa.text("SELECT version FROM live"))

    def dispose(self) -> None:
        engine = self._engines.pop(os.getpid(), None)
        if engine is not None:
            engine.dispose()

    @contextmanager
    def _begin(
        self, *, writes: bool, deadline: float | None = DEADLINE, **options: Any
    ) -> Iterator[Connection]:
        engine = self.engine
        try:
            with (
                engine.connect().execution_options(evenhand_writes=writes, **options) as connection,
                _watchdog(connection, deadline),
                connection.begin(),
            ):
                yield connection
        except exc.DBAPIError as error:
            raise _unavailable(error) from error
        except exc.TimeoutError as error:  # every pooled connection is in use
            raise Unavailable(
                "STORE_BUSY", "the database is busy; send the request again"
            ) from error
        finally:
            if self._engines.get(os.getpid()) is not engine:
                engine.dispose()  # it was disposed of while this connection was in use

    def _open(self) -> Engine:
        if not self.is_sqlite:
            engine = sa.create_engine(
                self.url,
                pool_size=4,
                max_overflow=12,
                pool_timeout=DEADLINE,
                isolation_level="REPEATABLE READ",
                connect_args={
                    "connect_timeout": 2,
                    "options": "-c lock_timeout=1500 -c statement_timeout=1900"
                    " -c idle_in_transaction_session_timeout=10000",
                },
            )
            sa.event.listen(engine, "checkout", _refuse_closed)
            return engine
        folder = Path(self.url.database or "").parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                "STORE_UNAVAILABLE", f"the folder {folder} cannot be made: {error.strerror}"
            ) from error
        engine = sa.create_engine(
            self.url, pool_timeout=DEADLINE, connect_args={"timeout": DEADLINE}
        )
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine


def database_url(text: str) -> URL:
    """Read a database URL; `postgres://` and `postgresql://` mean psycopg 3."""
    try:
        url = make_url(text)
    except exc.ArgumentError as error:
        raise Invalid(
            "DATABASE_URL_INVALID",
            f"EVENHAND_DATABASE_URL is not a URL such as sqlite:////var/lib/evenhand/evenhand.db"
            f" or postgresql://user@host/name: {error}",
        ) from error
    name = url.drivername
    if name in {"postgres", "postgresql", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg")
    if name == "sqlite" and url.database not in {None, "", ":memory:"}:
        return url
    raise Invalid(
        "DATABASE_URL_INVALID",
        f"EVENHAND_DATABASE_URL names {name!r}; use sqlite:///PATH or postgresql://…",
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver begins no transactions of its own: `_begin_sqlite` says which kind begins.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("evenhand_writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool open another connection where the server has closed this one.

    A look at the socket, no query: a frozen server would leave a ping without an answer.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):  # an idle connection has nothing to say but its end
        raise exc.DisconnectionError


@contextmanager
def _watchdog(connection: Connection, deadline: float | None) -> Iterator[None]:
    """Shut the socket after the deadline: a frozen server cannot enforce its own time-out."""
    if deadline is None or connection.dialect.name == "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    timer = threading.Timer(deadline, _shut, (driver.fileno(),))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
        copy.shutdown(socket.SHUT_RDWR)


def _unavailable(error: exc.DBAPIError) -> Exception:
    message = str(error.orig)
    if "no such table" in message or "UndefinedTable" in type(error.orig).__name__:
        return Unavailable(
            "STORE_NOT_INITIALISED", "the database has no tables yet; run `evenhand init`"
        )
    if isinstance(error, exc.IntegrityError | exc.DataError | exc.ProgrammingError):
        return error
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", "")
    if state in {"53100", "SQLITE_FULL"}:
        return Unavailable(
            "STORE_FULL",
            "the disk of the database is full and nothing was stored; free space on it, then send"
            " the request again",
        )
    if state == "SQLITE_BUSY":
        return Unavailable("STORE_BUSY", "the database is busy; send the request again")
    return Unavailable("STORE_UNAVAILABLE", "the database does not answer; send the request again")
