"""What a metric is: the rule that turns a unit's outcomes into one number (or two, for a ratio)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from experiments.definitions.errors import Invalid, Problem
from experiments.definitions.keys import is_key
from experiments.definitions.time import HOUR, Instant

KINDS = ("conversion", "count", "sum", "mean", "ratio")
DIRECTIONS = ("increase", "decrease")


@dataclass(frozen=True, slots=True)
class Metric:
    """One number per unit, averaged over the units of an arm.

    conversion: 1 if the unit has any `event`; count: the number of them; sum: Σ value.
    mean: Σ value ÷ Σ events over the arm; ratio: Σ value of `event` ÷ Σ value of
    `denominator_event` over the arm.
    Outcomes count in [exposure + delay, exposure + delay + window); without `window_hours`
    the window is open-ended.
    `direction` says which way is better.
    """

    key: str
    name: str
    kind: str
    event: str
    denominator_event: str | None = None
    window_hours: float | None = None
    delay_hours: float = 0.0
    direction: str = "increase"

    @property
    def delay(self) -> int:
        """Microseconds from the exposure to the window's start."""
        return round(self.delay_hours * HOUR)

    @property
    def window(self) -> int | None:
        """Microseconds that the window lasts, None where it never ends."""
        return None if self.window_hours is None else round(self.window_hours * HOUR)

    @property
    def events(self) -> tuple[str, ...]:
        names = (self.event, self.denominator_event)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    @property
    def increase_is_better(self) -> bool:
        return self.direction == "increase"

    def mature_at(self, first_exposure: Instant) -> Instant:
        """When a unit first exposed then has seen its whole window."""
        return first_exposure if self.window is None else first_exposure + self.delay + self.window


def metric_from_document(document: dict[str, Any]) -> Metric:
    """Fill the defaults and check the rules; raises `Invalid`. The shape is already checked."""
    metric = Metric(
        key=document["key"],
        name=document.get("name") or document["key"],
        kind=document["kind"],
        event=document["event"],
        denominator_event=document.get("denominator_event"),
        window_hours=document.get("window_hours"),
        delay_hours=float(document.get("delay_hours") or 0.0),
        direction=document.get("direction", "increase"),
    )
    problems = _problems(metric)
    if problems:
        raise Invalid.of(problems)
    return metric


def metric_to_document(metric: Metric) -> dict[str, Any]:
    return {
        "key": metric.key,
        "name": metric.name,
        "kind": metric.kind,
        "event": metric.event,
        "denominator_event": metric.denominator_event,
        "window_hours": metric.window_hours,
        "delay_hours": metric.delay_hours,
        "direction": metric.direction,
    }


def _problems(metric: Metric) -> list[Problem]:
    problems: list[Problem] = []
    if not is_key(metric.key):
        problems.append(Problem("key", "KEY_INVALID", f"{metric.key!r} is not a key"))
    if metric.kind not in KINDS:
        problems.append(Problem("kind", "KIND_UNKNOWN", f"use one of {', '.join(KINDS)}"))
    if metric.direction not in DIRECTIONS:
        problems.append(
            Problem("direction", "DIRECTION_UNKNOWN", f"use one of {', '.join(DIRECTIONS)}")
        )
    if not metric.event:
        problems.append(Problem("event", "EVENT_MISSING", "name the event that is counted"))
    if metric.kind == "ratio" and not metric.denominator_event:
        problems.append(
            Problem(
                "denominator_event",
                "DENOMINATOR_MISSING",
                "a ratio divides the values of `event` by those of `denominator_event`: name it",
            )
        )
    if metric.kind != "ratio" and metric.denominator_event is not None:
        problems.append(
            Problem("denominator_event", "DENOMINATOR_UNUSED", "only a ratio has a denominator")
        )
    longest = 24.0 * 366 * 10
    for name, hours, least in (
        ("window_hours", metric.window_hours, "more than 0"),
        ("delay_hours", metric.delay_hours, "0 or more"),
    ):
        if hours is None:
            continue
        low = hours > 0 if name == "window_hours" else hours >= 0
        if not (low and math.isfinite(hours) and hours <= longest):
            problems.append(
                Problem(name, "WINDOW_INVALID", f"{name} is {least} and at most ten years")
            )
    return problems
