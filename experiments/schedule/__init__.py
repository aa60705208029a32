"""What happens by the clock: starts, stops, ramps and roll-backs; one process acts at a time."""

from experiments.schedule.notices import Notices
from experiments.schedule.run import Scheduler

__all__ = ["Notices", "Scheduler"]
