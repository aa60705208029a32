"""The event log's intake: validate, deduplicate, commit, acknowledge."""

from experiments.events.dead_letters import Cursor, Wanted, list_dead_letters
from experiments.events.intake import Intake
from experiments.events.reading import MAX_ITEMS, MAX_UNIT_ID
from experiments.events.records import DeadLetter, Verdict
from experiments.events.replay import Correction, DeadLetters
from experiments.events.tail import Sought, Tail, Tells

__all__ = [
    "MAX_ITEMS",
    "MAX_UNIT_ID",
    "Correction",
    "Cursor",
    "DeadLetter",
    "DeadLetters",
    "Intake",
    "Sought",
    "Tail",
    "Tells",
    "Verdict",
    "Wanted",
    "list_dead_letters",
]
