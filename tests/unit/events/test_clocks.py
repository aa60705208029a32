from __future__ import annotations

from experiments.definitions.time import DAY, HOUR, SECOND, parse_instant
from experiments.events.clocks import FUTURE_TOLERANCE, SKEW_TOLERANCE, BatchClock, Moment

NOW = parse_instant("2026-01-31T12:00:00Z")


def test_without_a_client_time_the_server_says_when() -> None:
    for sent_at in (None, NOW - HOUR):
        assert BatchClock(NOW, sent_at).place(None) == Moment(NOW, "server", None, clamped=False)


def test_without_sent_at_the_client_is_taken_at_its_word() -> None:
    moment = BatchClock(NOW, None).place(NOW - 3 * DAY)
    assert moment == Moment(NOW - 3 * DAY, "client", NOW - 3 * DAY, clamped=False)


def test_a_clock_that_is_an_hour_slow_is_set_right() -> None:
    sent_at = NOW - HOUR
    moment = BatchClock(NOW, sent_at).place(sent_at - 10 * SECOND)
    assert moment == Moment(NOW - 10 * SECOND, "client", sent_at - 10 * SECOND, clamped=False)


def test_a_clock_that_is_ten_years_fast_is_set_right_and_not_clamped() -> None:
    sent_at = NOW + 3650 * DAY
    assert BatchClock(NOW, sent_at).place(sent_at - SECOND).at == NOW - SECOND
    assert not BatchClock(NOW, sent_at).place(sent_at - SECOND).clamped


def test_a_clock_that_began_in_1970_is_set_right() -> None:
    assert BatchClock(NOW, 20 * SECOND).place(5 * SECOND).at == NOW - 15 * SECOND


def test_travel_time_does_not_shuffle_the_batches_of_one_device() -> None:
    exposed, converted = NOW, NOW + SECOND
    slow = BatchClock(NOW + 4 * SECOND, exposed).place(exposed)
    fast = BatchClock(converted + SECOND // 10, converted).place(converted)
    assert (slow.at, fast.at) == (exposed, converted)


def test_the_tolerance_holds_on_both_sides_and_ends() -> None:
    for sign in (1, -1):
        within = BatchClock(NOW, NOW + sign * SKEW_TOLERANCE)
        assert within.place(NOW).at == NOW
        beyond = BatchClock(NOW, NOW + sign * (SKEW_TOLERANCE + 1))
        assert beyond.place(NOW).at == NOW - sign * (SKEW_TOLERANCE + 1)


def test_more_than_a_day_ahead_is_clamped_and_flagged() -> None:
    clock = BatchClock(NOW, None)
    ahead = NOW + FUTURE_TOLERANCE
    assert clock.place(ahead) == Moment(ahead, "client", ahead, clamped=False)
    assert clock.place(ahead + 1) == Moment(NOW, "server", ahead + 1, clamped=True)


def test_a_correction_to_before_1970_is_clamped_and_flagged() -> None:
    sent_at = parse_instant("9999-12-31T23:59:59Z")
    assert BatchClock(NOW, sent_at).place(NOW) == Moment(NOW, "server", NOW, clamped=True)
    earliest = parse_instant("0001-01-01T00:00:00Z")
    assert BatchClock(NOW, earliest).place(NOW) == Moment(NOW, "server", NOW, clamped=True)
