"""One line of the list of experiments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from api.console import numbers
from api.console.decision_card import headline
from api.console.words import Words
from experiments.analysis.service import Report
from experiments.definitions.lifecycle import Standing


@dataclass(frozen=True, slots=True)
class Listed:
    """`tone` is the recommendation of the last report, "" where there is none."""

    key: str
    name: str
    status: str
    status_text: str
    units: str
    tone: str
    decision: str
    age: str


def listed(standing: Standing, report: Report | None, words: Words, now: datetime) -> Listed:
    units, tone, decision, age = words("none"), "", words("list.unread"), ""
    if report is not None:
        document = report.document
        tone = document["decision"]["recommendation"]
        units = numbers.count(sum(document["units"].values()))
        decision = headline(document, words)
        age = words.age((now - datetime.fromisoformat(document["as_of"])).total_seconds())
    return Listed(
        key=standing.experiment.key,
        name=standing.experiment.name,
        status=standing.status,
        status_text=words(f"status.{standing.status}"),
        units=units,
        tone=tone,
        decision=decision,
        age=age,
    )
