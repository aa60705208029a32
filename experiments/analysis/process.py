"""Starts the process that reads the log, waits for its findings, ends it at the deadline."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from experiments.analysis.task import (
    Findings,
    Source,
    Task,
    findings_from_document,
    task_to_document,
)
from experiments.definitions.errors import Unavailable
from experiments.settings import Settings
from experiments.store.database import Database

_COMMAND = (sys.executable, "-P", "-m", "experiments.analysis.worker")
_log = logging.getLogger(__name__)


def source_of(database: Database) -> Source:
    url = database.url
    if database.is_sqlite:
        return Source("sqlite", str(Path(url.database or "").absolute()))
    words = {
        **{name: value for name, value in url.query.items() if isinstance(value, str)},
        "host": url.query.get("host", url.host),
        "port": url.query.get("port", url.port),
        "dbname": url.database,
        "user": url.username,
        "connect_timeout": 2,
    }
    location = " ".join(
        f"{name}={_quoted(str(value))}" for name, value in words.items() if value is not None
    )
    return Source("postgres", location, url.password)


def read_log(
    task: Task, source: Source, settings: Settings, progress: Callable[[float], None]
) -> Findings:
    """What the log says about one experiment, read in a process of its own.

    Calls `progress` with a fraction now and then. Raises `Unavailable` ANALYSIS_DEADLINE after
    `settings.analysis_deadline` seconds, ANALYSIS_FAILED where the process gives no findings.
    """
    with tempfile.TemporaryDirectory(prefix="evenhand-analysis-") as scratch:
        order = {
            "task": task_to_document(task),
            "source": asdict(source),
            "memory": settings.analysis_memory,
            "scratch": scratch,
            "archive": str(settings.archive.absolute()),
        }
        deadline = time.monotonic() + settings.analysis_deadline
        with (Path(scratch) / "stderr").open("w+", encoding="utf-8") as complaints:
            answer = _ask(order, complaints, settings.analysis_deadline, progress)
            if "findings" in answer:
                return findings_from_document(answer["findings"])
            complaints.seek(0)
            why = answer.get("error") or complaints.read()[-2000:] or "it ended without a word"
    if time.monotonic() >= deadline:
        _log.error("analysis of %s/%s: deadline", task.environment, task.experiment)
        raise Unavailable(
            "ANALYSIS_DEADLINE",
            f"the analysis took longer than {settings.analysis_deadline:g} s and was ended; ask"
            " again when the machine is less busy, or raise EVENHAND_ANALYSIS_DEADLINE",
        )
    _log.error("analysis of %s/%s failed: %s", task.environment, task.experiment, why)
    raise Unavailable(
        "ANALYSIS_FAILED", "the analysis failed and the service's log says why; ask again"
    )


def _ask(
    order: dict[str, Any],
    complaints: IO[str],
    deadline: float,
    progress: Callable[[float], None],
) -> dict[str, Any]:
    """Run one worker and return its last line, {} where it was killed before it had one."""
    with (
        suppress(BrokenPipeError),  # it was killed before it read the order
        subprocess.Popen(  # noqa: S603 — our own interpreter and module
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            encoding="utf-8",
        ) as process,
    ):
        timer = threading.Timer(deadline, process.kill)
        timer.daemon = True
        timer.start()
        try:
            if process.stdin is None or process.stdout is None:
                raise AssertionError("both are pipes")
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            for text in process.stdout:
                line: dict[str, Any] = json.loads(text)
                if "progress" not in line:
                    return line
                progress(line["progress"])
        finally:
            timer.cancel()
            process.kill()
    return {}


def _quoted(text: str) -> str:
    """A value of a libpq connection string."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
