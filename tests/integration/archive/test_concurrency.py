"""Events come, and reports are made, while days are archived."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from experiments.events.archive import compaction

WRITERS, ROUNDS, BATCH = 3, 12, 40


class Sender(threading.Thread):
    """Sends events of closed days, each of them several times over all senders."""

    def __init__(self, log, stored: Counter[str]) -> None:
        super().__init__()
        self.log, self.stored = log, stored
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for number in range(ROUNDS):
                names = [f"{number}-{n}" for n in range(BATCH)]
                items = [self.log.exposure(f"u{name}") for name in names]
                items += [self.log.outcome(f"u{name}", name, 1.5) for name in names]
                answers = self.log.statuses(*items, day=20)
                self.stored.update(
                    f"{item['type']}-{item['ids']['user']}"
                    for item, answer in zip(items, answers, strict=True)
                    if answer == "stored"
                )
                assert set(answers) <= {"stored", "duplicate"}
        except Exception as error:  # noqa: BLE001 — shown by the test
            self.error = error


def test_events_that_come_while_days_are_archived_are_there_once(
    log, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(compaction, "PART_ROWS", 60)
    monkeypatch.setattr("experiments.events.archive.pages.PAGE", 30)
    log.take(log.exposure("first"), log.outcome("first", "first", 1.5), day=20)
    stored: list[Counter[str]] = [Counter() for _ in range(WRITERS)]
    senders = [Sender(log, one) for one in stored]
    for sender in senders:
        sender.start()
    seen = 1
    while any(sender.is_alive() for sender in senders):
        log.archive.compact(log.closed())
        found = log.find()
        [blue] = found.arms
        assert seen <= blue.units == blue.exposed <= 1 + ROUNDS * BATCH
        seen = blue.units
    for sender in senders:
        sender.join()
    assert [sender.error for sender in senders] == [None] * WRITERS
    everything = sum(stored, Counter())
    assert len(everything) == 2 * ROUNDS * BATCH
    assert set(everything.values()) == {1}  # one answer said `stored`
    log.archive.compact(log.closed())
    assert log.hot() == 0
    [blue] = log.find().arms
    assert (blue.units, blue.events["buy"]) == (1 + ROUNDS * BATCH, 1 + ROUNDS * BATCH)
    assert log.faults() == []


def test_a_report_sees_each_row_once_while_rows_move(log, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compaction, "PART_ROWS", 40)
    monkeypatch.setattr("experiments.events.archive.pages.PAGE", 20)
    for start in range(0, 3_000, 500):
        units = [f"u{n}" for n in range(start, start + 500)]
        log.take(*(log.exposure(unit) for unit in units), day=20)
        log.take(*(log.outcome(unit, f"e{unit}", 0.1) for unit in units), day=20)
    before = log.find()
    worker = threading.Thread(target=log.archive.compact, args=(log.closed(),))
    worker.start()
    looks = 0
    while worker.is_alive():
        log.assert_same(log.find(), before)
        looks += 1
    worker.join()
    assert looks > 1
    assert log.hot() == 0
    log.assert_same(log.find(), before)
