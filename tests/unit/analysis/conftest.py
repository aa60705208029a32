"""Reports drawn up from moments that are written down, not read from a log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from experiments.analysis.results import results
from experiments.analysis.task import Arm, Findings
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import Standing, Terms, move
from experiments.definitions.metric import Metric
from experiments.definitions.segment import Segment
from experiments.definitions.time import DAY

START = 1_760_000_000_000_000


def report(
    arms: list[Arm],
    *,
    metrics: list[dict[str, Any]] | None = None,
    days: float = 10,
    verbs: tuple[str, ...] = ("start",),
    crossovers: int = 0,
    plan: dict[str, Any] | None = None,
    terms: dict[str, Terms] | None = None,
    phase: int | None = None,
    segment: Segment | None = None,
    **other: Any,
) -> dict[str, Any]:
    """The document for these arms, `days` after the start; the first arm is the control.

    `metrics` says role, margin and whatever else differs from a goal that is a mean to increase,
    `terms` what a verb is told.
    """
    uses = [{"role": "goal"}] if metrics is None else metrics
    keys = [f"metric_{i}" for i in range(len(uses))]
    experiment = experiment_from_document(
        {
            "key": "exp",
            "variants": other.pop("variants", None)
            or [{"key": one.variant, "weight": 1 / len(arms)} for one in arms],
            "metrics": [
                {"metric": key, "role": use["role"], "margin": use.get("margin")}
                for key, use in zip(keys, uses, strict=True)
            ],
            "plan": plan or {},
            **other,
        }
    )
    standing = Standing("production", experiment, "draft", 1, START, START)
    for verb in verbs:
        given = (terms or {}).get(verb, Terms(winner=arms[-1].variant))
        standing = move(standing, verb, START, given)
    defined = tuple(
        Metric(
            key=key,
            name=key,
            kind=use.get("kind", "sum"),
            event="buy",
            denominator_event=use.get("denominator_event"),
            window_hours=use.get("window_hours"),
            direction=use.get("direction", "increase"),
        )
        for key, use in zip(keys, uses, strict=True)
    )
    found = Findings(tuple(one for one in arms if one.exposed), crossovers, {}, 0)
    return results(
        standing,
        standing.phase if phase is None else standing.phases[phase - 1],
        defined,
        found,
        watermark=7,
        as_of=START + round(days * DAY),
        segment=segment,
    )


@pytest.fixture(scope="session")
def make_report() -> Callable[..., dict[str, Any]]:
    return report
