"""What is archived is neither lost nor counted twice; a report says the same before and after."""

from __future__ import annotations

import random
from typing import Any

import pyarrow.parquet as pq
import pytest

from experiments.analysis.task import Part
from experiments.definitions.errors import Conflict, Invalid
from experiments.definitions.time import DAY, HOUR, format_instant
from experiments.events.archive import compaction
from experiments.events.archive.tenure import tenure
from experiments.store import tables
from experiments.store.watermark import read_watermark


def fill(log, days: tuple[int, ...] = (20, 19, 18, 3, 1), each: int = 250) -> None:
    """Some units that come back, cross over, and are named by two ids."""
    rng = random.Random(7)
    for day in days:
        items: list[dict[str, Any]] = []
        for n in range(each):
            unit = f"u{rng.randrange(400)}"
            attributes = {"country": rng.choice(["DE", "FR"]), "1.0": 1.10}
            variant = rng.choice(["blue"] * 9 + ["red"] * 8)
            marked = {"overridden": True} if rng.random() < 0.1 else {}
            items.append(log.exposure(unit, variant, attributes=attributes, **marked))
            ids = {"user": unit, "device": f"d{unit}"} if n % 3 else {"device": f"d{unit}"}
            items.append(log.outcome(unit, f"{day}-{n}", rng.lognormvariate(3, 1), ids=ids))
        assert "rejected" not in log.statuses(*items, day=day)


def test_a_report_says_the_same_before_and_after(log):
    fill(log)
    germans = Part({"country": "DE"}, {})
    watermark, rows = read_watermark(log.database), log.hot()
    early = watermark - 3 if log.database.is_sqlite else watermark
    marks = (watermark, early)
    before = [log.find(mark, part) for mark in marks for part in (None, germans)]
    done = log.archive.compact(log.closed())
    assert {moved.day for moved in done} == {log.day(20), log.day(19), log.day(18)}
    assert all(moved.rows == moved.of for moved in done)
    assert read_watermark(log.database) == watermark
    assert log.hot() + sum(file["row_count"] for file in log.files()) == rows
    after = [log.find(mark, part) for mark in marks for part in (None, germans)]
    for one, other in zip(before, after, strict=True):
        log.assert_same(one, other)
    assert log.faults() == []
    assert log.archive.compact(log.closed()) == []


def test_the_watermark_stays_when_everything_is_archived(log):
    fill(log, days=(20, 19))
    watermark, before = read_watermark(log.database), log.find()
    log.archive.compact(log.closed())
    assert log.hot() == 0
    assert read_watermark(log.database) == watermark
    log.assert_same(log.find(), before)


def test_the_files_are_sorted_parquet_by_day(log):
    fill(log, days=(20, 19, 2))
    stored = {row["event_id"]: row for row in log.rows(tables.outcomes)}
    log.archive.compact(log.closed())
    found = {file["path"].rsplit("/", 1)[0]: file for file in log.files()}
    assert set(found) == {
        f"{table}/environment=production/day={log.day(day)}"
        for table in ("exposures", "outcomes", "outcome_ids")
        for day in (20, 19)
    }
    file = found[f"outcomes/environment=production/day={log.day(20)}"]
    with pq.ParquetFile(log.folder / file["path"]) as parquet:
        rows = parquet.read().to_pylist()
        column = parquet.metadata.row_group(0).column(0)
    assert (column.compression, column.is_stats_set) == ("ZSTD", True)
    assert rows == sorted(rows, key=lambda row: row["unit_hash"])
    assert len(rows) == 250
    for row in rows:
        assert {**row, "environment": "production"} == stored[row["event_id"]]
    assert {path.stat().st_size for path in log.on_disk()} == {
        file["byte_count"] for file in log.files()
    }


def test_an_archived_outcome_that_is_sent_again_is_known(log):
    stamped = {"timestamp": format_instant(log.closed(20) + HOUR)}
    made = {k: v for k, v in log.outcome("u1", "", **stamped).items() if k != "event_id"}
    items = [log.outcome("u1", "mine", 5.0), made]
    assert log.statuses(*items, day=20) == ["stored", "stored"]
    log.archive.compact(log.closed())
    watermark = read_watermark(log.database)
    assert log.statuses(*items, log.outcome("u1", "mine", 6.0), day=0) == [
        "duplicate",
        "duplicate",
        "conflict",
    ]
    assert log.hot() == 0
    assert read_watermark(log.database) == watermark
    assert log.statuses(log.outcome("u1", "other"), *items, day=0) == [
        "stored",
        "duplicate",
        "duplicate",
    ]
    assert len(log.rows(tables.outcomes)) == 1


def test_a_unit_that_returns_after_its_exposure_was_archived_counts_once(log):
    log.take(log.exposure("u1"), log.outcome("u1", "e1", 3.0), day=20)
    log.archive.compact(log.closed())
    before = log.find()
    assert log.statuses(log.exposure("u1"), day=0) == ["duplicate"]
    assert log.rows(tables.exposures) == []
    log.assert_same(log.find(), before)


def test_the_earlier_of_a_hot_and_an_archived_exposure_stands(log):
    at = log.closed(20)
    late, early = ({"timestamp": format_instant(at + hours * HOUR)} for hours in (10, 2))
    log.take(log.exposure("u1", **late), day=19)
    log.take(log.outcome("u1", "between", 4.0, timestamp=format_instant(at + 5 * HOUR)), day=19)
    log.archive.compact(log.closed())
    watermark = read_watermark(log.database)
    [blue] = log.find().arms
    assert blue.measured[0].mean_x == 0.0  # before the exposure
    assert log.statuses(log.exposure("u1", **early), day=9) == ["duplicate"]
    [blue] = log.find().arms
    assert (blue.units, blue.exposed, blue.measured[0].mean_x) == (1, 1, 1.0)
    [blue] = log.find(watermark).arms
    assert blue.measured[0].mean_x == 0.0  # what the log said then
    log.archive.compact(log.closed())
    [blue] = log.find().arms
    assert (blue.units, blue.exposed, blue.measured[0].mean_x) == (1, 1, 1.0)
    assert log.statuses(log.exposure("u1", **early), day=0) == ["duplicate"]
    assert log.statuses(log.exposure("u1", **late), day=0) == ["duplicate"]
    assert log.hot() == 0


def test_an_exposure_that_counts_replaces_an_archived_one_that_does_not(log):
    log.take(log.exposure("u1", overridden=True), day=20)
    log.archive.compact(log.closed())
    assert log.find().excluded == {"OVERRIDDEN": 1}
    assert log.statuses(log.exposure("u1", overridden=True), day=0) == ["duplicate"]
    assert log.statuses(log.exposure("u1"), day=0) == ["stored"]
    found = log.find()
    assert found.excluded == {}
    assert [arm.units for arm in found.arms] == [1]


def test_a_second_variant_after_archiving_is_a_crossover(log):
    log.take(log.exposure("u1", "blue"), log.exposure("u2", "blue"), day=20)
    log.archive.compact(log.closed())
    log.take(log.exposure("u1", "red"), day=0)
    assert log.find().crossovers == 1


def test_late_events_of_an_archived_day_are_archived_by_their_receipt(log):
    fill(log, days=(20, 19))
    log.archive.compact(log.closed())
    at = format_instant(log.closed(20) + 13 * HOUR)
    assert log.statuses(
        log.outcome("u1", "late", 9.0, timestamp=at), log.exposure("new", timestamp=at), day=18
    ) == ["stored", "stored"]
    log.take(log.outcome("u2", "later", 2.0), day=20)  # as one that was slow to commit
    before = log.find()
    done = log.archive.compact(log.closed())
    assert [(moved.day, moved.rows) for moved in done] == [
        (log.day(18), 1),
        (log.day(20), 1),
        (log.day(18), 1),
    ]
    log.assert_same(log.find(), before)
    assert log.faults() == []


def test_the_parts_of_a_day_become_one_file(log, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compaction, "PART_ROWS", 50)
    monkeypatch.setattr("experiments.events.archive.pages.PAGE", 20)
    fill(log, days=(20, 19))
    before, seen = log.find(), []
    log.archive.compact(log.closed(), progress=lambda moved: seen.append((moved.rows, moved.of)))
    assert len(seen) > 10
    assert all(0 < rows <= of for rows, of in seen)
    assert len(log.files()) == 6
    assert len(log.on_disk()) == 6
    assert [row["state"] for row in log.rows(tables.archive_files)] == ["live"] * 6
    log.assert_same(log.find(), before)
    assert log.faults() == []


def test_a_large_day_becomes_several_files(log, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compaction, "PART_ROWS", 50)
    monkeypatch.setattr(compaction, "MERGED_ROWS", 120)
    monkeypatch.setattr("experiments.events.archive.pages.PAGE", 50)
    log.take(*(log.outcome(f"u{n}", f"e{n}") for n in range(500)), day=20)
    log.archive.compact(log.closed())
    assert sorted(file["row_count"] for file in log.files()) == [100] * 5
    assert log.faults() == []


def test_only_the_named_environment_is_archived(log):
    fill(log, days=(20,))
    assert log.archive.compact(log.closed(), "staging") == []
    assert log.hot() > 0


def test_a_day_that_is_not_over_is_refused(log):
    for before in (log.closed(-1), log.closed(3) + HOUR):
        with pytest.raises(Invalid) as refused:
            log.archive.compact(before)
        assert refused.value.code == "DAY_NOT_CLOSED"


def test_one_process_at_a_time_works_on_the_archive(log):
    with tenure(log.database, lambda: log.closed(0)), pytest.raises(Conflict) as refused:
        log.archive_at(log.closed(0)).compact(log.closed())
    assert refused.value.code == "ARCHIVE_BUSY"
    log.archive.compact(log.closed())


def test_old_days_are_let_go(log):
    log.take(log.exposure("u1"), log.outcome("u1", "e1"), {"type": "none"}, day=50)
    log.take(log.exposure("u2"), log.outcome("u2", "e2"), day=20)
    log.archive.compact(log.closed())
    watermark = read_watermark(log.database)
    assert log.archive.expire(log.closed(30)) == 2
    assert read_watermark(log.database) > watermark
    assert [arm.units for arm in log.find().arms] == [1]
    assert {file["day"] for file in log.files()} == {log.day(20)}
    assert len(log.on_disk()) == 2
    assert log.rows(tables.dead_letters) == []
    assert [row["event_id"] for row in log.rows(tables.archived_outcomes)] == ["e2"]
    assert log.faults() == []
    assert log.archive.expire(log.closed(30)) == 0


def test_damage_is_found_and_never_merged_away(log):
    fill(log, days=(20, 19))
    log.archive.compact(log.closed())
    first, second, *_ = log.on_disk()
    text = first.read_bytes()
    first.write_bytes(text[:100] + bytes([text[100] ^ 1]) + text[101:])
    second.unlink()
    assert len(log.faults()) == 2
    log.take(log.exposure("another"), log.outcome("another", "e"), day=20)
    log.take(log.exposure("further"), log.outcome("further", "f"), day=19)
    with pytest.raises(Conflict) as refused:
        log.archive.compact(log.closed())
    assert refused.value.code == "ARCHIVE_DAMAGED"


def test_an_event_in_two_places_is_found(log):
    fill(log, days=(20,))
    [row, *_] = log.rows(tables.outcomes)
    log.archive.compact(log.closed())
    with log.database.write() as connection:
        connection.execute(tables.outcomes.insert().values(row))
    assert log.faults() == ["production outcomes in the store: stand in the archive as well"]


def test_a_day_is_a_day_of_receipt_in_utc(log):
    log.take(log.outcome("u1", "last", timestamp="2020-01-01T00:00:00Z"), day=20, hour=23)
    log.take(log.outcome("u1", "first"), day=19, hour=0)
    log.archive.compact(log.closed(19))
    assert [row["event_id"] for row in log.rows(tables.outcomes)] == ["first"]
    [file] = log.files()
    assert file["day"] == log.day(20)
    assert log.closed(20) % DAY == 0
