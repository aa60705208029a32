"""Whether the numbers can be trusted: sample ratio, crossovers, agreement with the hash."""

from __future__ import annotations

import math
from typing import Any

from experiments.analysis.task import Findings
from experiments.definitions.experiment import Experiment
from experiments.definitions.time import Instant, format_instant
from stats import SampleRatio, srm

# Units that met two variants, or another one than the hash gives: a few come from retries and
# races, more than this from a defect.
TOLERATED_SHARE = 0.01
TOLERATED_UNITS = 10

Document = dict[str, Any]


def health(experiment: Experiment, found: Findings) -> Document:
    """The `health` part of the results document."""
    weights = [variant.weight for variant in experiment.variants]
    arms = {arm.variant: arm for arm in found.arms}
    known = [arms[variant.key] for variant in experiment.variants if variant.key in arms]
    units = {arm.variant: arm.units for arm in known}
    exposed = {arm.variant: arm.exposed for arm in known}
    keys = [variant.key for variant in experiment.variants]
    ratio = srm([units.get(key, 0) for key in keys], weights)
    ratio_exposed = srm([exposed.get(key, 0) for key in keys], weights)
    everybody = sum(units.values()) + found.crossovers
    disagreement = _anomaly(sum(arm.disagree for arm in known), sum(arm.asked for arm in known))
    events: dict[str, int] = {}
    for arm in known:
        for event, count in arm.events.items():
            events[event] = events.get(event, 0) + count
    return {
        "srm": {
            "p_value": _p_value(ratio),
            "flagged": ratio.flagged,
            "method": ratio.method,
            "reason": None if ratio.reason is None else ratio.reason.name,
            "expected": {variant.key: variant.weight for variant in experiment.variants},
            "with_crossovers": {
                "p_value": _p_value(ratio_exposed),
                "flagged": ratio_exposed.flagged,
            },
        },
        "crossovers": _anomaly(found.crossovers, everybody),
        "hash_disagreement": disagreement if experiment.assignment == "internal" else None,
        "excluded_exposures": found.excluded,
        "rejected_events": found.rejected,
        "dead_letters": {
            "count": sum(found.dead_letters.values()),
            "by_code": found.dead_letters,
        },
        "last_exposure_at": _latest([arm.last_exposure_at for arm in known]),
        "last_outcome_at": _latest([arm.last_outcome_at for arm in known]),
        "events": events,
    }


def _anomaly(units: int, of: int) -> Document:
    share = units / of if of else 0.0
    return {
        "units": units,
        "share": share,
        "flagged": share > TOLERATED_SHARE and units >= TOLERATED_UNITS,
    }


def _p_value(ratio: SampleRatio) -> float | None:
    return None if math.isnan(ratio.p_value) else ratio.p_value


def _latest(instants: list[Instant | None]) -> str | None:
    known = [instant for instant in instants if instant is not None]
    return format_instant(max(known)) if known else None
