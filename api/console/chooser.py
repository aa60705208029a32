"""Which phase and whose report: what a reader may choose, and what is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from api.console import numbers
from api.console.words import Words
from experiments.definitions.lifecycle import Phase
from experiments.definitions.segment import Segment
from experiments.definitions.time import format_instant

EVERYBODY = ""  # the value that stands for no segment


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    text: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class Chooser:
    """Either is empty where there is nothing to choose."""

    phases: tuple[Option, ...]
    segments: tuple[Option, ...]


def chooser(
    document: dict[str, Any],
    phases: Iterable[Phase],
    segments: Iterable[Segment],
    zone: ZoneInfo,
    words: Words,
) -> Chooser | None:
    """None for a draft, and where there is one phase and no segment."""
    if document["phase"] is None:
        return None
    known, shown = tuple(phases), (document.get("segment") or {}).get("key", EVERYBODY)
    of_phases = tuple(
        Option(str(phase.number), _phase(phase, zone, words), phase.number == document["phase"])
        for phase in reversed(known)
    )
    of_segments = tuple(
        Option(segment.key, segment.name, segment.key == shown) for segment in segments
    )
    if len(of_phases) < 2 and not of_segments:
        return None
    everybody = Option(EVERYBODY, words("chooser.everybody"), shown == EVERYBODY)
    return Chooser(
        of_phases if len(of_phases) > 1 else (),
        (everybody, *of_segments) if of_segments else (),
    )


def _phase(phase: Phase, zone: ZoneInfo, words: Words) -> str:
    began = numbers.moment(format_instant(phase.started_at), zone)
    return words(
        "chooser.phase.option",
        phase=phase.number,
        kind=words(f"phase.{phase.kind}"),
        date=words.date(began),
    )
