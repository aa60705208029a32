"""What may change of a metric that experiments measure."""

from __future__ import annotations

from dataclasses import replace

from experiments.definitions.errors import Conflict
from experiments.definitions.lifecycle import DRAFT
from experiments.definitions.metric import Metric
from experiments.registry.defined import Defined
from experiments.registry.definitions import Definitions
from experiments.store.definitions import METRICS


class Metrics(Definitions[Metric]):
    """Once an experiment that uses a metric has started, only its name may change."""

    subject = "metric"
    shelf = METRICS

    def _check_revision(self, defined: Defined, before: Metric, after: Metric) -> None:
        if replace(after, name=before.name) == before:
            return
        users = _users(defined, before.key)
        started = [key for key in users if defined.experiments[key].status != DRAFT]
        if started:
            raise Conflict(
                "METRIC_IN_USE",
                f"{before.key!r} is measured by {', '.join(started)}, which has started: its"
                " reports would change their meaning; create another metric",
            )

    def _check_deletion(self, defined: Defined, record: Metric) -> None:
        users = _users(defined, record.key)
        if users:
            raise Conflict(
                "METRIC_IN_USE", f"{record.key!r} is named by {', '.join(users)}; take it out first"
            )


def _users(defined: Defined, metric: str) -> list[str]:
    return [
        key
        for key, standing in defined.experiments.items()
        if any(use.metric == metric for use in standing.experiment.metrics)
    ]
