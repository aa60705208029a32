"""A holdout as people define it, and the experiment that it is stored and measured as."""

from __future__ import annotations

from experiments.definitions.errors import Problem
from experiments.definitions.experiment import Document, Experiment, experiment_to_document

HELD_OUT, OPEN = "held_out", "open"
EXPERIMENT, HOLDOUT = "experiment", "holdout"
KINDS = (EXPERIMENT, HOLDOUT)

# What a holdout has in common with every experiment.
_CARRIED = (
    "key",
    "name",
    "hypothesis",
    "owner",
    "tags",
    "unit_type",
    "audience",
    "metrics",
    "time_zone",
    "plan",
)


def kind_of(experiment: Experiment) -> str:
    return EXPERIMENT if experiment.holdout is None else HOLDOUT


def experiment_changes(document: Document) -> Document:
    """What a holdout's document, whole or in part, says of the experiment.

    `size` is the share of the units that is held out, the control.
    """
    changes = {name: document[name] for name in _CARRIED if name in document}
    if "size" in document:
        size = document["size"]
        changes["variants"] = [
            {"key": HELD_OUT, "weight": size, "control": True},
            {"key": OPEN, "weight": 1 - size, "control": False},
        ]
    if "layer" in document:
        changes["holdout"] = {"layer": document["layer"]}
    return changes


def holdout_experiment(document: Document) -> Document:
    """The document of the experiment that a new holdout is."""
    return experiment_changes({"layer": None, **document})


def holdout_to_document(experiment: Experiment) -> Document:
    assert experiment.holdout is not None  # noqa: S101 — the caller asks for holdouts only
    document = experiment_to_document(experiment)
    return {
        **{name: document[name] for name in _CARRIED},
        "size": experiment.control.weight,
        "layer": experiment.holdout.layer,
    }


def holdout_problems(experiment: Experiment) -> list[Problem]:
    """Whatever changed it, a holdout holds out one share of all its units, by nothing else."""
    if experiment.holdout is None:
        return []
    arms = [(variant.key, variant.control) for variant in experiment.variants]
    fixed = {
        "variants": arms == [(HELD_OUT, True), (OPEN, False)],
        "feature": experiment.feature == experiment.key,
        "traffic": experiment.traffic == 1 and not experiment.schedule.ramp,
        "assignment": experiment.assignment == "internal",
        "prerequisites": not experiment.prerequisites,
    }
    return [
        Problem(name, "HOLDOUT_FIXED", f"{experiment.key!r} is a holdout, whose {name} is fixed")
        for name, kept in fixed.items()
        if not kept
    ]
