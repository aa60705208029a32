"""The immutable, compiled picture of everything that is live: what assignment reads.

Each process holds its own and polls one row for the version. While the database is away the
last good picture stays, marked stale; it is also kept in a file, so that a worker can start cold
without the database. With neither, `current` refuses: it never guesses.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from experiments.assignment.picture import EMPTY, EnvironmentPicture, picture_of
from experiments.definitions.errors import EvenhandError, Unavailable
from experiments.definitions.feature import Feature
from experiments.definitions.lifecycle import ARCHIVED, Standing
from experiments.definitions.segment import Segment
from experiments.store.database import Connection, Database
from experiments.store.definitions import FEATURES, SEGMENTS, Stored
from experiments.store.experiments import (
    list_standings,
    standing_from_document,
    standing_to_document,
)
from experiments.store.keys import KeyRecord, key_from_document, list_keys
from experiments.store.live import read_version

POLL_SECONDS = 0.3
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Definitions:
    """What a snapshot is compiled from: all environments, as one reading saw them."""

    version: int
    standings: list[Standing]
    features: list[Stored[Feature]]
    segments: list[Stored[Segment]]
    keys: list[KeyRecord]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`environments` may lack one in which nothing was ever defined: ask `environment`."""

    version: int
    environments: Mapping[str, EnvironmentPicture]
    keys: Mapping[str, KeyRecord]
    stale: bool = False

    def environment(self, key: str) -> EnvironmentPicture:
        return self.environments.get(key, EMPTY)


@dataclass(slots=True)
class _Held:
    """What one process holds."""

    snapshot: Snapshot | None = None
    looked_at: float = 0.0
    loading: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)
    poll: threading.Thread | None = None


class Snapshots:
    def __init__(self, database: Database, path: Path) -> None:
        self._database = database
        self._path = path
        self._by_process: dict[int, _Held] = {}
        self._starting = threading.Lock()

    def current(self) -> Snapshot:
        """The picture this process holds: no database, except at the first call in a process."""
        held = self._by_process.get(os.getpid()) or self._start()
        if held.snapshot is None:
            raise Unavailable(
                "SNAPSHOT_MISSING",
                "the database does not answer and this service has no earlier picture of what is"
                " live; send the request again",
            )
        return held.snapshot

    def refresh(self) -> None:
        """Take over what has changed; keep the last good picture if the database is away."""
        held = self._by_process.get(os.getpid()) or self._start()
        self._load(held, since=time.monotonic())

    def close(self) -> None:
        """Stop polling in this process."""
        held = self._by_process.pop(os.getpid(), None)
        if held is not None and held.poll is not None:
            held.closing.set()
            held.poll.join()

    def _start(self) -> _Held:
        with self._starting:
            pid = os.getpid()
            if pid not in self._by_process:
                held = _Held()
                self._load(held, since=time.monotonic())
                if held.snapshot is None:
                    held.snapshot = self._from_file()
                self._by_process = {pid: held}
                held.poll = threading.Thread(
                    target=self._poll, args=(held,), name="evenhand-snapshot", daemon=True
                )
                held.poll.start()
            return self._by_process[pid]

    def _poll(self, held: _Held) -> None:
        while not held.closing.wait(POLL_SECONDS):
            try:
                self._load(held, since=time.monotonic())
            except Exception:  # noqa: BLE001 — the poll must outlive whatever goes wrong
                _log.exception("the picture of what is live could not be renewed")

    def _load(self, held: _Held, since: float) -> None:
        """Look at the store, unless somebody else has begun to since then."""
        with held.loading:
            if held.looked_at > since:
                return
            held.looked_at = time.monotonic()
            try:
                version, read = self._read(held.snapshot)
            except EvenhandError as error:
                if held.snapshot is not None and not held.snapshot.stale:
                    _log.warning("serving the last good snapshot: %s", error.detail)
                    held.snapshot = replace(held.snapshot, stale=True)
                return
            if read is not None:
                held.snapshot = _compile(read)
                self._to_file(read)
            elif held.snapshot is not None and held.snapshot.stale:
                held.snapshot = replace(held.snapshot, version=version, stale=False)

    def _read(self, held: Snapshot | None) -> tuple[int, _Definitions | None]:
        """The version in the store, and what is defined where it is not the one held."""
        with self._database.read() as connection:
            version = read_version(connection)
            if held is not None and held.version == version:
                return version, None
            return version, _Definitions(
                version,
                list_standings(connection),
                FEATURES.all(connection),
                SEGMENTS.all(connection),
                list_keys(connection),
            )

    def _from_file(self) -> Snapshot | None:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            definitions = _Definitions(
                document["version"],
                [standing_from_document(one) for one in document["experiments"]],
                [FEATURES.from_json(one) for one in document["features"]],
                [SEGMENTS.from_json(one) for one in document["segments"]],
                [key_from_document(one) for one in document["keys"]],
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, EvenhandError):
            _log.exception("the snapshot file %s cannot be read", self._path)
            return None
        return replace(_compile(definitions), stale=True)

    def _to_file(self, definitions: _Definitions) -> None:
        document = {
            "version": definitions.version,
            "experiments": [
                standing_to_document(one) for one in definitions.standings if one.status != ARCHIVED
            ],
            "features": [FEATURES.to_json(one) for one in definitions.features],
            "segments": [SEGMENTS.to_json(one) for one in definitions.segments],
            "keys": [asdict(key) for key in definitions.keys],
        }
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except OSError as error:
            _log.warning("the snapshot file %s cannot be written: %s", self._path, error)
            with suppress(OSError):
                partial.unlink()


def read_picture(
    connection: Connection, environment: str, instead: Standing | None = None
) -> EnvironmentPicture:
    """What is live in one environment at this moment; `instead` stands for what has its key."""
    return picture_of(
        [
            instead if instead is not None and one.experiment.key == instead.experiment.key else one
            for one in list_standings(connection, environment)
        ],
        [(one.record, one.revision) for one in FEATURES.all(connection, environment)],
        [one.record for one in SEGMENTS.all(connection, environment)],
    )


def _compile(definitions: _Definitions) -> Snapshot:
    named = {one.environment for one in definitions.standings}
    named |= {one.environment for one in definitions.features}
    pictures = {
        environment: picture_of(
            [one for one in definitions.standings if one.environment == environment],
            [
                (one.record, one.revision)
                for one in definitions.features
                if one.environment == environment
            ],
            [one.record for one in definitions.segments if one.environment == environment],
        )
        for environment in named
    }
    return Snapshot(
        definitions.version,
        MappingProxyType(pictures),
        MappingProxyType({key.selector: key for key in definitions.keys}),
    )
