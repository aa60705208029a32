"""Results documents in every state that the report page must draw, made by the analysis itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from experiments.analysis.results import results
from experiments.analysis.task import Arm, Findings, Measured
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import Standing, Terms, move
from experiments.definitions.metric import metric_from_document
from experiments.definitions.segment import Segment
from experiments.definitions.time import DAY, HOUR, parse_instant

Document: TypeAlias = dict[str, Any]

AS_OF = parse_instant("2026-03-20T09:30:00Z")
METRICS = {
    key: metric_from_document({"key": key, **rest})
    for key, rest in {
        "purchase": {"name": "Purchase", "kind": "conversion", "event": "purchase"},
        "retention_7": {
            "name": "Retention on day 7",
            "kind": "conversion",
            "event": "return",
            "delay_hours": 144,
            "window_hours": 24,
        },
        "revenue": {"name": "Revenue", "kind": "sum", "event": "purchase"},
        "crashes": {"kind": "count", "event": "crash", "direction": "decrease"},
        "latency": {
            "name": "Latency (ms)",
            "kind": "mean",
            "event": "page_load",
            "direction": "decrease",
        },
        "profit": {"name": "Profit", "kind": "sum", "event": "profit"},
        "purchase_72": {
            "name": "Purchase in 3 days",
            "kind": "conversion",
            "event": "purchase",
            "window_hours": 72,
        },
        "latency_72": {
            "name": "Latency in 3 days (ms)",
            "kind": "mean",
            "event": "page_load",
            "window_hours": 72,
            "direction": "decrease",
        },
    }.items()
}
CHECKOUT = [{"metric": "purchase", "role": "goal"}, {"metric": "revenue", "role": "secondary"}]


def rate(n: int, share: float, waiting: bool = False) -> Measured:
    return moments(n, share, share * (1 - share), waiting=waiting)


def moments(
    n: int, mean: float | None, variance: float = 0.0, *, waiting: bool = False
) -> Measured:
    waits_from = AS_OF - 2 * DAY if waiting else None
    mean = mean if n else None
    return Measured(n, 0, mean, variance * max(n - 1, 0), None, None, None, waits_from)


def arm(variant: str, units: int, *measured: Measured, **rest: Any) -> Arm:
    given = {"exposed": units, "asked": units, "disagree": 0}
    events = rest.pop("events", {"purchase": units // 8})
    last = AS_OF - 4 * 60_000_000 if units else None
    return Arm(
        variant,
        units,
        last_exposure_at=rest.pop("last_exposure_at", last),
        last_outcome_at=last if any(events.values()) else None,
        events=events,
        measured=measured,
        **{**given, **rest},
    )


def document(
    arms: tuple[Arm, ...],
    uses: list[dict[str, Any]] | None = None,
    *,
    verbs: tuple[str, ...] = ("start",),
    days: float = 12,
    plan: dict[str, Any] | None = None,
    crossovers: int = 0,
    excluded: dict[str, int] | None = None,
    rejected: int = 0,
    dead_letters: dict[str, int] | None = None,
    segment: Segment | None = None,
    phase: int | None = None,
    terms: dict[str, Terms] | None = None,
    **definition: Any,
) -> dict[str, Any]:
    uses = CHECKOUT if uses is None else uses
    weights = definition.pop("weights", {"control": 0.5, "treatment": 0.5})
    experiment = experiment_from_document(
        {
            "key": "checkout-2026",
            "name": "One-page checkout",
            "hypothesis": "A checkout on one page brings more units to the end.",
            "variants": [{"key": key, "weight": weight} for key, weight in weights.items()],
            "metrics": uses,
            "plan": plan or {},
            "time_zone": "Europe/Paris",
            **definition,
        }
    )
    began = AS_OF - round(days * DAY)
    standing = Standing("production", experiment, "draft", 1, began - DAY, began - DAY)
    for verb in verbs:
        at = began if verb == "start" else AS_OF - HOUR
        given = (terms or {}).get(verb, Terms(winner="treatment" if verb == "ship" else None))
        standing = move(standing, verb, at, given)
    found = Findings(arms, crossovers, excluded or {}, rejected, dead_letters or {})
    metrics = tuple(METRICS[use["metric"]] for use in uses)
    shown = standing.phase if phase is None else standing.phases[phase - 1]
    return results(standing, shown, metrics, found, watermark=4711, as_of=AS_OF, segment=segment)


def pair(
    control: tuple[Measured, ...], treatment: tuple[Measured, ...], **rest: Any
) -> tuple[Arm, ...]:
    return (
        arm("control", control[0].n, *control, **rest),
        arm("treatment", treatment[0].n, *treatment, **rest),
    )


def win(**rest: Any) -> dict[str, Any]:
    arms = pair(
        (rate(10_020, 0.1212), moments(10_020, 8.42, 310.0)),
        (rate(9_980, 0.1391), moments(9_980, 9.11, 325.0)),
    )
    return document(arms, **rest)


def flat(**rest: Any) -> dict[str, Any]:
    arms = pair(
        (rate(90_100, 0.1212), moments(90_100, 8.42, 310.0)),
        (rate(89_900, 0.1211), moments(89_900, 8.40, 309.0)),
    )
    return document(arms, **rest)


def mismatch() -> dict[str, Any]:
    arms = pair(
        (rate(5_400, 0.12), moments(5_400, 8.42, 310.0)),
        (rate(4_610, 0.13), moments(4_610, 8.9, 310.0)),
    )
    return document(
        arms,
        rejected=1_337,
        dead_letters={"FIELD_TYPE": 1, "UNKNOWN_VARIANT": 1_200},
        excluded={"NOT_RUNNING": 210, "OVERRIDDEN": 4},
    )


def crossed() -> dict[str, Any]:
    arms = pair(
        (rate(4_990, 0.12), moments(4_990, 8.42, 310.0)),
        (rate(5_010, 0.13), moments(5_010, 8.9, 310.0)),
        exposed=5_300,
        disagree=80,
    )
    return document(arms, crossovers=305)


def retention_worse() -> dict[str, Any]:
    """The shape of a public test of a mobile game: externally assigned, one goal worse."""
    uses = [
        {"metric": "retention_7", "role": "goal"},
        {"metric": "purchase", "role": "goal"},
        {"metric": "revenue", "role": "secondary"},
    ]
    arms = (
        arm(
            "gate_30",
            44_700,
            rate(44_700, 0.190201),
            rate(44_700, 0.448188),
            moments(44_700, 52.456, 65_800.0),
            asked=0,
        ),
        arm(
            "gate_40",
            45_489,
            rate(45_489, 0.182000),
            rate(45_489, 0.442283),
            moments(45_489, 51.299, 10_700.0),
            asked=0,
        ),
    )
    weights = {"gate_30": 0.5, "gate_40": 0.5}
    return document(
        arms,
        uses,
        weights=weights,
        assignment="external",
        key="gate",
        name="gate",
        plan={"basis": "fixed"},
    )


def guardrail_worse(**rest: Any) -> dict[str, Any]:
    uses = [
        {"metric": "purchase", "role": "goal"},
        {"metric": "latency", "role": "guardrail", "margin": 0.02},
        {"metric": "crashes", "role": "guardrail"},
    ]
    arms = pair(
        (rate(10_020, 0.1212), moments(10_020, 412.0, 90_000.0), moments(10_020, 0.031, 0.05)),
        (rate(9_980, 0.1391), moments(9_980, 405.0, 90_000.0), moments(9_980, 0.052, 0.09)),
    )
    return document(arms, uses, **rest)


def guardrail_unproven() -> dict[str, Any]:
    uses = [
        {"metric": "purchase", "role": "goal"},
        {"metric": "latency", "role": "guardrail", "margin": 0.01},
    ]
    arms = pair(
        (rate(10_020, 0.1212), moments(10_020, 412.0, 90_000.0)),
        (rate(9_980, 0.1391), moments(9_980, 414.0, 90_000.0)),
    )
    return document(arms, uses)


def three_arms() -> dict[str, Any]:
    weights = {"control": 0.34, "treatment": 0.33, "bold-treatment-with-a-long-key": 0.33}
    uses = [*CHECKOUT, {"metric": "retention_7", "role": "secondary"}]
    arms = tuple(
        arm(
            key,
            round(30_000 * weight),
            rate(round(30_000 * weight), share),
            moments(round(30_000 * weight), 8.4, 310.0),
            rate(round(12_000 * weight), 0.2, waiting=True),
        )
        for (key, weight), share in zip(weights.items(), (0.12, 0.131, 0.1165), strict=True)
    )
    return document(arms, uses, weights=weights)


def awkward_baselines() -> dict[str, Any]:
    """A zero baseline, a negative one, equal values, an arm with one unit's worth of data."""
    uses = [
        {"metric": "purchase", "role": "goal"},
        {"metric": "profit", "role": "goal"},
        {"metric": "revenue", "role": "secondary"},
        {"metric": "crashes", "role": "secondary"},
    ]
    arms = pair(
        (rate(500, 0.0), moments(500, -10.0, 40.0), moments(500, 5.0), moments(1, 0.0)),
        (rate(500, 0.02), moments(500, -9.0, 40.0), moments(500, 6.0), moments(0, None)),
    )
    return document(arms, uses)


def without_units() -> dict[str, Any]:
    return document((), CHECKOUT)


def without_outcomes() -> dict[str, Any]:
    arms = pair(
        (rate(612, 0.0), moments(612, 0.0)),
        (rate(598, 0.0), moments(598, 0.0)),
        events={"purchase": 0},
    )
    return document(arms, days=2)


def early(**rest: Any) -> dict[str, Any]:
    arms = pair(
        (rate(1_630, 0.1212), moments(1_630, 8.42, 310.0)),
        (rate(1_580, 0.1281), moments(1_580, 8.61, 325.0)),
    )
    return document(arms, days=3, **rest)


def bayesian(build: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return build(plan={"basis": "bayesian", "alpha": 0.05})


SEQUENTIAL = [
    {"metric": "purchase_72", "role": "goal"},
    {"metric": "latency_72", "role": "guardrail", "margin": 0.05},
]
MIXED = [
    {"metric": "purchase_72", "role": "goal"},
    {"metric": "revenue", "role": "goal"},
    {"metric": "latency_72", "role": "guardrail", "margin": 0.05},
]


def sequential(share: float, units: int = 10_000, latency: float = 405.0, **rest: Any) -> Document:
    """Every metric has a window, and the control's purchase rate is 12.12 %."""
    arms = pair(
        (rate(units, 0.1212), moments(units, 412.0, 90_000.0)),
        (rate(units, share), moments(units, latency, 90_000.0)),
    )
    return document(arms, SEQUENTIAL, **rest)


def mixed() -> Document:
    """Under a sequential plan, one of two goals has no window."""
    arms = pair(
        (rate(10_000, 0.1212), moments(10_000, 8.42, 310.0), moments(10_000, 412.0, 90_000.0)),
        (rate(10_000, 0.1391), moments(10_000, 9.11, 325.0), moments(10_000, 405.0, 90_000.0)),
    )
    return document(arms, MIXED)


VIP = Segment("vip", "Regular customers", condition={"plan": "pro"})
DRY = {"start": Terms(dry_run=True)}
HELD_BACK = {"ship": Terms(winner="treatment", holdback=0.05)}


def held_back(share: float = 0.1391) -> Document:
    """Shipped a while ago; a twentieth of the units stays with the control."""
    arms = (
        arm("control", 1_010, rate(1_010, 0.1212), moments(1_010, 8.42, 310.0)),
        arm("treatment", 18_990, rate(18_990, share), moments(18_990, 9.11, 325.0)),
    )
    return document(arms, verbs=("start", "ship"), terms=HELD_BACK)


def holdout(*arms: Arm) -> Document:
    return document(
        arms,
        key="holdout-2026",
        name="Holdout of 2026",
        holdout={},
        weights={"held_out": 0.05, "open": 0.95},
    )


STATES: dict[str, Callable[[], dict[str, Any]]] = {
    "win": win,
    "flat": lambda: flat(plan={"minimum_effect": 0.05}),
    "mismatch": mismatch,
    "crossed": crossed,
    "retention_worse": retention_worse,
    "guardrail_worse": guardrail_worse,
    "guardrail_unproven": guardrail_unproven,
    "three_arms": three_arms,
    "awkward_baselines": awkward_baselines,
    "draft": lambda: document((), verbs=()),
    "without_units": without_units,
    "without_outcomes": without_outcomes,
    "waiting_for_units": lambda: early(plan={"planned_units": 20_000}),
    "waiting_for_days": early,
    "inconclusive": lambda: flat(plan={"planned_units": 100_000}),
    "sequential_win": lambda: sequential(0.1391, plan={"planned_units": 40_000}, days=3),
    "sequential_flat": lambda: sequential(
        0.1213, 90_000, plan={"planned_units": 200_000, "minimum_effect": 0.05}
    ),
    "sequential_worse": lambda: sequential(0.1041, days=2),
    "sequential_guardrail": lambda: sequential(0.1391, latency=450.0),
    "sequential_unproven": lambda: sequential(0.1391, latency=421.0),
    "sequential_units": lambda: sequential(0.1250, plan={"planned_units": 40_000}),
    "sequential_days": lambda: sequential(0.1250, days=2),
    "sequential_open": lambda: sequential(0.1250),
    "mixed": mixed,
    "bayesian_win": lambda: bayesian(win),
    "bayesian_flat": lambda: bayesian(flat),
    "bayesian_guardrail": lambda: bayesian(guardrail_worse),
    "stopped": lambda: flat(verbs=("start", "stop")),
    "shipped": lambda: win(verbs=("start", "ship")),
    "no_metrics": lambda: document(
        (arm("control", 90), arm("treatment", 85)),
        [],
        name="<b>Bold</b> & 'quoted'",
        verbs=("start", "pause"),
    ),
    "not_computable": lambda: document(
        pair((rate(900, 0.0),), (rate(910, 0.0),), events={"purchase": 0, "return": 3}),
        [{"metric": "purchase", "role": "goal"}],
    ),
    "without_goal": lambda: document(
        pair((rate(900, 0.1),), (rate(910, 0.1),)), [{"metric": "purchase", "role": "secondary"}]
    ),
    "segment": lambda: win(segment=VIP),
    "empty_segment": lambda: document((), segment=VIP),
    "first_phase": lambda: flat(verbs=("start", "rerandomise"), phase=1),
    "dry_run": lambda: flat(terms=DRY),
    "held_back": held_back,
    "held_back_worse": lambda: held_back(0.08),
    "held_back_unmeasured": lambda: document(
        (arm("treatment", 3, rate(3, 0.0), moments(3, 0.0)),),
        verbs=("start", "ship"),
        terms=HELD_BACK,
    ),
    "holdout": lambda: holdout(
        arm("held_out", 1_010, rate(1_010, 0.1212), moments(1_010, 8.42, 310.0)),
        arm("open", 18_990, rate(18_990, 0.1391), moments(18_990, 9.11, 325.0)),
    ),
    "holdout_unmeasured": lambda: holdout(
        arm("open", 3, rate(3, 0.0), moments(3, 0.0)),
    ),
    "silent_arm": lambda: document(
        (
            arm("control", 40, rate(40, 0.1), moments(40, 8.0, 30.0)),
            arm("treatment", 0, rate(0, 0), rate(0, 0)),
        )
    ),
}
