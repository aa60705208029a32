"""A holdout's document and the experiment that it stands for."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.definitions.experiment import Experiment, experiment_from_document
from experiments.definitions.holdout import (
    HOLDOUT,
    experiment_changes,
    holdout_experiment,
    holdout_problems,
    holdout_to_document,
    kind_of,
)


def holdout(**fields: Any) -> Experiment:
    return experiment_from_document(holdout_experiment({"key": "quiet", "size": 0.05, **fields}))


@pytest.mark.parametrize("size", [0.0001, 0.05, 0.1, 1 / 3, 0.9999])
def test_its_size_is_the_controls_weight(size: float) -> None:
    made = holdout(size=size, layer="page")
    assert kind_of(made) == HOLDOUT
    assert (made.control.key, made.control.weight) == ("held_out", pytest.approx(size))
    shown = holdout_to_document(made)
    assert (shown["size"], shown["layer"]) == (made.control.weight, "page")
    assert holdout_problems(made) == []
    assert experiment_from_document(holdout_experiment(shown)) == made


def test_changes_name_only_what_changes() -> None:
    assert experiment_changes({"name": "Quiet"}) == {"name": "Quiet"}
    assert experiment_changes({"layer": None}) == {"holdout": {"layer": None}}
    assert experiment_changes({"size": 0.25})["variants"][1]["weight"] == 0.75


def test_an_experiment_is_none() -> None:
    arms = [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]
    plain = experiment_from_document({"key": "e", "variants": arms, "traffic": 0.5})
    assert holdout_problems(plain) == []
    odd = experiment_from_document({"key": "e", "variants": arms, "traffic": 0.5, "holdout": {}})
    assert [one.path for one in holdout_problems(odd)] == ["variants", "traffic"]
