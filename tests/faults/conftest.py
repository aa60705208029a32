"""One site per engine for all faults, and the table of what they came to."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import running
from tests.faults.outcome import Outcome, table
from tests.faults.site import Postgres, Site

_outcomes = pytest.StashKey[list[Outcome]]()


@pytest.fixture(scope="session")
def site_of(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Site]]:
    """The site over an engine; made at first use, and the same for all faults."""
    with contextlib.ExitStack() as stack:

        def make(engine: str) -> Site:
            postgres = None
            if engine == "postgresql":
                request.getfixturevalue("postgres")  # sets where servers keep their sockets
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="evenhand-faults-"))
                postgres = Postgres(Path(folder))
                stack.callback(postgres.close)
            start = stack.enter_context(running(tmp_path_factory.mktemp("service")))
            return Site(engine, tmp_path_factory.mktemp("site"), start, postgres)

        yield cache(make)


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> list[Outcome]:
    return request.config.stash.setdefault(_outcomes, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if rows := config.stash.get(_outcomes, []):
        terminalreporter.section("faults")
        terminalreporter.write_line(table(rows))
