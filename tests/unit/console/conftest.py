from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask, g

from api.app import create_app
from api.console import pages
from api.console.report_page import Setting, report_page
from experiments.access import Actor
from experiments.settings import Settings
from tests.unit.console.documents import STATES

NOW = datetime(2026, 3, 20, 9, 42, tzinfo=UTC)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder = tmp_path_factory.mktemp("console")
    return create_app(
        Settings(f"sqlite:///{folder}/evenhand.db", folder, secret_key="for tests", demo=True)
    )


@pytest.fixture
def draw(app: Flask) -> Callable[..., str]:
    """Draw the report page of a state, as the view does."""

    def draw(state: str, language: str = "en", **setting: object) -> str:
        given = {"time_zone": "Europe/Paris", "traffic": 1.0, "now": NOW, **setting}
        with app.test_request_context(f"/experiments/x?lang={language}"):
            g.actor = Actor("demo", "production", "demo")
            report = report_page(
                STATES[state](), Setting(base_url="http://127.0.0.1:8000", **given), pages.words()
            )
            return pages.render("report.html", report=report).get_data(as_text=True)

    return draw


@pytest.fixture(scope="session")
def console() -> Path:
    return Path(pages.__file__).parent
