"""Which outcomes are a unit's, and in which windows: one variant per case, one unit each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from experiments.analysis.task import Findings
from experiments.definitions.metric import Metric
from experiments.definitions.time import HOUR, SECOND

AT = 1_760_000_000_000_000
MAKE = Callable[..., Metric]

# case → (clock of the exposure at AT, [(microseconds after AT, clock of the outcome)],
#         outcomes that count ever, from 1 h to 3 h after the exposure, within 2 h)
CASES: dict[str, tuple[str, list[tuple[int, str]], int, int, int]] = {
    "one before and one after": ("client", [(-1 * SECOND, "client"), (SECOND, "client")], 1, 0, 1),
    "at the same time": ("client", [(0, "client")], 1, 0, 1),
    "one microsecond before": ("client", [(-1, "client")], 0, 0, 0),
    "none": ("client", [], 0, 0, 0),
    "where the delay ends": ("client", [(HOUR, "client")], 1, 1, 1),
    "before the delay ends": ("client", [(HOUR - 1, "client")], 1, 0, 1),
    "before the window ends": ("client", [(3 * HOUR - 1, "client")], 1, 1, 0),
    "where the window ends": ("client", [(3 * HOUR, "client")], 1, 0, 0),
    "where the short window ends": ("client", [(2 * HOUR, "client")], 1, 1, 0),
    "within the grace, both by server": ("server", [(-10 * SECOND, "server")], 1, 0, 1),
    "past the grace, both by server": ("server", [(-10 * SECOND - 1, "server")], 0, 0, 0),
    "within the grace, exposure by client": ("client", [(-SECOND, "server")], 0, 0, 0),
    "within the grace, outcome by client": ("server", [(-SECOND, "client")], 0, 0, 0),
    "many": ("client", [(i * HOUR, "client") for i in range(5)], 5, 2, 2),
}


def test_windows(log: Any, make_metric: MAKE) -> None:
    for case, (clock, outcomes, *_) in CASES.items():
        log.expose(case, case, AT, clock=clock)
        for after, by in outcomes:
            log.outcome(case, "buy", AT + after, clock=by)
    found = log.find(
        make_metric(key="ever"),
        make_metric(key="later", delay_hours=1.0, window_hours=2.0),
        make_metric(key="soon", window_hours=2.0),
    )
    counted = {arm.variant: tuple(one.mean_x for one in arm.measured) for arm in found.arms}
    assert counted == {case: tuple(expected) for case, (_, _, *expected) in CASES.items()}


def test_grace_counts_as_the_moment_of_exposure(sqlite_log: Any, make_metric: MAKE) -> None:
    sqlite_log.expose("u", "a", AT, clock="server")
    sqlite_log.outcome("u", "buy", AT - SECOND, clock="server")
    found = sqlite_log.find(
        make_metric(key="delayed", delay_hours=1.0), make_metric(key="soon", window_hours=0.001)
    )
    assert [one.mean_x for one in found.arms[0].measured] == [0, 1]


def test_kinds(log: Any, make_metric: MAKE) -> None:
    log.expose("a1", "a", AT)
    log.expose("a2", "a", AT)
    log.expose("b1", "b", AT)
    for value in (3.0, 5.0):
        log.outcome("a1", "buy", AT, value)
    log.outcome("a1", "see", AT, 4.0)
    log.outcome("a2", "see", AT, 2.0)
    found = log.find(
        make_metric("conversion"),
        make_metric("count"),
        make_metric("sum"),
        make_metric("mean"),
        make_metric("ratio", denominator_event="see"),
    )
    a, b = found.arms
    assert [one.mean_x for one in a.measured] == [0.5, 1, 4, 4, 4]
    assert [one.m2_x for one in a.measured] == [0.5, 2, 32, 32, 32]
    assert [one.mean_y for one in a.measured] == [None, None, None, 1, 3]
    assert [one.m2_y for one in a.measured] == [None, None, None, 2, 2]
    assert [one.cxy for one in a.measured] == [None, None, None, 8, 8]
    assert [one.mean_x for one in b.measured] == [0, 0, 0, 0, 0]
    assert [one.mean_y for one in b.measured] == [None, None, None, 0, 0]
    assert (a.units, b.units) == (2, 1)
    assert a.events == {"buy": 2, "see": 2}
    assert b.events == {"buy": 0, "see": 0}
    assert (a.last_outcome_at, b.last_outcome_at) == (AT, None)


def test_outcomes_join_by_type_then_further_id_then_earliest_link(
    log: Any, make_metric: MAKE
) -> None:
    for unit in ("own", "named", "linked", "later", "wrong"):
        log.expose(unit, unit, AT)
    log.outcome("own", "buy", AT)
    # The own id is of the type: what else the event names does not matter.
    log.outcome("own", "buy", AT, further={"device": "d"})
    # A further id of the type goes before a link.
    log.link(("device", "d1"), ("id", "wrong"), AT)
    log.outcome("d1", "buy", AT, unit_type="device", further={"id": "named"})
    # The earliest link of several.
    log.link(("device", "d2"), ("id", "later"), AT + 2)
    log.link(("device", "d2"), ("id", "linked"), AT + 1)
    log.link(("device", "d2"), ("account", "wrong"), AT)
    log.outcome("d2", "buy", AT, unit_type="device")
    # The same name under another type is another unit.
    log.outcome("own", "buy", AT, unit_type="device")
    found = log.find(make_metric())
    counted = {arm.variant: arm.measured[0].mean_x for arm in found.arms}
    assert counted == {"own": 2, "named": 1, "linked": 1, "later": 0, "wrong": 0}


def test_other_environments_phases_experiments_and_events_stay_out(
    log: Any, make_metric: MAKE
) -> None:
    log.expose("u", "a", AT)
    log.expose("v", "a", AT, environment="staging")
    log.expose("w", "a", AT, phase=2)
    log.expose("x", "a", AT, experiment="other")
    log.outcome("u", "buy", AT, environment="staging")
    log.outcome("u", "see", AT)
    found = log.find(make_metric())
    assert [arm.units for arm in found.arms] == [1]
    assert found.arms[0].measured[0].mean_x == 0
    assert found.arms[0].events == {"buy": 0}


def test_crossovers_are_out_and_counted(log: Any, make_metric: MAKE) -> None:
    log.expose("u", "a", AT)
    log.expose("v", "b", AT)
    log.expose("both", "a", AT)
    log.expose("both", "b", AT + 1)
    log.expose("once", "a", AT, agrees=True)
    log.expose("once", "b", AT, mark="NOT_RUNNING")
    log.expose("asked", "b", AT, agrees=False)
    for unit in ("u", "both", "once"):
        log.outcome(unit, "buy", AT + 1)
    found = log.find(make_metric())
    a, b = found.arms
    assert found.crossovers == 1
    assert (a.units, a.exposed, b.units, b.exposed) == (2, 3, 2, 3)
    assert (a.measured[0].mean_x, b.measured[0].mean_x) == (1, 0)
    assert (a.asked, a.disagree, b.asked, b.disagree) == (1, 0, 1, 1)
    assert found.excluded == {"NOT_RUNNING": 1}


def test_a_variant_that_only_crossovers_met(sqlite_log: Any, make_metric: MAKE) -> None:
    sqlite_log.expose("both", "a", AT)
    sqlite_log.expose("both", "b", AT)
    found = sqlite_log.find(make_metric())
    assert [(arm.variant, arm.units, arm.exposed) for arm in found.arms] == [
        ("a", 0, 1),
        ("b", 0, 1),
    ]
    assert found.crossovers == 1


def test_the_watermark_cuts_what_came_later(log: Any, make_metric: MAKE) -> None:
    log.expose("u", "a", AT)
    log.outcome("u", "buy", AT)
    watermark = log.seq
    log.outcome("u", "buy", AT)
    log.expose("v", "a", AT)
    assert _counts(log.find(make_metric(), watermark=watermark)) == [(1, 1)]
    assert _counts(log.find(make_metric())) == [(2, 1)]
    # An earlier sighting moves first_at and change_seq, and the unit stays in.
    log.expose("w", "a", AT, created_seq=1, change_seq=log.seq + 5)
    assert _counts(log.find(make_metric(), watermark=watermark)) == [(2, 0.5)]


def test_maturity(log: Any, make_metric: MAKE) -> None:
    log.expose("old", "a", AT)
    log.expose("young", "a", AT + HOUR)
    log.expose("younger", "a", AT + 2 * HOUR)
    for unit in ("old", "young", "younger"):
        log.outcome(unit, "buy", AT + 2 * HOUR)
    metrics = (
        make_metric(key="open"),
        make_metric(key="delayed", delay_hours=1.0),
        make_metric(key="window", delay_hours=1.0, window_hours=2.0),
    )
    almost, then = (log.find(*metrics, as_of=AT + 3 * HOUR + late) for late in (-1, 0))
    assert [one.n for one in almost.arms[0].measured] == [3, 3, 0]
    assert [one.n for one in then.arms[0].measured] == [3, 3, 1]
    assert almost.arms[0].measured[2].mean_x is None
    assert [one.waits_from for one in almost.arms[0].measured] == [None, None, AT]
    assert [one.waits_from for one in then.arms[0].measured] == [None, None, AT + HOUR]


def test_values_far_from_zero_keep_their_spread(log: Any, make_metric: MAKE) -> None:
    for i in range(300):
        log.expose(f"u{i}", "a", AT)
        log.outcome(f"u{i}", "buy", AT, 1e9 + i % 3)
    measured = log.find(make_metric("sum")).arms[0].measured[0]
    assert measured.mean_x == 1e9 + 1
    assert measured.m2_x == pytest.approx(200, rel=1e-9)


def test_values_that_cannot_be_squared_are_told(log: Any, make_metric: MAKE) -> None:
    log.expose("u", "a", AT)
    log.expose("v", "a", AT)
    log.outcome("u", "buy", AT, 1e100)
    log.outcome("v", "buy", AT, 2.0)
    measured = log.find(make_metric("sum"), make_metric("count")).arms[0].measured
    assert [(one.n, one.beyond) for one in measured] == [(2, 1), (2, 0)]


def test_an_empty_log_and_no_metrics(log: Any, make_metric: MAKE) -> None:
    assert log.find(make_metric()) == Findings((), 0, {}, 0)
    log.expose("u", "a", AT)
    found = log.find()
    assert [(arm.variant, arm.units, arm.measured) for arm in found.arms] == [("a", 1, ())]


def test_dead_letters_that_name_the_experiment_or_its_events(log: Any, make_metric: MAKE) -> None:
    bodies = (
        '{"type": "exposure", "experiment": "exp", "variant": "zzz"}',
        '{"type": "outcome", "event": "buy", "value": "much"}',
        '{"type": "outcome", "event": "other"}',
        '{"experiment": {"a": "exp"}}',
        '["exp"]',
        '{"event": "buy"',
        "",
    )
    for index, body in enumerate(bodies):
        log._add(
            "dead_letters",
            {
                "environment": "production",
                "digest": str(index),
                "code": "ANY",
                "detail": "",
                "key_selector": "",
                "received_at": AT,
                "body": body,
            },
        )
    assert log.find(make_metric()).rejected == 2


def _counts(found: Findings) -> list[tuple[int, float | None]]:
    return [(arm.units, arm.measured[0].mean_x) for arm in found.arms]
