"""The only writer of definitions: each change is a revision with its actor, in one transaction."""

from experiments.registry.changeset import Changeset, Outcome, Wanted
from experiments.registry.definitions import Definitions
from experiments.registry.experiments import Experiments
from experiments.registry.features import Features
from experiments.registry.holdouts import Holdouts
from experiments.registry.layers import Layers
from experiments.registry.metrics import Metrics
from experiments.registry.pre_flight import Check
from experiments.registry.segments import Segments

__all__ = [
    "Changeset",
    "Check",
    "Definitions",
    "Experiments",
    "Features",
    "Holdouts",
    "Layers",
    "Metrics",
    "Outcome",
    "Segments",
    "Wanted",
]
