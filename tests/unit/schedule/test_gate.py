"""What a report lets an experiment do: the decision, by what may be read at any look."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.analysis.results import results
from experiments.analysis.task import Arm, Findings, Measured
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import DRAFT, Standing, move
from experiments.definitions.metric import Metric
from experiments.definitions.time import HOUR
from experiments.schedule.gate import verdict, why_held


def arm(variant: str, mean: float, units: int = 5_000) -> Arm:
    measured = (Measured(units, 0, mean, float(units - 1), *(None,) * 4),)
    return Arm(variant, units, units, 0, 0, None, None, {}, measured)


def judge(*arms: Arm, basis: str = "sequential", window: float | None = 1.0, **more: Any):
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
    document = results(standing, standing.phase, (metric,), found, watermark=1, as_of=HOUR)
    return verdict(standing, document)


GREY, HARMED = arm("grey", 10.0), arm("green", 10.5)


@pytest.mark.parametrize("role", ["goal", "guardrail"])
def test_a_harm_that_a_sequence_shows_rolls_back(role: str):
    decision = judge(GREY, HARMED, role=role)
    assert (decision.recommendation, decision.rule) == ("roll_back", f"{role}_worse")
    assert "Refunds" in decision.reason


def test_a_secondary_metric_rolls_nothing_back():
    assert judge(GREY, HARMED, role="secondary").recommendation == "keep_running"


def test_a_loss_within_the_margin_is_allowed():
    decision = judge(GREY, HARMED, use={"margin": 0.2})
    assert decision.recommendation != "roll_back"


@pytest.mark.parametrize("changes", [{"window": None}, {"basis": "fixed"}, {"basis": "bayesian"}])
def test_what_may_be_read_once_does_not_act_early(changes: dict[str, Any]):
    assert judge(GREY, HARMED, **changes).recommendation == "keep_running"


def test_a_better_arm_goes_on():
    assert judge(GREY, arm("green", 9.5)).recommendation != "roll_back"


@pytest.mark.parametrize(
    ("arms", "changes", "said"),
    [
        ((GREY, arm("green", 10.0, 6_000)), {}, "shares"),
        ((GREY, arm("green", 10.0)), {"crossovers": 500}, "more than one variant"),
    ],
)
def test_bad_health_holds_on_every_basis(arms: tuple[Arm, Arm], changes: dict[str, Any], said: str):
    for basis in ("sequential", "fixed", "bayesian"):
        decision = judge(*arms, basis=basis, **changes)
        assert decision.recommendation == "unhealthy"
        assert said in why_held(decision)


def test_nobody_yet_holds_nothing():
    assert judge(arm("grey", 0.0, 0), arm("green", 0.0, 0)).recommendation == "keep_running"
