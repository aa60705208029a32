"""A results document as everything that the report page writes, in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from api.console import commands, health_strip, numbers
from api.console.chooser import Chooser, chooser
from api.console.decision_card import DecisionCard, decision_card
from api.console.health_strip import Arm, Check
from api.console.metric_tables import RoleTable, role_tables
from api.console.variant_numbers import MetricNumbers, metric_numbers
from api.console.words import Words
from experiments.definitions.lifecycle import MAIN, Phase
from experiments.definitions.segment import Segment


@dataclass(frozen=True, slots=True)
class Setting:
    """What the report needs to know that its document does not say."""

    time_zone: str
    traffic: float
    base_url: str
    now: datetime
    is_late: bool = False  # a newer report is being made
    phases: tuple[Phase, ...] = ()
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class NextStep:
    """Why there is nothing to read yet, and the request that changes it."""

    title: str
    text: str
    command: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Units so far beside the units planned, `done` between 0 and 1."""

    text: str
    done: float


@dataclass(frozen=True, slots=True)
class ReportPage:
    name: str
    key: str
    hypothesis: str
    status: str
    status_text: str
    facts: tuple[tuple[str, str], ...]
    made: str
    made_at: str
    is_late: bool
    chooser: Chooser | None
    decision: DecisionCard
    next_step: NextStep | None
    checks: tuple[Check, ...]
    alarms: int
    arms: tuple[Arm, ...]
    total: str
    progress: Progress | None
    tables: tuple[RoleTable, ...]
    numbers: tuple[MetricNumbers, ...]
    basis: str
    is_bayesian: bool
    level: str
    waiting: str
    next_maturity: str | None
    terms: tuple[tuple[str, str], ...]


def report_page(document: dict[str, Any], setting: Setting, words: Words) -> ReportPage:
    zone = ZoneInfo(setting.time_zone)
    checks = tuple(health_strip.checks(document, words, setting.now))
    as_of = datetime.fromisoformat(document["as_of"])
    level = numbers.share(1 - document["alpha"])
    is_bayesian = document["basis"] == "bayesian"
    return ReportPage(
        name=document["name"],
        key=document["experiment"],
        hypothesis=document["hypothesis"],
        status=document["status"],
        status_text=words(f"status.{document['status']}"),
        facts=tuple(_facts(document, words, zone)),
        made=words(
            "made",
            date=words.date(as_of.astimezone(zone)),
            age=words.age((setting.now - as_of).total_seconds()),
        ),
        made_at=document["as_of"],
        is_late=setting.is_late,
        chooser=chooser(document, setting.phases, setting.segments, zone, words),
        decision=decision_card(document, words),
        next_step=next_step(document, setting, words),
        checks=checks,
        alarms=sum(check.state == health_strip.BAD for check in checks),
        arms=tuple(health_strip.arms(document, words)),
        total=numbers.count(sum(document["units"].values())),
        progress=_progress(document, words),
        tables=tuple(role_tables(document, words)),
        numbers=tuple(metric_numbers(document, words)),
        basis=_basis(document, words, level),
        is_bayesian=is_bayesian,
        level=level,
        waiting=words.list(
            [
                words("waiting.metric", metric=metric["name"], n=metric["waiting"])
                for metric in document["metrics"]
                if metric["waiting"]
            ]
        ),
        next_maturity=_date(document["next_maturity_at"], words, zone),
        terms=tuple(_terms(document, words, level)),
    )


def next_step(document: dict[str, Any], setting: Setting, words: Words) -> NextStep | None:
    """Which of the four empty states holds, None where there is enough to read.

    A segment, and a phase that is over, have nothing to send.
    """
    key, base = document["experiment"], setting.base_url
    if document["status"] == "draft":
        return _next(words, "draft", commands.start(base, key))
    if document.get("segment") or document["ended_at"] is not None:
        return None
    units = sum(document["units"].values())
    if not units:
        return _next(words, "unexposed", commands.send_exposure(base, key, document["control"]))
    seen = document["health"]["events"]
    silent = [event for event, number in seen.items() if not number]
    if silent and len(silent) == len(seen):
        return _next(
            words, "silent", commands.send_outcome(base, silent[0]), events=words.list(silent)
        )
    planned = _planned(document)
    undecided = document["decision"]["recommendation"] == "keep_running"
    if document["status"] == "running" and undecided and planned and units < planned:
        more = setting.traffic < 1
        command = commands.raise_traffic(base, key) if more else commands.read_results(base, key)
        name = "slow" if more else "underpowered"
        return _next(words, name, command, units=units, planned=planned, left=planned - units)
    return None


def _next(words: Words, name: str, command: str, **values: str | int) -> NextStep:
    return NextStep(words(f"next.{name}.title"), words(f"next.{name}.text", **values), command)


def _facts(document: dict[str, Any], words: Words, zone: ZoneInfo) -> list[tuple[str, str]]:
    basis = document["basis"]
    plan = words(
        f"plan.{basis}",
        alpha=numbers.significant(document["alpha"]),
        level=numbers.share(1 - document["alpha"]),
        correction=words(f"correction.{document['correction']}"),
    )
    facts = [(words("fact.environment"), document["environment"])]
    facts += [
        (words(f"fact.{name}"), shown)
        for name in ("started_at", "ended_at")
        if (shown := _date(document[name], words, zone))
    ]
    facts.append((words("fact.plan"), plan))
    facts.append((words("fact.assignment"), words(f"assignment.{document['assignment']}")))
    if document["minimum_effect"] is not None:
        facts.append((words("fact.minimum_effect"), numbers.share(document["minimum_effect"])))
    if document["winner"] is not None:
        facts.append((words("fact.winner"), document["winner"]))
    if document["phase"] is not None:
        kind = words(f"phase.{document.get('phase_kind', MAIN)}")
        facts.append((words("fact.phase"), f"{numbers.count(document['phase'])} · {kind}"))
    if document.get("segment"):
        facts.append((words("fact.segment"), document["segment"]["name"]))
    if document.get("holdout"):
        facts.append((words("fact.holdout"), words("fact.holdout.text")))
    facts.append((words("fact.revision"), numbers.count(document["revision"])))
    return facts


def _basis(document: dict[str, Any], words: Words, level: str) -> str:
    """How the intervals are to be read; a Bayesian plan names its prior.

    Under a sequential plan, metrics without a window are named: they are read at a fixed horizon.
    """
    priors = [
        comparison["bayesian"]["prior"]
        for metric in document["metrics"]
        for comparison in metric["comparisons"]
    ]
    if not priors:
        return ""
    if document["basis"] == "bayesian":
        return words(
            "metrics.basis.bayesian",
            level=level,
            mean=numbers.significant(priors[0]["mean"]),
            sd=numbers.significant(priors[0]["sd"]),
        )
    names = {
        basis: [metric["name"] for metric in document["metrics"] if metric["basis"] == basis]
        for basis in ("sequential", "fixed")
    }
    said = [words(f"metrics.basis.{basis}", level=level) for basis in names if names[basis]]
    if document["basis"] == "sequential" and names["fixed"]:
        said[-1] = words("metrics.basis.horizon", level=level, metrics=words.list(names["fixed"]))
    return words("sentences").join(said)


def _planned(document: dict[str, Any]) -> int | None:
    """The units that the plan asks of this report: of a main phase, and of everybody."""
    if document.get("segment") or document.get("phase_kind", MAIN) != MAIN:
        return None
    planned: int | None = document["planned_units"]
    return planned


def _progress(document: dict[str, Any], words: Words) -> Progress | None:
    planned, units = _planned(document), sum(document["units"].values())
    if not planned:
        return None
    done = min(1.0, units / planned)
    text = words("progress", units=units, planned=planned, share=numbers.share(units / planned))
    return Progress(text, done)


def _date(rfc3339: str | None, words: Words, zone: ZoneInfo) -> str | None:
    return None if rfc3339 is None else words.date(numbers.moment(rfc3339, zone))


_EVIDENCE = {
    "sequential": ("sequence", "always_valid"),
    "fixed": ("interval", "p"),
    "bayesian": ("credible", "chance", "loss"),
}


def _terms(document: dict[str, Any], words: Words, level: str) -> list[tuple[str, str]]:
    bases = {metric["basis"] for metric in document["metrics"]} or {document["basis"]}
    names = ["control", "exposure", "conversion", "points", "lift", "goal", "guardrail"]
    for basis, evidence in _EVIDENCE.items():
        names += evidence if basis in bases else ()
    names += [] if "bayesian" in bases else ["adjusted"]
    names += ["inconclusive", "srm", "crossover", "waiting"]
    return [(words(f"term.{name}"), words(f"term.{name}.text", level=level)) for name in names]
