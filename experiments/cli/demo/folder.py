"""The demo's data folder: its database, and what a second run needs to know of the first."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from experiments.access import DEFAULT_ENVIRONMENT, KINDS, Keys
from experiments.definitions.time import Instant, now
from experiments.store.database import Database
from experiments.store.experiments import list_standings
from experiments.store.migrate import migrate

NEEDED_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class State:
    """`until` is the end of the simulated traffic, the same in a run that completes another."""

    until: Instant
    secret_key: str
    keys: dict[str, str]
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.path}/evenhand.db"

    @property
    def log(self) -> Path:
        return self.path / "demo.log"

    @property
    def state_file(self) -> Path:
        return self.path / "demo.json"

    def check(self) -> None:
        """One line where the folder cannot be used."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise click.ClickException(
                f"the data folder {self.path} cannot be written to ({error.strerror}); set"
                " EVENHAND_DATA_DIR to another one"
            ) from error
        if free < NEEDED_BYTES:
            raise click.ClickException(
                f"only {free // 1_000_000} MB are free in {self.path}, the demo needs"
                f" {NEEDED_BYTES // 1_000_000}; make room or set EVENHAND_DATA_DIR to another one"
            )

    def open(self) -> State:
        """Make the database and the keys once; what a run before has made stays."""
        known = self._read()
        state = known or State(until=now(), secret_key=secrets.token_hex(32), keys={})
        database = Database(self.database_url)
        try:
            migrate(database)
            if known is None:
                self._refuse_other_data(database)
            # The live keys, not the file, say what is there: the database may have been removed.
            live = {record.selector for record in Keys(database).all()}
            if any(key.split("_")[3] not in live for key in state.keys.values()):
                state = replace(state, until=now(), keys={}, complete=False)
            if not state.keys:
                keys = {
                    kind: Keys(database).create(
                        kind, DEFAULT_ENVIRONMENT, name="demo", actor="cli:demo"
                    )
                    for kind in KINDS
                }
                state = replace(state, keys=keys)
                self.write(state)
        finally:
            database.dispose()
        return state

    def write(self, state: State) -> None:
        partial = self.state_file.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(state), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.state_file)

    def _read(self) -> State | None:
        try:
            return State(**json.loads(self.state_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise click.ClickException(
                f"{self.state_file} cannot be read ({error}); remove the folder {self.path} to"
                " start the demo anew"
            ) from error

    def _refuse_other_data(self, database: Database) -> None:
        with database.read() as connection:
            found = list_standings(connection)
        if found:
            raise click.ClickException(
                f"{self.path} holds experiments that the demo has not made; set EVENHAND_DATA_DIR"
                " to another folder for the demo"
            )
