"""POST /track: the events of GrowthBook's tracking plugins, into the log of all events."""

from __future__ import annotations

from typing import Any

from api.events import verdict_document
from api.json_body import sent_json
from api.schemas.growthbook import TrackBatch
from api.services import services
from experiments.access import Actor
from experiments.definitions.errors import Invalid, Problem
from experiments.definitions.experiment import Document, Experiment
from experiments.definitions.time import Instant, now, parse_instant
from experiments.events import MAX_ITEMS
from experiments.sdk_events import item_of

REQUEST_BODY = {
    "required": True,
    "description": "The plugins send an array of events as text/plain; one event alone, and"
    " `{sentAt, events}`, are taken too, whatever the content type, also with"
    " `Content-Encoding: gzip`",
    "content": {"application/json": {"schema": TrackBatch}},
}


def take(actor: Actor) -> list[Document]:
    """Store the events of the present request; one verdict for each, in their order."""
    received_at = now()
    events, sent_at = _read(sent_json())
    experiments = _Experiments(actor.environment)
    items = [item_of(event, experiments.find, experiments.unit_types) for event in events]
    kept = [item for item in items if item is not None]
    verdicts = iter(
        services().intake.take(
            actor.environment, actor.selector, kept, sent_at=sent_at, received_at=received_at
        )
        if kept
        else ()
    )
    return [
        {"index": index, "event_id": None, "status": "ignored"}
        if item is None
        else {**verdict_document(next(verdicts)), "index": index}
        for index, item in enumerate(items)
    ]


class _Experiments:
    """What is live in an environment; what is missing may have been made a moment ago."""

    def __init__(self, environment: str) -> None:
        self._environment = environment
        self._refreshed = False
        self._look()

    def find(self, key: str) -> Experiment | None:
        if key not in self._live and not self._refreshed:
            self._refreshed = True
            services().snapshots.refresh()
            self._look()
        live = self._live.get(key)
        return None if live is None else live.standing.experiment

    def _look(self) -> None:
        self._live = services().snapshots.current().environment(self._environment).experiments
        self.unit_types = {live.standing.experiment.unit_type for live in self._live.values()}


def _read(body: Any) -> tuple[list[Any], Instant | None]:
    sent_at = None
    if isinstance(body, dict) and "events" in body:
        sent_at = _sent_at(body.get("sentAt"))
        body = body["events"]
    elif isinstance(body, dict):
        body = [body]
    if not isinstance(body, list):
        raise Invalid(
            "VALIDATION_FAILED", 'send an array of events, or {"sentAt": …, "events": […]}'
        )
    if len(body) > MAX_ITEMS:
        raise Invalid(
            "BATCH_TOO_LARGE", f"a batch holds at most {MAX_ITEMS:,} events; send several"
        )
    return body, sent_at


def _sent_at(value: Any) -> Instant | None:
    if value is None:
        return None
    try:
        return parse_instant(value)
    except (TypeError, ValueError, OverflowError) as error:
        problem = Problem("sentAt", "INVALID", "send a time such as 2026-01-31T09:30:00Z")
        raise Invalid("VALIDATION_FAILED", f"sentAt: {problem.message}", (problem,)) from error
