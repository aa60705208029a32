"""What is looked at before an experiment starts."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.definitions.errors import Problem
from experiments.definitions.lifecycle import PAUSED, RUNNING, SHIPPED, Standing


@dataclass(frozen=True, slots=True)
class Check:
    """One pre-flight check: `outcome` is ok, warn or fail; `message` says what to do."""

    code: str
    outcome: str
    message: str


def pre_flight(standing: Standing, others: list[Standing]) -> tuple[Check, ...]:
    experiment = standing.experiment
    goals = [use.metric for use in experiment.metrics if use.role == "goal"]
    rivals = [
        other.experiment.key
        for other in others
        if other.status in {RUNNING, PAUSED, SHIPPED}
        and other.experiment.feature == experiment.feature
        and other.experiment.key != experiment.key
    ]
    empty = [variant.key for variant in experiment.variants if variant.weight == 0]
    plan = experiment.plan
    return (
        Check("FEATURE_FREE", "ok", f"nothing else fills the feature {experiment.feature!r}")
        if not rivals
        else Check(
            "FEATURE_FREE",
            "fail",
            f"{rivals[0]!r} already fills the feature {experiment.feature!r}; archive it or give"
            " this experiment a feature of its own",
        ),
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


def failures(checks: tuple[Check, ...]) -> tuple[Problem, ...]:
    return tuple(
        Problem("", check.code, check.message) for check in checks if check.outcome == "fail"
    )
