"""The arms of a phase: which there are, with which weights, and which are compared."""

from __future__ import annotations

from dataclasses import replace

from experiments.analysis.task import Findings
from experiments.definitions.experiment import Experiment
from experiments.definitions.lifecycle import Phase


def in_phase(experiment: Experiment, phase: Phase | None) -> Experiment:
    """The experiment with the weights of the phase; a phase that names none has its own."""
    if phase is None or not phase.weights:
        return experiment
    weights = dict(phase.weights)
    variants = tuple(
        replace(variant, weight=weights.get(variant.key, 0.0)) for variant in experiment.variants
    )
    return replace(experiment, variants=variants)


def met(experiment: Experiment, found: Findings) -> Experiment:
    """Without the arms that have no weight and that nobody met."""
    seen = {arm.variant for arm in found.arms}
    return replace(
        experiment,
        variants=tuple(
            variant
            for variant in experiment.variants
            if variant.weight > 0 or variant.control or variant.key in seen
        ),
    )


def compared(experiment: Experiment) -> Experiment:
    """Only the arms that have a weight, and the control; all of them where no treatment has one."""
    variants = tuple(one for one in experiment.variants if one.weight > 0 or one.control)
    return experiment if len(variants) < 2 else replace(experiment, variants=variants)
