from __future__ import annotations

import pytest

from experiments.definitions.errors import Invalid
from experiments.definitions.experiment import experiment_from_document, experiment_to_document

SMALLEST = {
    "key": "button",
    "variants": [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}],
}


def with_variants(*variants: dict) -> dict:
    return {**SMALLEST, "variants": list(variants)}


def test_defaults_are_filled_in():
    experiment = experiment_from_document(SMALLEST)
    assert experiment.name == "button"
    assert experiment.feature == "button"
    assert experiment.unit_type == "id"
    assert experiment.traffic == 1.0
    assert experiment.control.key == "grey"
    assert [variant.value for variant in experiment.variants] == ["grey", "green"]
    assert experiment.plan.basis == "sequential"


def test_the_document_is_a_round_trip():
    experiment = experiment_from_document(SMALLEST)
    assert experiment_from_document(experiment_to_document(experiment)) == experiment


def test_weights_within_the_tolerance_are_normalised():
    third = 0.333333
    experiment = experiment_from_document(
        with_variants(*({"key": key, "weight": third} for key in "abc"))
    )
    assert sum(variant.weight for variant in experiment.variants) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({**SMALLEST, "key": "a b"}, "KEY_INVALID"),
        (with_variants({"key": "a", "weight": 1}), "TOO_FEW_VARIANTS"),
        (with_variants({"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.4}), "WEIGHTS_SUM"),
        (
            with_variants({"key": "a", "weight": 1.5}, {"key": "b", "weight": -0.5}),
            "WEIGHT_INVALID",
        ),
        (
            with_variants({"key": "a", "weight": 0.5}, {"key": "a", "weight": 0.5}),
            "VARIANT_DUPLICATE",
        ),
        (
            with_variants(
                {"key": "a", "weight": 0.5, "control": True},
                {"key": "b", "weight": 0.5, "control": True},
            ),
            "CONTROL_COUNT",
        ),
        (
            with_variants(
                {"key": "a", "weight": 0.5, "control": False}, {"key": "b", "weight": 0.5}
            ),
            "CONTROL_COUNT",
        ),
        ({**SMALLEST, "traffic": 1.2}, "TRAFFIC_INVALID"),
        ({**SMALLEST, "time_zone": "Mars/Base"}, "TIME_ZONE_UNKNOWN"),
        ({**SMALLEST, "time_zone": "../etc/passwd"}, "TIME_ZONE_UNKNOWN"),
        ({**SMALLEST, "plan": {"alpha": 0.0}}, "PLAN_INVALID"),
        ({**SMALLEST, "plan": {"planned_units": 0}}, "PLAN_INVALID"),
        ({**SMALLEST, "plan": {"minimum_effect": -0.1}}, "PLAN_INVALID"),
        (
            {**SMALLEST, "metrics": [{"metric": "m", "role": "goal", "margin": 0.1}]},
            "MARGIN_INVALID",
        ),
        (
            {
                **SMALLEST,
                "metrics": [{"metric": "m", "role": "goal"}, {"metric": "m", "role": "secondary"}],
            },
            "METRIC_DUPLICATE",
        ),
    ],
)
def test_a_broken_rule_is_named(document: dict, code: str):
    with pytest.raises(Invalid) as error:
        experiment_from_document(document)
    assert code in {problem.code for problem in error.value.problems}


def test_every_broken_rule_is_named_at_once():
    with pytest.raises(Invalid) as error:
        experiment_from_document({**SMALLEST, "traffic": 2, "time_zone": "nowhere"})
    assert {problem.path for problem in error.value.problems} == {"traffic", "time_zone"}
