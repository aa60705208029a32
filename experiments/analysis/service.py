"""Reports on demand: the stored one while it holds, else a new one, made once for all who ask.

A report holds every event acknowledged before it was asked for: the watermark is read after the
request has come, and the log is read up to it or further.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from experiments.analysis.process import read_log, source_of
from experiments.analysis.results import NOTHING, good_until, next_maturity, results
from experiments.analysis.subject import Subject, find_subject
from experiments.analysis.task import Task
from experiments.definitions.errors import EvenhandError, NotFound, Unavailable
from experiments.definitions.metric import Metric
from experiments.definitions.time import now
from experiments.settings import VERSION, Settings
from experiments.store.database import Database
from experiments.store.definitions import METRICS
from experiments.store.reports import (
    StoredReport,
    find_latest_report,
    find_report,
    insert_report,
)
from experiments.store.watermark import read_watermark

# Each analysis may take all cores and `analysis_memory`: one at a time in a process.
_AT_ONCE = 1
_ATTEMPTS = 5  # to store a report, each waiting as long as the database may take
_BEAT = 1.0  # seconds between two signs of life to who watches

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report; `etag` names its contents."""

    document: dict[str, Any]
    etag: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A report of `phase` in the making: it will hold the log up to `watermark`.

    `progress` is 0–1.
    """

    phase: int
    watermark: int
    progress: float


@dataclass(slots=True)
class _Job:
    """One report in the making. Who asks before it has begun is served by it too.

    `keep`: it is stored when it is done.
    """

    revision: int
    watermark: int
    keep: bool
    begun: bool = False
    progress: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)
    report: StoredReport | None = None
    error: EvenhandError | None = None

    def serves(self, revision: int, watermark: int, *, keep: bool) -> bool:
        if self.done.is_set() or self.revision != revision:
            return False
        if keep and not self.keep and self.begun:
            return False
        return self.watermark >= watermark or not self.begun


class Reports:
    """Safe for threads and for forks: what runs in one process is no other's."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def results(
        self,
        environment: str,
        key: str,
        *,
        phase: int | None = None,
        segment: str | None = None,
        wait: float = 30.0,
    ) -> Report | Pending:
        """The report with every event acknowledged before this call.

        Of the latest phase and of everybody, where nothing else is asked for. Waits at most
        `wait` seconds for it; the work then goes on, and its report is found by `stored`. Raises
        what `find_subject` raises, `NotFound` METRIC_NOT_FOUND, `Unavailable` ANALYSIS_FAILED,
        ANALYSIS_DEADLINE or what the store raises.
        """
        asked = time.monotonic()
        subject = find_subject(self._database, environment, key, phase, segment)
        standing, metrics = subject.standing, self._metrics(subject)
        if subject.phase is None:
            # No phase, no exposure that counts: there is nothing to read or to keep.
            document = results(
                standing,
                None,
                metrics,
                NOTHING,
                watermark=0,
                as_of=now(),
                segment=subject.segment,
            )
            return Report(document, _etag(subject, standing.revision, 0, standing.updated_at))
        watermark = read_watermark(self._database)
        found = self._known(subject, watermark)
        if found is not None:
            return _report(subject, found)
        job = self._job(subject, metrics, watermark, keep=True)
        if not job.done.wait(max(0.0, asked + wait - time.monotonic())):
            return Pending(subject.phase.number, job.watermark, job.progress)
        return _report(subject, _outcome(job))

    def watch(self, environment: str, key: str, beat: Callable[[], None]) -> Report:
        """A fresh report for who looks again and again: made where the log has moved, not stored.

        It is of the latest phase and of everybody. Calls `beat` each second while it waits; what
        that raises ends the wait. Raises as `results` does, and `NotFound` REPORT_NOT_FOUND for
        a draft.
        """
        subject = find_subject(self._database, environment, key, None, None)
        metrics = self._metrics(subject)
        if subject.phase is None:
            raise NotFound("REPORT_NOT_FOUND", f"{key!r} has not started; start it first")
        watermark, name = read_watermark(self._database), (environment, key)
        found = self._known(subject, watermark) or self._seen.get(name)
        if found is None or not _holds(found, subject, watermark):
            job = self._job(subject, metrics, watermark, keep=False)
            while not job.done.wait(_BEAT):
                beat()
            found = self._seen[name] = _outcome(job)
        return _report(subject, found)

    def stored(
        self,
        environment: str,
        key: str,
        as_of: int | None = None,
        *,
        phase: int | None = None,
        segment: str | None = None,
    ) -> Report:
        """The last stored report, or the first one that holds the log up to the watermark `as_of`.

        Raises what `find_subject` raises, `NotFound` REPORT_NOT_FOUND.
        """
        subject = find_subject(self._database, environment, key, phase, segment)
        with self._database.read() as connection:
            found = find_latest_report(connection, *subject.name, as_of)
        if found is None:
            raise NotFound(
                "REPORT_NOT_FOUND",
                f"no report of {key!r} is stored"
                + ("" if as_of is None else f" for the watermark {as_of} or a later one")
                + "; ask for the results without `stored` and `as_of` to have one made",
            )
        return _report(subject, found)

    def _metrics(self, subject: Subject) -> tuple[Metric, ...]:
        experiment, environment = subject.standing.experiment, subject.standing.environment
        uses = [use.metric for use in experiment.metrics]
        with self._database.read() as connection:
            metrics = METRICS.find_many(connection, environment, uses)
        missing = [name for name in uses if name not in metrics]
        if missing:
            raise NotFound(
                "METRIC_NOT_FOUND",
                f"{experiment.key!r} uses metrics that do not exist: {', '.join(missing)};"
                " create them",
            )
        return tuple(metrics[name] for name in uses)

    def _known(self, subject: Subject, watermark: int) -> StoredReport | None:
        """The stored report of exactly this, while it holds."""
        with self._database.read() as connection:
            found = find_report(
                connection, *subject.name, subject.standing.revision, VERSION, watermark
            )
        return found if found is not None and _holds(found, subject, watermark) else None

    def _job(
        self, subject: Subject, metrics: tuple[Metric, ...], watermark: int, *, keep: bool
    ) -> _Job:
        """The job that will hold `watermark`, a new one where none does.

        A job that waits for its turn takes later watermarks too, so that under a stream of
        events and requests there is at most one at work and one waiting per subject.
        """
        name, revision = subject.name, subject.standing.revision
        with self._lock:
            for job in self._jobs.get(name, []):
                if job.serves(revision, watermark, keep=keep):
                    job.watermark = max(job.watermark, watermark)
                    job.keep = job.keep or keep
                    return job
            job = _Job(revision, watermark, keep)
            self._jobs.setdefault(name, []).append(job)
        threading.Thread(
            target=self._work, args=(job, subject, metrics), name="analysis", daemon=True
        ).start()
        return job

    def _work(self, job: _Job, subject: Subject, metrics: tuple[Metric, ...]) -> None:
        name = subject.name
        with self._turns:
            with self._lock:
                job.begun = True
            try:
                job.report = self._make(job, subject, metrics)
            except EvenhandError as error:
                job.error = error
            except Exception:  # noqa: BLE001 — whoever waits must be told
                _log.exception("analysis of %s/%s failed", *name[:2])
                job.error = Unavailable(
                    "ANALYSIS_FAILED", "the analysis failed and the service's log says why"
                )
            finally:
                with self._lock:
                    self._jobs[name].remove(job)
                    if not self._jobs[name]:
                        del self._jobs[name]
                job.done.set()

    def _make(self, job: _Job, subject: Subject, metrics: tuple[Metric, ...]) -> StoredReport:
        standing, phase = subject.standing, subject.phase
        experiment = standing.experiment
        if phase is None:
            raise AssertionError("a draft has no job")
        as_of = now()
        task = Task(
            environment=standing.environment,
            experiment=experiment.key,
            phase=phase.number,
            unit_type=experiment.unit_type,
            watermark=job.watermark,
            as_of=as_of,
            metrics=metrics,
            part=subject.part,
            began_at=phase.started_at,
            followed_at=next(
                (one.started_at for one in standing.phases if one.number > phase.number), None
            ),
        )

        def progress(fraction: float) -> None:
            job.progress = fraction

        found = read_log(task, source_of(self._database), self._settings, progress)
        document = results(
            standing,
            phase,
            metrics,
            found,
            watermark=task.watermark,
            as_of=as_of,
            segment=subject.segment,
        )
        report = StoredReport(
            environment=standing.environment,
            experiment=experiment.key,
            phase=phase.number,
            segment=subject.segment_id,
            revision=standing.revision,
            version=VERSION,
            watermark=task.watermark,
            as_of=as_of,
            good_until=good_until(document, phase, next_maturity(metrics, found), as_of),
            document=document,
        )
        if job.keep:
            self._keep(report)
        return report

    def _keep(self, report: StoredReport) -> None:
        """Store a finished report; SQLite's lock is not fair, and busy writers are outwaited."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._database.write() as connection:
                    insert_report(connection, report)
            except Unavailable:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._jobs: dict[tuple[str, str, int, str], list[_Job]] = {}
        self._seen: dict[tuple[str, str], StoredReport] = {}  # the last one that was watched


def _outcome(job: _Job) -> StoredReport:
    if job.error is not None:
        raise job.error
    if job.report is None:
        raise AssertionError("a job that is done has a report or an error")
    return job.report


def _holds(report: StoredReport, subject: Subject, watermark: int) -> bool:
    """Whether it is still what this definition and log would give."""
    of = (report.environment, report.experiment, report.phase, report.segment)
    return (
        of == subject.name
        and (report.revision, report.watermark) == (subject.standing.revision, watermark)
        and (report.good_until is None or now() < report.good_until)
    )


def _report(subject: Subject, stored: StoredReport) -> Report:
    return Report(stored.document, _etag(subject, stored.revision, stored.watermark, stored.as_of))


def _etag(subject: Subject, revision: int, watermark: int, as_of: int) -> str:
    *_, phase, segment = subject.name
    return f"{phase}-{segment}-{revision}-{watermark}-{as_of}-{VERSION}"
