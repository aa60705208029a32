"""What a report asks of the event log, and what the log answers: a few rows, never a unit.

Both travel as JSON between the process that serves and the process that reads the log.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from experiments.definitions.metric import Metric
from experiments.definitions.time import SECOND, Instant

ATTRIBUTION_GRACE = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Source:
    """A database that DuckDB attaches: a file of `sqlite` or a libpq string of `postgres`.

    The password stands apart, because DuckDB quotes the libpq string in its errors.
    """

    engine: str
    location: str
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The units whose attributes fulfil `condition`; `groups` are the segments that it names."""

    condition: dict[str, Any]
    groups: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """One phase of one experiment, as the log stood at `watermark` and time had come to `as_of`.

    With a `part` only its units are in the report. The phase began at `began_at`, the next one at
    `followed_at`.
    """

    environment: str
    experiment: str
    phase: int
    unit_type: str
    watermark: int
    as_of: Instant
    metrics: tuple[Metric, ...]
    part: Part | None = None
    grace: int = ATTRIBUTION_GRACE
    began_at: Instant = 0
    followed_at: Instant | None = None

    @property
    def events(self) -> tuple[str, ...]:
        """Every event that a metric needs, each once."""
        return tuple(dict.fromkeys(event for metric in self.metrics for event in metric.events))


@dataclass(frozen=True, slots=True)
class Measured:
    """The moments of one metric in one arm.

    `n` counts mature units, `beyond` those of them whose value is too large to square; x is the
    value of a unit (the numerator of a mean or ratio), y the denominator. `m2_x`, `m2_y` and
    `cxy` are centred sums. `waits_from` is the first exposure of the oldest unit not mature yet.
    """

    n: int
    beyond: int
    mean_x: float | None
    m2_x: float | None
    mean_y: float | None
    m2_y: float | None
    cxy: float | None
    waits_from: Instant | None


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant: `units` without crossovers, `exposed` with them.

    `asked` counts units whose variant was compared with the hash, `disagree` those of them that
    got another one. `events` counts the outcomes of the units, inside a window or not.
    """

    variant: str
    units: int
    exposed: int
    asked: int
    disagree: int
    last_exposure_at: Instant | None
    last_outcome_at: Instant | None
    events: dict[str, int]
    measured: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one report needs of the log. `excluded` counts exposures by their mark.

    `rejected` counts the dead letters that name the experiment or an event of its metrics,
    `dead_letters` by code those received in the phase that name the experiment itself.
    """

    arms: tuple[Arm, ...]
    crossovers: int
    excluded: dict[str, int]
    rejected: int
    dead_letters: dict[str, int] = field(default_factory=dict)


def task_to_document(task: Task) -> dict[str, Any]:
    return asdict(task)


def task_from_document(document: dict[str, Any]) -> Task:
    metrics = tuple(Metric(**metric) for metric in document["metrics"])
    part = None if document["part"] is None else Part(**document["part"])
    return Task(**{**document, "metrics": metrics, "part": part})


def findings_to_document(findings: Findings) -> dict[str, Any]:
    return asdict(findings)


def findings_from_document(document: dict[str, Any]) -> Findings:
    arms = tuple(
        Arm(**{**arm, "measured": tuple(Measured(**one) for one in arm["measured"])})
        for arm in document["arms"]
    )
    return Findings(**{**document, "arms": arms})
