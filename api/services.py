"""What the views call: one frozen record, composed once in `create_app`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from api.protocols.streams import Streams
from experiments.access import Access, Keys
from experiments.analysis.service import Reports
from experiments.events import DeadLetters, Intake
from experiments.registry import Experiments, Features, Holdouts, Layers, Metrics, Segments
from experiments.schedule import Notices, Scheduler
from experiments.sdk_payload_modes import KeyPayloads
from experiments.settings import Settings
from experiments.snapshot import Snapshots
from experiments.sticky import StickyAssignments
from experiments.store.database import Database

EXTENSION = "evenhand"


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    database: Database
    snapshots: Snapshots
    access: Access
    experiments: Experiments
    holdouts: Holdouts
    features: Features
    segments: Segments
    layers: Layers
    metrics: Metrics
    intake: Intake
    dead_letters: DeadLetters
    reports: Reports
    scheduler: Scheduler
    notices: Notices
    keys: Keys
    payloads: KeyPayloads
    streams: Streams
    sticky: StickyAssignments

    def close(self) -> None:
        """Commit what waits in this process and let go of the database."""
        self.scheduler.close()
        self.intake.close()
        self.snapshots.close()
        self.database.dispose()


def services() -> Services:
    return cast("Services", current_app.extensions[EXTENSION])
