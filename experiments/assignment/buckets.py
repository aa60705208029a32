"""Variants as ranges of [0, 1): variant i holds [c, c + traffic·w) with c the weights before it.

Raising the traffic lengthens every range at its end, so it moves nobody who is in.
"""

from __future__ import annotations

from collections.abc import Sequence

Range = tuple[float, float]


def bucket_ranges(weights: Sequence[float], traffic: float) -> tuple[Range, ...]:
    """The range of each variant; `traffic` is a fraction and clamped to [0, 1]."""
    share = min(max(traffic, 0.0), 1.0)
    ranges: list[Range] = []
    start = 0.0
    for weight in weights:
        ranges.append((start, start + share * weight))
        start += weight
    return tuple(ranges)


def equal_weights(count: int) -> list[float]:
    return [1 / count] * count if count > 0 else []


def tolerant_ranges(
    count: int, traffic: float, weights: Sequence[float] | None
) -> tuple[Range, ...]:
    """As `bucket_ranges`, for a payload: weights that make no sense become equal ones."""
    if weights is None or len(weights) != count or not 0.99 <= sum(weights) <= 1.01:
        weights = equal_weights(count)
    return bucket_ranges(weights, traffic)


def within(position: float, ranges: Sequence[Range]) -> bool:
    return choose(position, ranges) is not None


def choose(position: float, ranges: Sequence[Range]) -> int | None:
    """The index of the range that holds the position, None where none does."""
    for index, (low, high) in enumerate(ranges):
        if low <= position < high:
            return index
    return None
