"""What a batch leaves in the store, and what is answered, on each engine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from experiments.definitions.lifecycle import move
from experiments.definitions.time import DAY, HOUR, SECOND, format_instant, now
from experiments.events import list_dead_letters
from experiments.events.unit_hash import unit_hash
from experiments.store import tables
from experiments.store.watermark import read_watermark


def test_each_item_gets_its_verdict_in_order(log: Any) -> None:
    verdicts = log.take(
        log.exposure(event_id="x1"),
        log.outcome("e1"),
        "no object",
        log.outcome("e1"),
        log.outcome("e1", value=2),
        log.exposure(experiment="nowhere"),
        log.exposure(variant="green"),
        log.exposure(unit_type="device"),
        log.exposure(),
        log.outcome(),
    )
    assert [v.index for v in verdicts] == list(range(10))
    assert [(v.status, v.code) for v in verdicts] == [
        ("stored", None),
        ("stored", None),
        ("rejected", "ITEM_NOT_OBJECT"),
        ("duplicate", None),
        ("conflict", "EVENT_ID_CONFLICT"),
        ("rejected", "UNKNOWN_EXPERIMENT"),
        ("rejected", "UNKNOWN_VARIANT"),
        ("rejected", "UNIT_TYPE_MISMATCH"),
        ("duplicate", None),
        ("stored", None),
    ]
    assert [v.event_id for v in verdicts[:9]] == ["x1", "e1", None, "e1", "e1", *[None] * 4]
    made = verdicts[9].event_id
    assert {row["event_id"] for row in log.rows(tables.outcomes)} == {"e1", made}
    assert len(log.rows(tables.exposures)) == 1


def test_an_empty_batch_is_answered_with_nothing(log: Any) -> None:
    assert log.take() == []
    assert read_watermark(log.database) == 0


def test_rows_hold_what_was_sent(log: Any) -> None:
    at, sent_at = log.started + 5 * HOUR, log.started + 4 * HOUR
    client_at = sent_at - 10 * SECOND
    log.take(
        log.exposure("é'\"\\u0000%s", timestamp=format_instant(client_at), attributes={"a": "ü%"}),
        log.outcome("e1", value=0.1, properties={"n": [1.5, None]}),
        at=at,
        sent_at=sent_at,
    )
    [seen] = log.rows(tables.exposures)
    assert seen["unit_id"] == "é'\"\\u0000%s"
    assert seen["unit_hash"] == unit_hash("id", seen["unit_id"])
    assert seen["attributes"] == {"a": "ü%"}
    assert (seen["first_at"], seen["clock"]) == (at - 10 * SECOND, "client")
    assert (seen["client_at"], seen["received_at"]) == (client_at, at)
    assert (seen["mark"], seen["phase"]) == (None, 1)
    assert seen["created_seq"] == seen["change_seq"] == read_watermark(log.database)
    [done] = log.rows(tables.outcomes)
    assert (done["value"], done["properties"]) == (0.1, {"n": [1.5, None]})
    assert (done["at"], done["clock"], done["client_at"]) == (at, "server", None)
    assert done["clamped"] is False


@pytest.mark.parametrize(
    "value", [0.1, 1e-300, -1.7976931348623157e308, 2.0**53 + 2, 1 / 3, 5e-324]
)
def test_values_keep_every_bit(log: Any, value: float) -> None:
    log.take(log.outcome("e1", value=value))
    [row] = log.rows(tables.outcomes)
    assert row["value"] == value


def test_a_future_of_days_is_clamped_and_flagged(log: Any) -> None:
    at = now()
    log.take(log.outcome("e1", timestamp=format_instant(at + 2 * DAY)), at=at)
    [row] = log.rows(tables.outcomes)
    assert (row["at"], row["clock"], row["clamped"]) == (at, "server", True)
    assert row["client_at"] == at + 2 * DAY


def test_the_earliest_exposure_stands_with_all_that_belongs_to_it(log: Any) -> None:
    def seen(hours: int) -> str:
        timestamp = format_instant(log.started + hours * HOUR)
        item = log.exposure(timestamp=timestamp, attributes={"hours": hours})
        return str(log.statuses(item)[0])

    assert seen(2) == "stored"
    [first] = log.rows(tables.exposures)
    assert [seen(hours) for hours in (3, 1, 1, 2)] == ["duplicate"] * 4
    [row] = log.rows(tables.exposures)
    assert row["first_at"] == log.started + HOUR
    assert row["attributes"] == {"hours": 1}
    assert row["created_seq"] == first["created_seq"] < row["change_seq"]


def test_a_unit_in_two_variants_stays_visible(log: Any) -> None:
    assert log.statuses(log.exposure(), log.exposure(variant="red")) == ["stored", "stored"]
    assert len(log.rows(tables.exposures)) == 2


def test_a_sighting_that_counts_replaces_one_that_does_not(log: Any) -> None:
    early, late = (format_instant(log.started + hours * HOUR) for hours in (1, 2))
    assert log.statuses(log.exposure(overridden=True, timestamp=early)) == ["stored"]
    [marked] = log.rows(tables.exposures)
    assert marked["mark"] == "OVERRIDDEN"
    assert log.statuses(log.exposure(timestamp=late)) == ["stored"]
    [counted] = log.rows(tables.exposures)
    assert (counted["mark"], counted["first_at"]) == (None, log.started + 2 * HOUR)
    assert counted["created_seq"] > marked["created_seq"]
    assert log.statuses(log.exposure(overridden=True, timestamp=early)) == ["duplicate"]
    assert log.rows(tables.exposures) == [counted]


def test_both_in_one_batch_leave_the_one_that_counts(log: Any) -> None:
    early, late = (format_instant(log.started + hours * HOUR) for hours in (1, 2))
    marked = log.exposure(in_experiment=False, timestamp=early)
    assert log.statuses(marked, log.exposure(timestamp=late)) == ["duplicate", "stored"]
    [row] = log.rows(tables.exposures)
    assert (row["mark"], row["first_at"]) == (None, log.started + 2 * HOUR)


def test_exposures_outside_the_run_are_kept_and_marked(log: Any) -> None:
    before = format_instant(log.started - HOUR)
    assert log.statuses(log.exposure(timestamp=before)) == ["stored"]
    [row] = log.rows(tables.exposures)
    assert (row["phase"], row["mark"]) == (0, "NOT_RUNNING")


def test_what_another_worker_started_a_moment_ago_counts(log: Any) -> None:
    log.define(move(log.standing("fresh"), "start", log.started))
    assert "fresh" not in log.snapshots.current().environment("production").experiments
    assert log.statuses(log.exposure(experiment="fresh")) == ["stored"]
    [row] = log.rows(tables.exposures)
    assert (row["mark"], row["phase"]) == (None, 1)
    assert row["agrees"] in {True, False}


def test_what_this_worker_thinks_a_draft_is_looked_up(log: Any) -> None:
    draft = log.standing("fresh")
    log.define(draft)
    log.touch()
    log.define(move(draft, "start", log.started))
    picture = log.snapshots.current().environment("production").experiments
    assert picture["fresh"].standing.status == "draft"
    log.take(log.exposure(experiment="fresh"))
    [row] = log.rows(tables.exposures)
    assert row["mark"] is None


def test_agreement_with_the_hash_is_asked_for_internal_assignment_only(log: Any) -> None:
    log.start("external", assignment="external")
    compiled = log.snapshots.current().environment("production").experiments["checkout"].compiled
    units = [f"u{n}" for n in range(20)]
    log.take(*(log.exposure(unit) for unit in units))
    log.take(log.exposure("u0", experiment="external"))
    rows = log.rows(tables.exposures)
    agrees = {row["unit_id"]: row["agrees"] for row in rows if row["experiment"] == "checkout"}
    assert agrees == {unit: compiled.bucket(unit) == "blue" for unit in units}
    assert [row["agrees"] for row in rows if row["experiment"] == "external"] == [None]


def test_environments_are_apart(log: Any) -> None:
    assert log.statuses(log.exposure(), environment="staging") == ["rejected"]
    log.start(environment="staging")
    for environment in ("staging", "production"):
        batch = (log.exposure(), log.outcome("e1", value=len(environment)))
        assert log.statuses(*batch, environment=environment) == ["stored", "stored"]
    assert len(log.rows(tables.outcomes)) == len(log.rows(tables.exposures)) == 2


def test_ids_named_together_are_linked_both_ways_at_the_earliest_time(log: Any) -> None:
    ids = {"user": "42", "device": "a1"}
    times = [format_instant(log.started + hours * HOUR) for hours in (3, 1, 2)]
    log.take(*(log.outcome(ids=ids, timestamp=time) for time in times))
    links = log.rows(tables.links)
    assert {(row["unit_type"], row["other_type"]) for row in links} == {
        ("device", "user"),
        ("user", "device"),
    }
    for row in links:
        assert row["first_at"] == log.started + HOUR
        assert row["unit_hash"] == unit_hash(row["unit_type"], row["unit_id"])
        assert row["other_hash"] == unit_hash(row["other_type"], row["other_id"])
    further = log.rows(tables.outcome_ids)
    assert {(row["unit_type"], row["unit_id"]) for row in further} == {("user", "42")}
    assert len(further) == len(log.rows(tables.outcomes)) == 3


def test_a_refused_body_links_nothing(log: Any) -> None:
    log.take(log.outcome("e1"))
    again = log.outcome("e1", ids={"user": "42", "device": "a1"})
    assert log.statuses(again) == ["conflict"]
    assert log.rows(tables.links) == log.rows(tables.outcome_ids) == []


def test_retries_change_nothing_and_do_not_move_the_watermark(log: Any) -> None:
    batch = [log.exposure(), log.outcome("e1"), log.outcome(timestamp="2026-01-31T09:30:00Z")]
    assert log.statuses(*batch) == ["stored"] * 3
    before = [log.rows(table) for table in (tables.exposures, tables.outcomes)]
    watermark = read_watermark(log.database)
    for _ in range(3):
        assert log.statuses(*batch, at=now() + HOUR) == ["duplicate"] * 3
    assert [log.rows(table) for table in (tables.exposures, tables.outcomes)] == before
    assert read_watermark(log.database) == watermark


def test_a_refused_item_is_kept_once_for_each_reason(log: Any) -> None:
    bad = log.outcome("e1", value="ten", unit_id="\ud800")
    for _ in range(3):
        assert log.statuses(bad, log.outcome("e2", value="ten"), {}) == ["rejected"] * 3
    page = list_dead_letters(log.database, "production")
    assert sorted(letter.code for letter in page.letters) == [
        "FIELD_TYPE",
        "TEXT_INVALID",
        "TYPE_UNKNOWN",
    ]
    assert page.next_cursor is None
    by_code = {letter.code: letter for letter in page.letters}
    assert json.loads(by_code["TEXT_INVALID"].body) == bad
    assert by_code["FIELD_TYPE"].detail == "value: send a number, this is a text"
    assert {letter.key_selector for letter in page.letters} == {"selector"}
    assert log.rows(tables.outcomes) == []


def test_dead_letters_come_in_pages_the_newest_first(log: Any) -> None:
    start = now()
    for n in range(7):
        log.take({"n": n}, {"m": n}, at=start + n)
    log.take({"elsewhere": 1}, environment="staging")
    seen = []
    cursor = None
    while True:
        page = list_dead_letters(log.database, "production", limit=4, after=cursor)
        seen += page.letters
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.letters) == 4
    assert len({(letter.digest, letter.code) for letter in seen}) == 14
    times = [letter.received_at for letter in seen]
    assert times == sorted(times, reverse=True)


def test_five_hundred_items_of_which_fifty_are_bad(log: Any) -> None:
    items = [log.outcome(f"e{n}", value="x" if n % 10 == 3 else n) for n in range(500)]
    expected = ["rejected" if n % 10 == 3 else "stored" for n in range(500)]
    assert log.statuses(*items) == expected
    assert len(log.rows(tables.outcomes)) == 450
    assert len(log.rows(tables.dead_letters)) == 50
