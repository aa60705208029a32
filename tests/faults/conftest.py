"""One site per engine for all faults, and the table of what they came to."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ENGINES, running
from tests.faults.outcome import Outcome, table
from tests.faults.site import Postgres, Site

_outcomes = pytest.StashKey[list[Outcome]]()


@pytest.fixture(scope="session", params=ENGINES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    engine: str = request.param
    with tempfile.TemporaryDirectory(prefix="evenhand-faults-") as name:
        postgres = None
        if engine == "postgresql":
            request.getfixturevalue("postgres")  # sets where servers keep their sockets
            postgres = Postgres(Path(name))
        with running(tmp_path_factory.mktemp("faults")) as start:
            yield Site(engine, tmp_path_factory.mktemp("site"), start, postgres)
        if postgres:
            postgres.close()


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> list[Outcome]:
    return request.config.stash.setdefault(_outcomes, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if rows := config.stash.get(_outcomes, []):
        terminalreporter.section("faults")
        terminalreporter.write_line(table(rows))
