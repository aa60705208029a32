"""What the clock does to one experiment. Each action says what was done, in the same transaction.

Every action goes through the registry with the revision that was read, so that two processes that
both try it do it once, and it stands in the audit under the name `scheduler`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from experiments.analysis.service import Reports
from experiments.analysis.wording import percent
from experiments.definitions.errors import EvenhandError, Stale, Unavailable
from experiments.definitions.lifecycle import Phase, Standing
from experiments.definitions.time import Instant, format_instant
from experiments.registry import Experiments
from experiments.schedule import due, gate
from experiments.schedule.notices import (
    RAMP_HELD,
    RAMP_RAISED,
    ROLL_BACK_HELD,
    ROLLED_BACK,
    START_FAILED,
    STARTED,
    STOPPED,
    Notices,
    notice_of,
)
from experiments.store.notices import Notice

ACTOR = "scheduler"

_log = logging.getLogger(__name__)


class Actions:
    """`hold` renews the right to act, and raises where it is lost; it is asked before each act."""

    def __init__(
        self,
        experiments: Experiments,
        reports: Reports,
        notices: Notices,
        clock: Callable[[], Instant],
        hold: Callable[[], None],
    ) -> None:
        self._experiments = experiments
        self._reports = reports
        self._notices = notices
        self._clock = clock
        self._hold = hold

    def keep_time(self, standing: Standing) -> Iterator[Notice]:
        """Start or stop what is due."""
        action, schedule = due.by_clock(standing, self._clock()), standing.experiment.schedule
        if action is None:
            return
        self._hold()
        if action == due.STOP:
            yield self._move(
                standing,
                "stop",
                STOPPED,
                f"Stopped by its schedule ({_instant(schedule.stop_at)}): everybody gets the"
                " control.",
            )
        elif action == due.MISSED:
            yield from self._not_started(
                standing,
                f"its stop ({_instant(schedule.stop_at)}) had come before it could start; set a"
                " later stop_at.",
            )
        else:
            yield from self._start(standing)

    def watch(self, standing: Standing) -> Iterator[Notice]:
        """Roll back what is harmed; raise the traffic of what is sound and has its time."""
        self._hold()
        environment, key = standing.environment, standing.experiment.key
        is_due = due.is_raise_due(standing, self._clock())
        is_guarded = standing.experiment.schedule.roll_back
        try:
            report = self._reports.watch(environment, key, self._hold).document
        except EvenhandError as error:
            _log.warning("no report of %s/%s: %s", environment, key, error.detail)
            reason = f"no report could be made [{error.code}]"
            if is_guarded:
                yield from self._unguarded(standing, reason)
            if is_due:
                yield from self._held(standing, reason)
            return
        if report["revision"] != standing.revision:
            return
        if is_guarded:
            harm, distrust = gate.harm(standing, report), gate.distrust(report)
            if harm is not None:
                detail = f"{harm.reason} Stopped: everybody gets the control."
                yield self._move(standing, "stop", ROLLED_BACK, detail)
                return
            if distrust is not None:
                yield from self._unguarded(standing, distrust)
        if is_due:
            objection = gate.objection(standing, report)
            yield from (
                self._raise(standing) if objection is None else self._held(standing, objection)
            )

    def _start(self, standing: Standing) -> Iterator[Notice]:
        start_at = _instant(standing.experiment.schedule.start_at)
        try:
            yield self._move(standing, "start", STARTED, f"Started by its schedule ({start_at}).")
        except (Stale, Unavailable):
            raise
        except EvenhandError as error:
            yield from self._not_started(standing, f"{error.detail} [{error.code}]")

    def _raise(self, standing: Standing) -> Iterator[Notice]:
        step, experiment = due.next_step(standing), standing.experiment
        if step is None:
            raise AssertionError("a raise that is due has a step")
        ramp = experiment.schedule.ramp
        notice = self._notice(
            standing,
            RAMP_RAISED,
            f"Traffic raised from {percent(experiment.traffic)} to {percent(ramp[step].traffic)}"
            f" (step {step + 1} of {len(ramp)}).",
        )
        self._hold()
        try:
            self._experiments.ramp(
                standing.environment,
                experiment.key,
                step,
                ACTOR,
                expected_revision=standing.revision,
                notice=notice,
            )
        except (Stale, Unavailable):
            raise
        except EvenhandError as error:
            yield from self._held(standing, f"{error.detail} [{error.code}]")
        else:
            yield notice

    def _move(self, standing: Standing, verb: str, code: str, detail: str) -> Notice:
        notice = self._notice(standing, code, detail)
        self._experiments.move(
            standing.environment,
            standing.experiment.key,
            verb,
            ACTOR,
            expected_revision=standing.revision,
            notice=notice,
        )
        return notice

    def _not_started(self, standing: Standing, reason: str) -> Iterator[Notice]:
        """Said once for each revision and reason."""
        yield from self._once(standing, START_FAILED, f"Not started: {reason}", standing.updated_at)

    def _held(self, standing: Standing, reason: str) -> Iterator[Notice]:
        """Said once for each step and reason."""
        phase, experiment = _phase(standing), standing.experiment
        yield from self._once(
            standing,
            RAMP_HELD,
            f"Traffic stays at {percent(experiment.traffic)} (step {phase.step + 1} of"
            f" {len(experiment.schedule.ramp)}): {reason}.",
            phase.started_at if phase.step_at is None else phase.step_at,
        )

    def _unguarded(self, standing: Standing, reason: str) -> Iterator[Notice]:
        """Said once for each phase and reason."""
        yield from self._once(
            standing,
            ROLL_BACK_HELD,
            f"A harm would not be rolled back now: {reason}. Look at the report.",
            _phase(standing).started_at,
        )

    def _once(self, standing: Standing, code: str, detail: str, since: Instant) -> Iterator[Notice]:
        notice = self._notice(standing, code, detail)
        if self._notices.write_once(notice, since):
            yield notice

    def _notice(self, standing: Standing, code: str, detail: str) -> Notice:
        return notice_of(standing, code, detail, self._clock())


def _phase(standing: Standing) -> Phase:
    if standing.phase is None:
        raise AssertionError("what runs has a phase")
    return standing.phase


def _instant(instant: Instant | None) -> str:
    return "" if instant is None else format_instant(instant)
