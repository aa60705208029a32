"""A process may die at any step, or wake up too late: nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from experiments.definitions.errors import Conflict
from experiments.definitions.time import HOUR, format_instant, now
from experiments.events.archive import manifest
from experiments.events.archive.files import unfinished_of
from experiments.events.archive.moving import Mover, Part, Prepared
from experiments.events.archive.pages import further_ids_of, pages_of, rows_of
from experiments.events.archive.tenure import LEASE, Tenure
from experiments.store import tables


class Victim:
    """A compaction that is done step by step, and given up after one of them."""

    def __init__(self, log) -> None:
        self.log = log
        held = Tenure(log.database, now)
        held.renew()
        self.mover = Mover(log.database, log.folder, held, now)

    def parts(self) -> list[Part]:
        day = self.log.day(20)
        [page] = pages_of(self.log.database, tables.outcomes, "production")
        rows = rows_of(self.log.database, tables.outcomes, page, day)
        further = further_ids_of(self.log.database, page, day)
        return [
            Part(tables.outcomes, "production", day, rows),
            Part(tables.outcome_ids, "production", day, further),
        ]

    def announced(self) -> None:
        self.mover._announce(tables.outcomes, "production", self.log.day(20))

    def half_written(self) -> None:
        path = self.mover._announce(tables.outcomes, "production", self.log.day(20))
        unfinished = unfinished_of(self.log.folder / path)
        unfinished.parent.mkdir(parents=True)
        unfinished.write_bytes(b"PAR1 and then the power went")

    def written(self) -> list[Prepared]:
        return [self.mover.prepare(part) for part in self.parts()]

    def moved(self) -> None:
        assert self.mover.move(self.written())

    def merged(self) -> None:
        self.moved()
        self.log.take(self.log.outcome("u9", "more"), day=20)
        self.moved_again()
        with self.log.database.read() as connection:
            files = manifest.list_files(connection, manifest.LIVE)
        self.mover.merge([file for file in files if file.log_table == "outcomes"])

    def moved_again(self) -> None:
        [outcomes, _] = self.parts()
        assert self.mover.move([self.mover.prepare(outcomes)])


STEPS: dict[str, Callable[[Victim], Any]] = {
    "announced": Victim.announced,
    "half written": Victim.half_written,
    "written": Victim.written,
    "moved": Victim.moved,
    "merged": Victim.merged,
}


def fill(log, units: int = 40) -> None:
    for day in (20, 19):
        items = [log.exposure(f"u{n}", "blue" if n % 2 else "red") for n in range(units)]
        items += [
            log.outcome(f"u{n}", f"{day}-{n}", n / 7, ids={"user": f"u{n}", "device": f"d{n}"})
            for n in range(units)
        ]
        log.take(*items, day=day)


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_after_any_step_loses_and_doubles_nothing(log, step: str):
    fill(log)
    STEPS[step](Victim(log))
    found = log.find()
    assert sum(arm.events["buy"] for arm in found.arms) == (81 if step == "merged" else 80)
    with pytest.raises(Conflict):
        log.archive.compact(log.closed())  # the dead one's right has not run out
    log.archive_at(now() + 2 * LEASE).compact(log.closed())
    log.assert_same(log.find(), found)
    assert log.hot() == 0
    assert log.on_disk() == sorted(log.folder / file["path"] for file in log.files())
    assert {row["state"] for row in log.rows(tables.archive_files)} == {"live"}
    assert log.faults() == []


def test_who_wakes_up_after_his_right_has_run_out_changes_nothing(log):
    fill(log)
    before, victim = log.find(), Victim(log)
    prepared = victim.written()
    later = now() + 2 * LEASE
    log.archive_at(later).compact(log.closed(19))
    for work in (lambda: victim.mover.move(prepared), victim.announced):
        with pytest.raises(Conflict) as refused:
            work()
        assert refused.value.code == "ARCHIVE_BUSY"
    log.assert_same(log.find(), before)
    assert log.faults() == []


def test_a_row_that_was_changed_while_it_was_written_stays(log):
    at = format_instant(log.closed(20) + 12 * HOUR)
    log.take(log.exposure("u1", timestamp=at), log.exposure("u2", timestamp=at), day=20)
    victim, day = Victim(log), log.day(20)
    [page] = pages_of(log.database, tables.exposures, "production")
    rows = rows_of(log.database, tables.exposures, page, day)
    prepared = victim.mover.prepare(Part(tables.exposures, "production", day, rows))
    early = format_instant(log.closed(20) + HOUR)
    log.take(log.exposure("u1", timestamp=early), day=1)
    before = log.find()
    assert not victim.mover.move([prepared])
    assert len(log.rows(tables.exposures)) == 2
    assert log.files() == []
    log.archive_at(now() + 2 * LEASE).compact(log.closed())
    assert [row["unit_id"] for row in log.rows(tables.exposures)] == ["u1"]
    assert len(log.on_disk()) == 1
    log.assert_same(log.find(), before)


COMPACT = """
import sys
from pathlib import Path
from experiments.definitions.time import now
from experiments.events.archive import Archive, compaction, pages
from experiments.store.database import Database

compaction.PART_ROWS, pages.PAGE = 40, 20
url, folder, before, offset = sys.argv[1:]
archive = Archive(Database(url), Path(folder), clock=lambda: now() + int(offset))
archive.compact(int(before), progress=lambda moved: print("moved", flush=True))
"""


def test_a_compaction_that_is_killed_again_and_again_comes_to_its_end(log, database_url: str):
    fill(log, units=400)
    rows, before = log.hot(), log.find()
    for kill in range(6):
        command = [
            sys.executable, "-c", COMPACT, database_url, str(log.folder),
            str(log.closed()), str(kill * 2 * LEASE),
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            timer = threading.Timer(0.013 * kill, os.kill, (process.pid, signal.SIGKILL))
            assert process.stdout is not None
            assert process.stdout.readline() == b"moved\n"  # it is at work
            timer.start()
            process.wait()
            timer.cancel()
        assert process.returncode == -signal.SIGKILL
        archived = sum(file["row_count"] for file in log.files())
        assert archived + log.hot() == rows
        log.assert_same(log.find(), before)
    log.archive_at(now() + 20 * LEASE).compact(log.closed())
    assert log.hot() == 0
    log.assert_same(log.find(), before)
    assert log.on_disk() == sorted(log.folder / file["path"] for file in log.files())
    assert log.faults() == []
