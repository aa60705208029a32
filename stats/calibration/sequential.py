"""A/A tests that are looked at again and again, with and without a method that allows it."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from stats.calibration.sources import conversions, normal_moments
from stats.calibration.table import Hits, Promise, Scenario
from stats.confidence_sequence import confidence_sequence
from stats.group_sequential import Shape, SpendingPlan
from stats.moments import Moments
from stats.records import Interval
from stats.repeated_interval import repeated_interval
from stats.sequential_srm import log_factor
from stats.welch import welch

Rng = np.random.Generator
_ARM = 10_000


def _looks(
    rng: Rng, count: int, looks: int, *, binary: bool = False
) -> Iterator[tuple[Moments, Moments]]:
    """Yield both arms as they stand at each of the looks, growing to 10,000 units."""
    batch = _ARM // looks

    def more() -> Moments:
        if binary:
            return conversions(rng, count, batch, 0.1)
        return normal_moments(rng, (count,), batch)

    control, treatment = more(), more()
    yield control, treatment
    for _ in range(looks - 1):
        control, treatment = control + more(), treatment + more()
        yield control, treatment


def _excludes_0(ends: Interval) -> Hits:
    return np.asarray((np.asarray(ends.lower) > 0) | (np.asarray(ends.upper) < 0))


def naive_peeking(rng: Rng, count: int, *, looks: int) -> Hits:
    crossed = np.zeros(count, dtype=np.bool_)
    for arms in _looks(rng, count, looks):
        crossed |= np.asarray(welch(*arms).p_value) < 0.05
    return crossed


def always_valid(rng: Rng, count: int, *, looks: int, binary: bool) -> Hits:
    crossed = np.zeros(count, dtype=np.bool_)
    for arms in _looks(rng, count, looks, binary=binary):
        crossed |= _excludes_0(confidence_sequence(*arms, planned_n=2 * _ARM).interval)
    return crossed


def group_sequential(rng: Rng, count: int, *, looks: int, shape: Shape) -> Hits:
    state, crossed = SpendingPlan(shape=shape).start(), np.zeros(count, dtype=np.bool_)
    for k, arms in enumerate(_looks(rng, count, looks), start=1):
        state = state.look(k / looks)
        crossed |= np.asarray(repeated_interval(*arms, state).crossed) == 1
    return crossed


def watched_sample_ratio(rng: Rng, count: int, *, looks: int) -> Hits:
    shares = np.array([0.5, 0.5])
    counts = rng.multinomial(2 * _ARM // looks, shares, (looks, count)).cumsum(axis=0)
    return np.asarray((log_factor(counts, shares, 100.0) > -np.log(0.05)).any(axis=0))


def _looked_at(method: str, promise: Promise, looks: int, draw: object) -> Scenario:
    setting = f"{looks} looks to n = 10,000"
    return Scenario(method, setting, "rejects", promise, 0.05, draw, 20_000)  # type: ignore[arg-type]


def _at(looks: int) -> tuple[Scenario, ...]:
    return (
        _looked_at("peeking at 1.96", "shown", looks, partial(naive_peeking, looks=looks)),
        _looked_at(
            "confidence sequence",
            "at most",
            looks,
            partial(always_valid, looks=looks, binary=False),
        ),
        _looked_at(
            "confidence sequence, conversions",
            "at most",
            looks,
            partial(always_valid, looks=looks, binary=True),
        ),
        *(
            _looked_at(
                f"group sequential, {shape}",
                "equals",
                looks,
                partial(group_sequential, looks=looks, shape=shape),
            )
            for shape in ("obrien-fleming", "pocock", "power")
        ),
        _looked_at(
            "sample ratio, always valid",
            "at most",
            looks,
            partial(watched_sample_ratio, looks=looks),
        ),
    )


SCENARIOS = (*_at(5), *_at(20), *_at(100))
