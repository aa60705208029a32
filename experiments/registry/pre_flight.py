"""What is looked at before an experiment starts."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.definitions.errors import Problem
from experiments.definitions.lifecycle import PAUSED, RUNNING, SHIPPED, Standing
from experiments.registry.defined import Defined


@dataclass(frozen=True, slots=True)
class Check:
    """One pre-flight check: `outcome` is ok, warn or fail; `message` says what to do."""

    code: str
    outcome: str
    message: str


def pre_flight(standing: Standing, defined: Defined) -> tuple[Check, ...]:
    experiment = standing.experiment
    goals = [use.metric for use in experiment.metrics if use.role == "goal"]
    empty = [variant.key for variant in experiment.variants if variant.weight == 0]
    plan = experiment.plan
    return (
        _feature_free(standing, defined),
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
    )


def _feature_free(standing: Standing, defined: Defined) -> Check:
    """Only the rules of a feature's document say which of several experiments comes first."""
    key, feature = standing.experiment.key, standing.experiment.feature
    rivals = [
        other.experiment.key
        for other in defined.fillers(feature)
        if other.status in {RUNNING, PAUSED, SHIPPED} and other.experiment.key != key
    ]
    if not rivals:
        return Check("FEATURE_FREE", "ok", f"nothing else fills the feature {feature!r}")
    if feature in defined.features:
        return Check(
            "FEATURE_FREE",
            "ok",
            f"{', '.join(rivals)} fill the feature {feature!r} too, in the order of its rules",
        )
    return Check(
        "FEATURE_FREE",
        "fail",
        f"{rivals[0]!r} already fills the feature {feature!r}; archive it, give this experiment a"
        " feature of its own, or create the feature with rules that set the order",
    )


def failures(checks: tuple[Check, ...]) -> tuple[Problem, ...]:
    return tuple(
        Problem("", check.code, check.message) for check in checks if check.outcome == "fail"
    )
