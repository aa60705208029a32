"""What is looked at before an experiment starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from experiments.definitions.errors import Problem
from experiments.definitions.experiment import Experiment
from experiments.definitions.lifecycle import PAUSED, RUNNING, SHIPPED, Standing
from experiments.registry.defined import Defined


@dataclass(frozen=True, slots=True)
class Check:
    """One pre-flight check: `outcome` is ok, warn or fail; `message` says what to do."""

    code: str
    outcome: str
    message: str


def pre_flight(standing: Standing, defined: Defined) -> tuple[Check, ...]:
    """`standing` is the experiment as it would run, `defined` what there is before."""
    experiment = standing.experiment
    goals = [use.metric for use in experiment.metrics if use.role == "goal"]
    empty = [variant.key for variant in experiment.variants if variant.weight == 0]
    plan = experiment.plan
    return (
        _feature_free(experiment, defined),
        Check("TRAFFIC", "ok", f"{experiment.traffic:.4g} of the eligible units enter")
        if experiment.traffic > 0
        else Check("TRAFFIC", "warn", "traffic is 0: nobody enters until it is raised"),
        Check("GOAL", "ok", f"the primary goal is {goals[0]!r}")
        if goals
        else Check(
            "GOAL", "warn", "there is no goal metric: the report cannot recommend to ship; add one"
        ),
        Check("WEIGHTS", "ok", "every variant has a weight above 0")
        if not empty
        else Check("WEIGHTS", "warn", f"nobody will get {', '.join(empty)}: its weight is 0"),
        Check("PLAN", "ok", f"{plan.planned_units} units are planned")
        if plan.planned_units
        else Check("PLAN", "warn", "no planned_units: the report waits 7 days before it says ship"),
        *_ramp_guarded(experiment, defined),
    )


def _feature_free(experiment: Experiment, defined: Defined) -> Check:
    """A feature with a document takes several experiments in order; without one it has one."""
    name = experiment.feature
    if experiment.holdout is not None:
        return Check("FEATURE_FREE", "ok", "a holdout fills no feature")
    if name in defined.features:
        return Check("FEATURE_FREE", "ok", f"the feature {name!r} has rules of its own")
    rivals = [
        other.experiment.key
        for other in defined.fillers(name)
        if other.status in {RUNNING, PAUSED, SHIPPED} and other.experiment.key != experiment.key
    ]
    if not rivals:
        return Check("FEATURE_FREE", "ok", f"nothing else fills the feature {name!r}")
    return Check(
        "FEATURE_FREE",
        "fail",
        f"{rivals[0]!r} already fills the feature {name!r}; archive it, give this experiment a"
        " feature of its own, or define the feature with POST /api/v1/features so that both fill"
        " it in order",
    )


def _ramp_guarded(experiment: Experiment, defined: Defined) -> Iterator[Check]:
    """Only a metric with a window can be judged at any time, and so hold a ramp."""
    if not experiment.schedule.ramp:
        return
    guardrails = [use.metric for use in experiment.metrics if use.role == "guardrail"]
    open_ended = [
        key
        for key in guardrails
        if key in defined.metrics and defined.metrics[key].window_hours is None
    ]
    if not guardrails:
        yield Check("RAMP", "warn", "no guardrail holds the ramp: it rises by the clock alone")
    elif open_ended:
        yield Check(
            "RAMP",
            "warn",
            f"the guardrail {open_ended[0]!r} has no window and cannot hold the ramp before the"
            " horizon; give it window_hours",
        )
    else:
        yield Check("RAMP", "ok", "each step waits for the guardrails")


def failures(checks: tuple[Check, ...]) -> tuple[Problem, ...]:
    return tuple(
        Problem("", check.code, check.message) for check in checks if check.outcome == "fail"
    )
