"""When an event happened: the client's clock, set right by ours.

A client that says when it sent a batch (`sent_at`) tells how far its clock is off: received −
sent, which holds the travel time too. Up to `SKEW_TOLERANCE` the two cannot be told apart, and
the client's times stay as they are: correcting by each batch's own travel time would shuffle the
batches of one device, and with them its exposures and conversions. Beyond, the clock is wrong and
the whole difference is applied; what then remains wrong is the travel time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from experiments.definitions.time import DAY, SECOND, Instant
from experiments.events.records import Clock

SKEW_TOLERANCE = 5 * SECOND
FUTURE_TOLERANCE = DAY


class Moment(NamedTuple):
    """`at` counts, by `clock`; `client_at` is what the client said, uncorrected."""

    at: Instant
    clock: Clock
    client_at: Instant | None
    clamped: bool


@dataclass(frozen=True, slots=True)
class BatchClock:
    """The times of one batch: when we received it and when the client says it sent it."""

    received_at: Instant
    sent_at: Instant | None

    @property
    def skew(self) -> int:
        """Microseconds to add to the client's times."""
        if self.sent_at is None:
            return 0
        offset = self.received_at - self.sent_at
        return 0 if abs(offset) <= SKEW_TOLERANCE else offset

    def place(self, client_at: Instant | None) -> Moment:
        """When an event happened. A time before 1970 or over a day ahead cannot be: ours stands."""
        if client_at is None:
            return Moment(self.received_at, "server", None, clamped=False)
        at = client_at + self.skew
        if not self.is_possible(at):
            return Moment(self.received_at, "server", client_at, clamped=True)
        return Moment(at, "client", client_at, clamped=False)

    def is_possible(self, at: Instant) -> bool:
        """Whether an event can have happened then, by a clock that was set right."""
        return 0 <= at <= self.received_at + FUTURE_TOLERANCE
