"""The sample experiments of the demo, and how their simulated units behave.

Every number is drawn from the unit's id, so that the same events come out of every run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from experiments.definitions.time import DAY, HOUR, Instant

UNITS = 12_000
DAYS = 14

Document = dict[str, Any]
Deed = tuple[Instant, str, float]  # microseconds after the exposure, the event, its value


@dataclass(frozen=True, slots=True)
class Sample:
    """An experiment with its metrics. `behave` draws what a unit in a variant does.

    `unlogged` is the share of a variant's exposures that get lost on their way.
    """

    title: str
    experiment: Document
    metrics: tuple[Document, ...]
    behave: Callable[[random.Random, bool], Iterator[Deed]]
    unlogged: tuple[str, float] | None = None

    @property
    def key(self) -> str:
        return str(self.experiment["key"])


def unit_ids() -> list[str]:
    return [f"visitor-{number:05d}" for number in range(1, UNITS + 1)]


def attributes_of(unit_id: str) -> Document:
    draw = random.Random(f"attributes:{unit_id}")  # noqa: S311 — a simulation
    return {
        "country": draw.choices(("DE", "FR", "GB", "US"), (3, 2, 2, 4))[0],
        "device": draw.choices(("phone", "desktop"), (3, 2))[0],
    }


def events_of(
    sample: Sample, unit_id: str, variant: str, *, until: Instant
) -> Iterator[tuple[Instant, Document]]:
    """The events of one unit by their instants: its exposure, then what it does before `until`."""
    draw = random.Random(f"{sample.key}:{unit_id}")  # noqa: S311 — a simulation
    exposed_at = until - round(draw.random() * DAYS * DAY)
    if sample.unlogged is not None:
        arm, share = sample.unlogged
        if draw.random() < share and variant == arm:
            return
    yield (
        exposed_at,
        {"type": "exposure", "experiment": sample.key, "variant": variant},
    )
    treated = variant != sample.experiment["variants"][0]["key"]
    for number, (after, event, value) in enumerate(sample.behave(draw, treated)):
        if exposed_at + after < until:
            yield (
                exposed_at + after,
                {
                    "type": "outcome",
                    "event_id": f"demo:{sample.key}:{unit_id}:{number}",
                    "event": event,
                    "value": value,
                },
            )


def _buy(draw: random.Random, treated: bool) -> Iterator[Deed]:  # noqa: FBT001 — as drawn
    """Two of five visitors order, one in eight of them twice; a tenth sends something back."""
    chance, orders = (0.45 if treated else 0.40), 0
    if draw.random() < chance:
        orders = 2 if draw.random() < 0.125 else 1
    at = round(draw.uniform(0.1, 6) * HOUR)
    for _ in range(orders):
        amount = round(draw.lognormvariate(3.6, 0.5), 2)
        yield at, "order", 1.0
        yield at, "revenue", amount
        if draw.random() < (0.16 if treated else 0.20):
            yield at + round(draw.uniform(12, 48) * HOUR), "refund", amount
        at += round(draw.uniform(1, 20) * HOUR)


def _search(draw: random.Random, treated: bool) -> Iterator[Deed]:  # noqa: ARG001, FBT001
    """What the ranking is, nobody notices: 7 of 10 visitors find something."""
    at = round(draw.uniform(0.01, 2) * HOUR)
    found = draw.random() < 0.70
    for number in range(1 + int(draw.expovariate(1))):
        yield at, "search", 1.0
        if found and number == 0:
            yield at + round(draw.uniform(0.001, 0.01) * HOUR), "result_opened", 1.0
        elif draw.random() < 0.15:
            yield at, "empty_search", 1.0
        at += round(draw.uniform(0.02, 3) * HOUR)


def _start(draw: random.Random, treated: bool) -> Iterator[Deed]:  # noqa: FBT001 — as drawn
    """The tour loses the impatient before their exposure is logged: who is left looks better."""
    if draw.random() < (0.36 if treated else 0.32):
        at = round(draw.uniform(0.2, 12) * HOUR)
        yield at, "account_created", 1.0
        yield at + round(draw.uniform(0.1, 24) * HOUR), "project_created", 1.0


def _metric(key: str, name: str, kind: str, event: str, **more: Any) -> Document:
    return {"key": key, "name": name, "kind": kind, "event": event, **more}


SAMPLES = (
    Sample(
        title="a clear win",
        experiment={
            "key": "checkout-button",
            "name": "Checkout button",
            "hypothesis": "A button that names the next step brings more visitors to an order.",
            "owner": "shop",
            "tags": ["demo"],
            "variants": [
                {"key": "control", "name": "“Continue”", "weight": 0.5},
                {"key": "next-step", "name": "“To payment”", "weight": 0.5},
            ],
            "metrics": [
                {"metric": "order-rate", "role": "goal"},
                {"metric": "revenue", "role": "goal"},
                {"metric": "refunds", "role": "guardrail", "margin": 0.15},
                {"metric": "orders", "role": "secondary"},
                {"metric": "order-value", "role": "secondary"},
            ],
            "plan": {"planned_units": 8_000, "minimum_effect": 0.05},
        },
        metrics=(
            _metric("order-rate", "Visitors who order", "conversion", "order", window_hours=72),
            _metric("revenue", "Revenue per visitor", "sum", "revenue", window_hours=72),
            _metric(
                "refunds",
                "Visitors with a refund",
                "conversion",
                "refund",
                window_hours=72,
                direction="decrease",
            ),
            _metric("orders", "Orders per visitor", "count", "order", window_hours=72),
            _metric(
                "order-value",
                "Revenue per order",
                "ratio",
                "revenue",
                denominator_event="order",
                window_hours=72,
            ),
        ),
        behave=_buy,
    ),
    Sample(
        title="no effect",
        experiment={
            "key": "search-ranking",
            "name": "Search ranking",
            "hypothesis": "A ranking that knows the season lets more visitors find something.",
            "owner": "search",
            "tags": ["demo"],
            "variants": [
                {"key": "control", "name": "Today’s ranking", "weight": 0.5},
                {"key": "seasonal", "name": "Seasonal ranking", "weight": 0.5},
            ],
            "metrics": [
                {"metric": "search-success", "role": "goal"},
                {"metric": "empty-searches", "role": "guardrail", "margin": 0.2},
                {"metric": "searches", "role": "secondary"},
            ],
            "plan": {"planned_units": 8_000, "minimum_effect": 0.05},
        },
        metrics=(
            _metric(
                "search-success",
                "Visitors who open a result",
                "conversion",
                "result_opened",
                window_hours=48,
            ),
            _metric(
                "empty-searches",
                "Searches without a result",
                "count",
                "empty_search",
                window_hours=48,
                direction="decrease",
            ),
            _metric("searches", "Searches per visitor", "count", "search", window_hours=48),
        ),
        behave=_search,
    ),
    Sample(
        title="a sample ratio mismatch",
        experiment={
            "key": "welcome-tour",
            "name": "Welcome tour",
            "hypothesis": "A short tour brings more visitors to an account.",
            "owner": "growth",
            "tags": ["demo"],
            "variants": [
                {"key": "control", "name": "No tour", "weight": 0.5},
                {"key": "tour", "name": "Tour in three steps", "weight": 0.5},
            ],
            "metrics": [
                {"metric": "sign-ups", "role": "goal"},
                {"metric": "first-projects", "role": "secondary"},
            ],
            "plan": {"planned_units": 8_000, "minimum_effect": 0.05},
        },
        metrics=(
            _metric(
                "sign-ups", "Visitors who sign up", "conversion", "account_created", window_hours=48
            ),
            _metric(
                "first-projects",
                "Visitors who begin a project",
                "conversion",
                "project_created",
                window_hours=72,
            ),
        ),
        behave=_start,
        unlogged=("tour", 0.12),
    ),
)
