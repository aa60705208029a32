"""Numbers as people read them."""

from __future__ import annotations

import doctest
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.console import numbers


def test_the_examples_in_the_documentation_hold() -> None:
    result = doctest.testmod(numbers)
    assert result.attempted > 8
    assert result.failed == 0


@given(st.floats(-1e9, 1e9), st.integers(0, 6))
def test_a_number_never_shows_a_negative_zero_or_an_ascii_minus(value: float, places: int) -> None:
    text = numbers.fixed(value, places)
    assert "-" not in text
    assert not (text.startswith(numbers.MINUS) and float(text[1:].replace(",", "")) == 0)
    assert float(text.replace(numbers.MINUS, "-").replace(",", "")) == pytest.approx(
        value, abs=0.5000001 * 10**-places, rel=1e-12
    )


@given(st.floats(1e-6, 1e3), st.floats(-1e3, 1e3))
def test_an_end_of_an_interval_is_not_rounded_onto_zero(half: float, end: float) -> None:
    shown = numbers.fixed(end, numbers.decimals_for(half, end))
    assert abs(end) < 1e-5 or float(shown.replace(numbers.MINUS, "-").replace(",", "")) != 0


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_shares_and_chances_never_claim_certainty(fraction: float) -> None:
    for text in (numbers.share(fraction), numbers.probability(fraction)):
        assert text not in {"0%", "0.0%", "100%", "100.0%"}


@pytest.mark.parametrize(
    ("p", "shown"), [(0.04999, "0.0500"), (0.000999, "< 0.001"), (0.1, "0.100")]
)
def test_p_values(p: float, shown: str) -> None:
    assert numbers.p_value(p) == shown


def test_a_day_of_23_hours_keeps_the_right_hour() -> None:
    paris = ZoneInfo("Europe/Paris")
    assert f"{numbers.moment('2026-03-29T00:59:00Z', paris):%d %H:%M}" == "29 01:59"
    assert f"{numbers.moment('2026-03-29T01:00:00Z', paris):%d %H:%M}" == "29 03:00"
    assert f"{numbers.moment('2026-03-28T23:30:00Z', paris):%d %H:%M}" == "29 00:30"
