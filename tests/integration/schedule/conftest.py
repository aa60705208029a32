"""A service in this process, whose scheduler is told when to look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api import create_app
from api.services import Services
from experiments.access import Keys
from experiments.definitions.time import HOUR, Instant, format_instant, now
from experiments.schedule import Scheduler
from experiments.settings import Settings
from experiments.store.database import Database

RETURNS = {
    "key": "returns",
    "kind": "conversion",
    "event": "return",
    "window_hours": 0.1,
    "direction": "decrease",
}


def ago(hours: float) -> str:
    return format_instant(now() - round(hours * HOUR))


@dataclass
class Shop:
    client: FlaskClient
    services: Services
    headers: dict[str, str]

    def tick(self, at: Instant | None = None) -> list[str] | None:
        """The codes of what a scheduler does, whose clock may show another time."""
        services = self.services
        scheduler = Scheduler(
            services.database,
            services.experiments,
            services.reports,
            services.settings,
            clock=now if at is None else lambda: at,
        )
        done = scheduler.tick()
        scheduler.close()
        return None if done is None else [notice.code for notice in done]

    def patch(self, key: str, changes: dict[str, Any]) -> Any:
        path = f"/api/v1/experiments/{key}"
        answer = self.client.patch(path, json=changes, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json

    def post(self, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
        answer = self.client.post(f"/api/v1{path}", json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json

    def get(self, path: str) -> Any:
        answer = self.client.get(f"/api/v1{path}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json

    def create(self, key: str = "button", **more: Any) -> None:
        variants = [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}]
        self.post("/experiments", {"key": key, "variants": variants, **more}, 201)

    def start(self, key: str = "button", hours: float = 1) -> None:
        """As if it had been started `hours` ago."""
        self.post(f"/experiments/{key}/start", {"started_at": ago(hours)})

    def visit(self, variant: str, units: int, returns: int, first: int = 0) -> None:
        """Units that met the variant half an hour ago, and how many of them sent goods back."""
        seen, back = ago(0.5), ago(0.48)
        names = [f"{variant}-{number}" for number in range(first, first + units)]
        exposures = [
            {"type": "exposure", "experiment": "button", "variant": variant, "unit_id": name}
            | {"timestamp": seen}
            for name in names
        ]
        outcomes = [
            {"type": "outcome", "event": "return", "unit_id": name, "timestamp": back}
            for name in names[:returns]
        ]
        for events in (exposures, outcomes):
            answer = self.post("/events", {"events": events}) if events else {"results": []}
            assert {one["status"] for one in answer["results"]} <= {"stored"}

    def standing(self, key: str = "button") -> tuple[str, float, int]:
        """Status, traffic and the ramp's step."""
        found = self.get(f"/experiments/{key}")
        return found["status"], found["traffic"], found["phases"][-1]["step"]

    def details(self) -> list[str]:
        """What the notices say, the newest first."""
        return [one["detail"] for one in self.get("/notices")["notices"]]

    def notices(self) -> list[tuple[str, str]]:
        """Experiment and code, the oldest first."""
        found = self.get("/notices")["notices"]
        return [(one["experiment"], one["code"]) for one in reversed(found)]


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    url = database.url.render_as_string(hide_password=False)
    app = create_app(Settings(url, tmp_path, secret_key="for tests"))
    services = app.extensions["evenhand"]
    key = Keys(services.database).create("admin", "production", actor="tests")
    shop = Shop(app.test_client(), services, {"X-API-Key": key})
    shop.post("/metrics", RETURNS, 201)
    shop.post("/metrics", {**RETURNS, "key": "ever", "window_hours": None}, 201)
    yield shop
    services.close()
