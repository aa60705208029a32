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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from experiments.assignment.evaluate import (
    ERROR,
    Assignment,
    CompiledExperiment,
    compile_experiment,
    evaluate,
    outside,
)
from experiments.assignment.live_features import FeatureValue, LiveFeature, live_features
from experiments.definitions.errors import EvenhandError, NotFound, Problem, Unavailable
from experiments.definitions.lifecycle import ARCHIVED, DRAFT, Standing
from experiments.store.database import Database
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
class Live:
    """An experiment that is not archived, ready to be evaluated."""

    standing: Standing
    compiled: CompiledExperiment


@dataclass(frozen=True, slots=True)
class EnvironmentPicture:
    experiments: Mapping[str, Live]
    features: Mapping[str, LiveFeature]

    def assign(
        self,
        unit_id: str,
        unit_type: str,
        attributes: Mapping[str, Any],
        keys: Sequence[str] | None = None,
    ) -> list[Assignment]:
        """What a unit gets in the named experiments, or in all of its type that are no drafts.

        A name that is not known, or of another unit type, is answered with an error of its own;
        `NotFound` where none of the names is known.
        """
        seen = {**attributes, unit_type: unit_id}
        if keys is None:
            return [
                evaluate(live.compiled, unit_id, seen)
                for live in self.experiments.values()
                if live.standing.status != DRAFT and live.compiled.experiment.unit_type == unit_type
            ]
        if not any(key in self.experiments for key in keys):
            raise NotFound("EXPERIMENT_NOT_FOUND", f"there is no experiment {', '.join(keys)}")
        return [self._assign(key, unit_id, unit_type, seen) for key in keys]

    def feature(self, key: str, attributes: Mapping[str, Any]) -> FeatureValue:
        """What a feature gives the unit whose ids are among the attributes; `NotFound`."""
        found = self.features.get(key)
        if found is None:
            raise NotFound("FEATURE_NOT_FOUND", f"no experiment that has started fills {key!r}")
        return found.evaluate(attributes)

    def all_features(self, attributes: Mapping[str, Any]) -> list[FeatureValue]:
        """What every feature gives that unit, in the order of the keys."""
        return [feature.evaluate(attributes) for feature in self.features.values()]

    def _assign(
        self, key: str, unit_id: str, unit_type: str, seen: Mapping[str, Any]
    ) -> Assignment:
        live = self.experiments.get(key)
        if live is None:
            error = Problem("", "EXPERIMENT_NOT_FOUND", f"there is no experiment {key!r}")
            return Assignment(key, key, None, None, ERROR, in_experiment=False, error=error)
        needed = live.compiled.experiment.unit_type
        if needed != unit_type:
            error = Problem(
                "unit_type", "UNIT_TYPE_MISMATCH", f"{key!r} assigns units of type {needed!r}"
            )
            return outside(live.compiled.experiment, ERROR, error)
        return evaluate(live.compiled, unit_id, seen)


_EMPTY = EnvironmentPicture(MappingProxyType({}), MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`environments` may lack one in which nothing was ever defined: ask `environment`."""

    version: int
    environments: Mapping[str, EnvironmentPicture]
    keys: Mapping[str, KeyRecord]
    stale: bool = False

    def environment(self, key: str) -> EnvironmentPicture:
        return self.environments.get(key, _EMPTY)


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
                version, loaded = self._read(held.snapshot)
            except EvenhandError as error:
                if held.snapshot is not None and not held.snapshot.stale:
                    _log.warning("serving the last good snapshot: %s", error.detail)
                    held.snapshot = replace(held.snapshot, stale=True)
                return
            if loaded is not None:
                held.snapshot = loaded
                self._to_file(loaded)
            elif held.snapshot is not None and held.snapshot.stale:
                held.snapshot = replace(held.snapshot, version=version, stale=False)

    def _read(self, held: Snapshot | None) -> tuple[int, Snapshot | None]:
        """The version in the store, and the picture where it is not the one held."""
        with self._database.read() as connection:
            version = read_version(connection)
            if held is not None and held.version == version:
                return version, None
            return version, _compile(version, list_standings(connection), list_keys(connection))

    def _from_file(self) -> Snapshot | None:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            standings = [standing_from_document(one) for one in document["experiments"]]
            keys = [key_from_document(one) for one in document["keys"]]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, EvenhandError):
            _log.exception("the snapshot file %s cannot be read", self._path)
            return None
        return replace(_compile(document["version"], standings, keys), stale=True)

    def _to_file(self, snapshot: Snapshot) -> None:
        document = {
            "version": snapshot.version,
            "experiments": [
                standing_to_document(live.standing)
                for picture in snapshot.environments.values()
                for live in picture.experiments.values()
            ],
            "keys": [asdict(key) for key in snapshot.keys.values()],
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


def _compile(version: int, standings: list[Standing], keys: list[KeyRecord]) -> Snapshot:
    environments: dict[str, dict[str, Live]] = {}
    for standing in standings:
        if standing.status != ARCHIVED:
            live = Live(standing, compile_experiment(standing))
            environments.setdefault(standing.environment, {})[standing.experiment.key] = live
    pictures = {
        name: EnvironmentPicture(
            MappingProxyType(live),
            live_features((one.standing, one.compiled) for one in live.values()),
        )
        for name, live in environments.items()
    }
    return Snapshot(
        version, MappingProxyType(pictures), MappingProxyType({key.selector: key for key in keys})
    )
