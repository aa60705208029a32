"""The way in: a batch of raw items becomes records, and each item gets its verdict."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.assignment.evaluate import compile_experiment
from experiments.assignment.picture import Live
from experiments.definitions.errors import Problem
from experiments.definitions.time import Instant
from experiments.events.clocks import BatchClock, Moment
from experiments.events.dead_letters import dead_letter
from experiments.events.plain import read_exposures, settle_outcomes
from experiments.events.reading import ExposureItem, Item, OutcomeItem, read_item
from experiments.events.records import DeadLetter, OutcomeRecord, Record, Status, Verdict
from experiments.events.settling import is_running, settle_exposure, settle_outcome
from experiments.events.tail import Tells
from experiments.events.writer import Writer
from experiments.snapshot import Snapshots
from experiments.store.database import DEADLINE, Database
from experiments.store.experiments import find_standing

_CONFLICT = (
    "EVENT_ID_CONFLICT",
    "this event_id was stored before with another body, which stands; give a new id to a new event",
)


class Intake:
    """Opens nothing until the first batch; each process has a writer of its own.

    `tells` hears of every batch that was answered.
    """

    def __init__(
        self,
        database: Database,
        snapshots: Snapshots,
        *,
        queue_items: int,
        tells: Tells | None = None,
    ) -> None:
        self._database = database
        self._snapshots = snapshots
        self._queue_items = queue_items
        self._tells = tells
        self._writers: dict[int, Writer] = {}

    def take(
        self,
        environment: str,
        key_selector: str,
        items: Sequence[Any],
        *,
        sent_at: Instant | None,
        received_at: Instant,
    ) -> list[Verdict]:
        """Judge and store a batch of parsed JSON items; one verdict for each, in their order.

        Returns after the commit. Raises `Overloaded` QUEUE_FULL before anything is done, and
        `Unavailable` where the store does not confirm: then the whole batch is to be sent again.
        """
        deadline = time.monotonic() + DEADLINE
        writer = self._writer()
        writer.check_room(len(items))
        records = self.settle(
            environment, key_selector, items, sent_at=sent_at, received_at=received_at
        )
        statuses = writer.write(records, deadline) if records else []
        verdicts = [
            verdict_on(index, raw, record, status)
            for index, (raw, record, status) in enumerate(
                zip(items, records, statuses, strict=True)
            )
        ]
        if self._tells is not None:
            answered = zip(items, records, verdicts, strict=True)
            self._tells.tell(environment, key_selector, received_at, answered)
        return verdicts

    def settle(
        self,
        environment: str,
        key_selector: str,
        items: Sequence[Any],
        *,
        sent_at: Instant | None,
        received_at: Instant,
    ) -> list[Record]:
        """Judge the items of a batch: what is to be stored of each, in their order."""
        clock = BatchClock(received_at, sent_at)
        plain = settle_outcomes(environment, items, clock)
        others = self._settle_each(
            environment,
            key_selector,
            [raw for raw, record in zip(items, plain, strict=True) if record is None],
            clock,
        )
        return [next(others) if record is None else record for record in plain]

    def close(self) -> None:
        """Commit what waits in this process and take no more."""
        writer = self._writers.get(os.getpid())
        if writer is not None:
            writer.close()

    def _writer(self) -> Writer:
        # No lock, which a fork could copy while it is held: setdefault lets one writer win.
        pid = os.getpid()
        return self._writers.get(pid) or self._writers.setdefault(
            pid, Writer(self._database, queue_items=self._queue_items)
        )

    def _settle_each(
        self, environment: str, key_selector: str, items: list[Any], clock: BatchClock
    ) -> Iterator[Record]:
        read = [
            _placed(read_item(raw) if plain is None else plain, clock)
            for raw, plain in zip(items, read_exposures(items), strict=True)
        ]
        live = self._live(environment, read)
        received_at = clock.received_at
        for raw, (item, moment) in zip(items, read, strict=True):
            settled = _settle(environment, item, moment, live, received_at)
            if isinstance(settled, Problem):
                settled = dead_letter(
                    environment,
                    raw,
                    settled,
                    key_selector=key_selector,
                    received_at=received_at,
                )
            yield settled

    def _live(
        self, environment: str, read: list[tuple[Item | Problem, Moment]]
    ) -> Mapping[str, Live | None]:
        """The experiments that the batch names.

        The snapshot may be a moment old: what it does not know, or thinks not running at the
        time of the event, is looked up in the store, once for each experiment.
        """
        live: dict[str, Live | None] = {}
        doubtful: dict[str, None] = {}
        exposures = [(item, at) for item, at in read if isinstance(item, ExposureItem)]
        if not exposures:
            return live
        picture = self._snapshots.current().environment(environment).experiments
        for item, moment in exposures:
            key = item.experiment
            known = live[key] = picture.get(key)
            if known is None or not is_running(known.standing, moment.at):
                doubtful[key] = None
        if doubtful:
            with self._database.read() as connection:
                for key in doubtful:
                    standing = find_standing(connection, environment, key)
                    if standing is not None:
                        live[key] = Live(standing, compile_experiment(standing))
        return live


def _placed(item: Item | Problem, clock: BatchClock) -> tuple[Item | Problem, Moment]:
    return item, clock.place(None if isinstance(item, Problem) else item.client_at)


def _settle(
    environment: str,
    item: Item | Problem,
    moment: Moment,
    live: Mapping[str, Live | None],
    received_at: Instant,
) -> Record | Problem:
    if isinstance(item, Problem):
        return item
    if isinstance(item, OutcomeItem):
        return settle_outcome(environment, item, moment, received_at)
    known = live[item.experiment]
    if known is None:
        return Problem(
            "experiment",
            "UNKNOWN_EXPERIMENT",
            f"there is no experiment {item.experiment!r} in {environment!r}; create it, or use"
            " a key of the right environment",
        )
    return settle_exposure(item, known.standing, known.compiled, moment, received_at)


def verdict_on(index: int, raw: Any, record: Record, status: Status) -> Verdict:
    """What the client is told of an item."""
    if isinstance(record, OutcomeRecord):
        reason = _CONFLICT if status == "conflict" else (None, None)
        return Verdict(index, record.event_id, status, *reason)
    named = raw.get("event_id") if isinstance(raw, dict) else None
    event_id = named if isinstance(named, str) else None
    if isinstance(record, DeadLetter):
        return Verdict(index, event_id, status, record.code, record.detail)
    return Verdict(index, event_id, status)
