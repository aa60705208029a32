"""The demo's units: the same in every run, and within the time that has passed."""

from __future__ import annotations

from experiments.cli.demo.samples import DAYS, SAMPLES, attributes_of, events_of, unit_ids
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.metric import metric_from_document
from experiments.definitions.time import DAY

UNTIL = 1_780_000_000_000_000


def test_the_definitions_keep_their_own_rules() -> None:
    for sample in SAMPLES:
        experiment = experiment_from_document(sample.experiment)
        metrics = {metric_from_document(one).key for one in sample.metrics}
        assert {use.metric for use in experiment.metrics} == metrics


def test_a_unit_does_the_same_in_every_run() -> None:
    for sample in SAMPLES:
        for unit in unit_ids()[:50]:
            first = list(events_of(sample, unit, "control", until=UNTIL))
            assert first == list(events_of(sample, unit, "control", until=UNTIL))
            assert attributes_of(unit) == attributes_of(unit)


def test_events_lie_between_the_start_and_the_end_with_ids_of_their_own() -> None:
    ids = []
    for sample in SAMPLES:
        for unit in unit_ids()[:500]:
            events = list(events_of(sample, unit, "control", until=UNTIL))
            times = [at for at, _ in events]
            assert all(UNTIL - DAYS * DAY <= at <= UNTIL for at in times)
            assert times[0] == min(times)
            ids += [event["event_id"] for _, event in events if event["type"] == "outcome"]
    assert len(set(ids)) == len(ids) > 500


def test_some_exposures_of_one_arm_get_lost() -> None:
    (broken,) = [sample for sample in SAMPLES if sample.unlogged]
    units = unit_ids()[:1_000]

    def logged(variant: str) -> int:
        return sum(bool(list(events_of(broken, unit, variant, until=UNTIL))) for unit in units)

    assert logged("control") == len(units)
    assert 0.8 * len(units) < logged("tour") < 0.95 * len(units)
