from __future__ import annotations

import pytest

from experiments.definitions.errors import Invalid
from experiments.definitions.metric import metric_from_document, metric_to_document
from experiments.definitions.time import HOUR

PURCHASE = {"key": "purchase", "kind": "conversion", "event": "purchase"}


def test_the_document_is_a_round_trip():
    metric = metric_from_document({**PURCHASE, "window_hours": 24, "delay_hours": 1})
    assert metric_from_document(metric_to_document(metric)) == metric


def test_a_unit_is_mature_once_its_window_has_passed():
    metric = metric_from_document({**PURCHASE, "window_hours": 24, "delay_hours": 1})
    assert metric.mature_at(0) == 25 * HOUR
    assert metric_from_document(PURCHASE).mature_at(7) == 7


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"kind": "median"}, "kind"),
        ({"kind": "ratio"}, "denominator_event"),
        ({"denominator_event": "visit"}, "denominator_event"),
        ({"window_hours": 0}, "window_hours"),
        ({"window_hours": float("inf")}, "window_hours"),
        ({"delay_hours": -1}, "delay_hours"),
        ({"direction": "up"}, "direction"),
        ({"event": ""}, "event"),
    ],
)
def test_a_broken_rule_is_named(changes: dict, path: str):
    with pytest.raises(Invalid) as error:
        metric_from_document({**PURCHASE, **changes})
    assert path in {problem.path for problem in error.value.problems}
