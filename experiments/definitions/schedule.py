"""When an experiment starts and stops by the clock, and how its traffic grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments.definitions.errors import Problem
from experiments.definitions.time import HOUR, Instant, format_instant, parse_instant

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RampStep:
    """`traffic` is a fraction; it holds for `hours` at least before the next step."""

    traffic: float
    hours: float

    @property
    def length(self) -> int:
        """Microseconds."""
        return round(self.hours * HOUR)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`roll_back` stops the experiment by itself when a goal or guardrail is shown to be harmed."""

    start_at: Instant | None = None
    stop_at: Instant | None = None
    ramp: tuple[RampStep, ...] = ()
    roll_back: bool = False


NO_SCHEDULE = Schedule()


def schedule_from_document(document: Document) -> Schedule:
    """Instants are RFC 3339 texts, or already instants as a schema reads them."""
    return Schedule(
        start_at=_instant(document.get("start_at")),
        stop_at=_instant(document.get("stop_at")),
        ramp=tuple(
            RampStep(float(step["traffic"]), float(step["hours"]))
            for step in document.get("ramp") or ()
        ),
        roll_back=bool(document.get("roll_back", False)),
    )


def schedule_to_document(schedule: Schedule) -> Document:
    return {
        "start_at": None if schedule.start_at is None else format_instant(schedule.start_at),
        "stop_at": None if schedule.stop_at is None else format_instant(schedule.stop_at),
        "ramp": [{"traffic": step.traffic, "hours": step.hours} for step in schedule.ramp],
        "roll_back": schedule.roll_back,
    }


def schedule_problems(schedule: Schedule) -> list[Problem]:
    problems: list[Problem] = []
    start, stop = schedule.start_at, schedule.stop_at
    if start is not None and stop is not None and stop <= start:
        problems.append(Problem("schedule.stop_at", "SCHEDULE_INVALID", "stop after the start"))
    before = 0.0
    for index, step in enumerate(schedule.ramp):
        path = f"schedule.ramp.{index}"
        if not before < step.traffic <= 1:
            problems.append(
                Problem(
                    f"{path}.traffic",
                    "RAMP_INVALID",
                    f"each step raises the traffic, above {before:g} and up to 1",
                )
            )
        if not 0 <= step.hours <= 24 * 366:
            problems.append(Problem(f"{path}.hours", "RAMP_INVALID", "0 hours to a year"))
        before = step.traffic
    return problems


def _instant(value: Any) -> Instant | None:
    return parse_instant(value) if isinstance(value, str) else value
