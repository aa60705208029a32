"""The event log's intake: validate, deduplicate, commit, acknowledge."""

from experiments.events.intake import Intake, Sighting
from experiments.events.records import Verdict

__all__ = ["Intake", "Sighting", "Verdict"]
