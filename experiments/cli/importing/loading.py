"""Items on their way into the log, in batches, and the tally of what became of them."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TextIO, TypeVar

import click

from experiments.cli.importing.position import LinePosition
from experiments.cli.importing.reading import BadLine, Line
from experiments.definitions.errors import Overloaded, Unavailable
from experiments.definitions.time import now
from experiments.events import Intake, Verdict

KEY_SELECTOR = "import"
BATCH_ITEMS = 2_000
SHOWN = 20
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between attempts while the store does not answer

Item = dict[str, Any]
T = TypeVar("T")
ItemsOf = Callable[[Line], list[Item] | BadLine]


def patiently(store: Callable[[], T], stopped: str) -> T:
    """Store something, again while the store is busy; `stopped` says where an end of patience is.

    Raises `Unavailable` where the store stays away.
    """
    for pause in _PAUSES:
        try:
            return store()
        except (Overloaded, Unavailable) as error:
            if error.code == "STORE_NOT_INITIALISED":
                raise
            click.echo(f"{error.detail}; trying again in {pause:g} s", err=True)
            time.sleep(pause)
    try:
        return store()
    except (Overloaded, Unavailable) as error:
        raise Unavailable(
            error.code,
            f"{stopped}: {error.detail}. Run the same command again later, nothing is doubled",
        ) from error


@dataclass(slots=True)
class Tally:
    """`rows` counts lines, the others events."""

    rows: int = 0
    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0


class BadLines:
    """The refused lines: the first ones are kept to be shown, all of them go to a file."""

    def __init__(self, file: TextIO | None) -> None:
        self.first: list[BadLine] = []
        self.count = 0
        self._last = 0
        self._writer = None if file is None else csv.writer(file)
        if self._writer is not None:
            self._writer.writerow(("line", "code", "reason", "text"))

    def add(self, bad: BadLine) -> None:
        """List a line, once, however many of its events were refused."""
        if bad.number == self._last:
            return
        self._last = bad.number
        self.count += 1
        if self._writer is not None:
            text = bad.text.rstrip("\r\n").encode("utf-8", "replace").decode()
            self._writer.writerow((bad.number, bad.code, bad.reason, text))
        if len(self.first) < SHOWN:
            self.first.append(bad)


class Loader:
    """`position`, if there is one, is told from time to time up to which line all is done."""

    def __init__(
        self,
        intake: Intake,
        environment: str,
        bad_lines: BadLines,
        position: LinePosition | None = None,
    ) -> None:
        self.tally = Tally()
        self._position = position
        self._intake = intake
        self._environment = environment
        self._bad_lines = bad_lines
        self._lines: list[Line] = []
        self._items: list[Item] = []
        self._bad: list[BadLine] = []

    def load(self, lines: Iterable[Line | BadLine], items_of: ItemsOf) -> None:
        """Store the events of every line. Raises `Unavailable` where the store stays away."""
        start = 0 if self._position is None else self._position.line
        for line in lines:
            if line.number <= start:
                continue
            self.tally.rows += 1
            items = line if isinstance(line, BadLine) else items_of(line)
            if isinstance(items, BadLine):
                self._bad.append(items)
            else:
                self._items += items
                self._lines += [line] * len(items)  # type: ignore[list-item]
            if max(len(self._items), len(self._bad)) >= BATCH_ITEMS:
                self._flush()
                if self._position is not None:
                    self._position.passed(line.number)
        self._flush()
        if self._position is not None:
            self._position.finished()

    def _flush(self) -> None:
        for verdict in self._take() if self._items else ():
            if verdict.status == "stored":
                self.tally.stored += 1
            elif verdict.status == "duplicate":
                self.tally.duplicates += 1
            else:
                self.tally.conflicts += verdict.status == "conflict"
                code, reason = verdict.code or verdict.status.upper(), verdict.detail or ""
                self._bad.append(self._lines[verdict.index].refuse(code, reason))
        for bad in sorted(self._bad, key=lambda one: one.number):
            self._bad_lines.add(bad)
        self._lines.clear()
        self._items.clear()
        self._bad.clear()

    def _take(self) -> list[Verdict]:
        """Hand over a batch, again where the store was busy: every event has an id or a time."""
        return patiently(self._take_once, f"stopped before line {self._lines[0].number}")

    def _take_once(self) -> list[Verdict]:
        return self._intake.take(
            self._environment, KEY_SELECTOR, self._items, sent_at=None, received_at=now()
        )
