"""The event log's intake: validate, deduplicate, commit, acknowledge."""

from experiments.events.dead_letters import list_dead_letters
from experiments.events.intake import Intake
from experiments.events.reading import MAX_ITEMS, MAX_UNIT_ID
from experiments.events.records import Verdict

__all__ = ["MAX_ITEMS", "MAX_UNIT_ID", "Intake", "Verdict", "list_dead_letters"]
