"""The only writer of definitions: each change is a revision with its actor, in one transaction."""

from experiments.registry.experiments import Experiments
from experiments.registry.metrics import Metrics
from experiments.registry.pre_flight import Check

__all__ = ["Check", "Experiments", "Metrics"]
