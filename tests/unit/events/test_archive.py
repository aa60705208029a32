"""Days, groups of files, and a file that is whole or not there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from experiments.definitions.time import DAY, parse_instant
from experiments.events.archive import closed_before, compaction, start_of
from experiments.events.archive.files import (
    day_of,
    new_path,
    read_file,
    remove_file,
    unfinished_of,
    write_file,
)
from experiments.events.archive.manifest import ArchiveFile
from experiments.store.tables import outcomes


def test_days_are_in_utc():
    noon = parse_instant("2026-01-31T12:00:00Z")
    assert day_of(noon) == day_of(noon - DAY // 2) == day_of(noon + DAY // 2 - 1) == "2026-01-31"
    assert day_of(noon - DAY // 2 - 1) == "2026-01-30"
    assert start_of("2026-01-31") == parse_instant("2026-01-31T00:00:00Z")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "2026-01-31T00:00:00Z"])
def test_what_is_no_day_is_refused(text: str):
    with pytest.raises(ValueError, match=r"day|time data|unconverted"):
        start_of(text)


def test_a_day_is_closed_when_its_last_event_is_old_enough():
    at = parse_instant("2026-01-31T12:00:00Z")
    assert closed_before(at, 7) == start_of("2026-01-24")
    assert closed_before(start_of("2026-01-31"), 7) == start_of("2026-01-24")
    assert closed_before(start_of("2026-01-31") - 1, 7) == start_of("2026-01-23")


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ([], []),
        ([5], []),
        ([5, 3], [[3, 5]]),
        ([10, 3, 2], [[2, 3]]),
        ([10, 10], []),
        ([4, 4, 4, 4, 4], [[4, 4], [4, 4]]),
        ([11, 1, 1], [[1, 1]]),
    ],
)
def test_files_are_merged_where_they_fit_into_one(
    sizes: list[int], groups: list[list[int]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(compaction, "MERGED_ROWS", 10)
    files = [
        ArchiveFile("e", f"{n}", "outcomes", "2026-01-31", size, 1, "", 1, "live", 0)
        for n, size in enumerate(sizes)
    ]
    found = [[file.row_count for file in group] for group in compaction._groups(files)]
    assert found == groups


def test_a_file_is_whole_when_it_has_its_name(tmp_path: Path):
    path = tmp_path / new_path(outcomes, "production", "2026-01-31")
    assert path.parent == tmp_path / "outcomes" / "environment=production" / "day=2026-01-31"
    rows = pa.table({"event": ["b", "a", "c"], "unit_hash": [2, -1, 3]})
    written = write_file(path, rows)
    assert [*path.parent.iterdir()] == [path]
    assert (written.row_count, written.byte_count) == (3, path.stat().st_size)
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_file(path).to_pydict() == {"event": ["a", "b", "c"], "unit_hash": [-1, 2, 3]}


def test_a_file_is_removed_with_what_is_left_of_it(tmp_path: Path):
    path = tmp_path / "outcomes" / new_path(outcomes, "production", "2026-01-31")
    write_file(path, pa.table({"unit_hash": [1]}))
    unfinished_of(path).write_bytes(b"half")
    remove_file(path)
    assert not path.parent.exists()
    remove_file(path)
