"""A holdout as people define it, and the experiment that it is stored and measured as."""

from __future__ import annotations

from experiments.definitions.errors import Problem
from experiments.definitions.experiment import Document, Experiment, experiment_to_document

HELD_OUT, OPEN = "held_out", "open"
EXPERIMENT, HOLDOUT = "experiment", "holdout"
KINDS = (EXPERIMENT, HOLDOUT)
SIZES = (0.0001, 0.9999)

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
    """Whatever made it, a holdout holds out one share of all its units, by nothing else."""
    if experiment.holdout is None:
        return []
    arms = [(variant.key, variant.control) for variant in experiment.variants]
    fixed = {
        "variants": (
            arms == [(HELD_OUT, True), (OPEN, False)],
            f"its variants are {HELD_OUT!r}, the control, and {OPEN!r}, in this order",
        ),
        "feature": (experiment.feature == experiment.key, "it fills no feature"),
        "traffic": (experiment.traffic == 1, "its traffic is 1; its size is a variant's weight"),
        "schedule.ramp": (not experiment.schedule.ramp, "its traffic does not grow"),
        "assignment": (experiment.assignment == "internal", "our hash decides"),
        "prerequisites": (not experiment.prerequisites, "it asks nothing of features"),
    }
    problems = [
        Problem(name, "HOLDOUT_FIXED", f"{experiment.key!r} is a holdout: {must}")
        for name, (kept, must) in fixed.items()
        if not kept
    ]
    least, most = SIZES
    if not least <= experiment.control.weight <= most:
        problems.append(
            Problem(
                "variants", "HOLDOUT_SIZE_INVALID", f"a holdout keeps out {least} to {most} of all"
            )
        )
    return problems
