"""What a report lets the clock do: roll back what is harmed at any look, raise what is sound."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.analysis.results import results
from experiments.analysis.task import Arm, Findings, Measured
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import DRAFT, Standing, move
from experiments.definitions.metric import Metric
from experiments.definitions.time import HOUR
from experiments.schedule.gate import distrust, harm, objection

Report = tuple[Standing, dict[str, Any]]

# What is judged at one look: no window under a sequential plan, or another plan.
ONE_LOOK = [{"window": None}, {"basis": "fixed"}, {"basis": "bayesian"}]


def arm(variant: str, mean: float, units: int = 5_000) -> Arm:
    measured = (Measured(units, 0, mean, float(units - 1), *(None,) * 4),)
    return Arm(variant, units, units, 0, 0, None, None, {}, measured)


def report(
    *arms: Arm, basis: str = "sequential", window: float | None = 1.0, **more: Any
) -> Report:
    experiment = experiment_from_document(
        {
            "key": "button",
            "variants": [{"key": one.variant, "weight": 1 / len(arms)} for one in arms],
            "metrics": [
                {"metric": "refund", "role": more.get("role", "guardrail"), **more.get("use", {})}
            ],
            "plan": {"basis": basis},
        }
    )
    standing = move(Standing("production", experiment, DRAFT, 1, 0, 0), "start", 0)
    metric = Metric("refund", "Refunds", "sum", "refund", None, window, 0.0, "decrease")
    found = Findings(tuple(one for one in arms if one.units), more.get("crossovers", 0), {}, 0)
    return standing, results(standing, standing.phase, (metric,), found, watermark=1, as_of=HOUR)


# Standard deviations are 1, so that the difference of two arms has a standard error of 0.02.
GREY, HARMED, DOUBTFUL = arm("grey", 10.0), arm("green", 10.5), arm("green", 10.08)


@pytest.mark.parametrize("role", ["goal", "guardrail"])
def test_a_harm_that_a_sequence_shows_rolls_back(role: str):
    decision = harm(*report(GREY, HARMED, role=role))
    assert decision is not None
    assert decision.rule == f"{role}_worse"
    assert "Refunds" in decision.reason


def test_a_secondary_metric_rolls_nothing_back_and_holds_nothing():
    assert harm(*report(GREY, HARMED, role="secondary")) is None
    assert objection(*report(GREY, HARMED, role="secondary")) is None


def test_a_loss_within_the_margin_is_allowed():
    found = report(GREY, HARMED, use={"margin": 0.2})
    assert harm(*found) is None
    assert objection(*found) is None


@pytest.mark.parametrize("changes", ONE_LOOK)
def test_what_is_made_for_one_look_rolls_back_only_beyond_doubt(changes: dict[str, Any]):
    assert harm(*report(GREY, HARMED, **changes)) is not None, "z = 25"
    doubtful = report(GREY, DOUBTFUL, **changes)
    assert doubtful[1]["metrics"][0]["comparisons"][0]["verdict"] == "worse", "z = 4"
    assert harm(*doubtful) is None


@pytest.mark.parametrize("changes", ONE_LOOK)
def test_what_the_report_calls_worse_holds_a_ramp(changes: dict[str, Any]):
    said = objection(*report(GREY, DOUBTFUL, **changes))
    assert said == "Refunds is significantly worse in green"


def test_a_gross_harm_that_a_prior_hides_holds_and_rolls_back():
    found = report(arm("grey", 0.06), arm("green", 1.0), basis="bayesian")
    assert found[1]["metrics"][0]["comparisons"][0]["verdict"] == "inconclusive"
    assert harm(*found) is not None
    assert "worse in green" in str(objection(*found))


@pytest.mark.parametrize("changes", [{}, *ONE_LOOK])
def test_a_better_arm_goes_on(changes: dict[str, Any]):
    found = report(GREY, arm("green", 9.5), **changes)
    assert harm(*found) is None
    assert objection(*found) is None


@pytest.mark.parametrize("basis", ["sequential", "fixed", "bayesian"])
@pytest.mark.parametrize(
    ("arms", "changes", "said"),
    [
        ((GREY, arm("green", 10.5, 6_000)), {}, "shares"),
        ((GREY, arm("green", 10.5)), {"crossovers": 500}, "more than one variant"),
    ],
)
def test_bad_health_holds_and_rolls_nothing_back_on_every_basis(
    basis: str, arms: tuple[Arm, Arm], changes: dict[str, Any], said: str
):
    found = report(*arms, basis=basis, **changes)
    assert harm(*found) is None
    assert said in str(distrust(found[1]))
    assert said in str(objection(*found))


def test_nobody_yet_holds_nothing():
    found = report(arm("grey", 0.0, 0), arm("green", 0.0, 0))
    assert harm(*found) is None
    assert objection(*found) is None
