"""The experiment that an import goes into: found, or made with its metrics."""

from __future__ import annotations

import click

from experiments.cli.importing.units import Mapping, Survey
from experiments.cli.opened import actor
from experiments.definitions.errors import Conflict, Invalid, NotFound
from experiments.definitions.lifecycle import DRAFT, RUNNING, Standing
from experiments.registry import Experiments, Metrics
from experiments.store.database import Database


def ready_experiment(
    database: Database,
    environment: str,
    mapping: Mapping,
    seen: Survey,
    *,
    unit_type: str | None,
    control: str | None,
) -> Standing:
    """The experiment, begun, so that exposures count. `control` None: nothing is made.

    Raises `NotFound` EXPERIMENT_NOT_FOUND, `Conflict` NOT_RUNNING, `Invalid` UNIT_TYPE_MISMATCH,
    CONTROL_UNKNOWN, and what the registry raises.
    """
    # Other processes poll the version that each change advances; here nobody needs telling.
    experiments = Experiments(database, lambda: None)
    try:
        standing = experiments.get(environment, mapping.experiment)
    except NotFound:
        if control is None:
            raise NotFound(
                "EXPERIMENT_NOT_FOUND",
                f"there is no experiment {mapping.experiment!r} in {environment!r}; add --create"
                " --control VARIANT to make it from this file, or create and start it first",
            ) from None
        _make_metrics(Metrics(database, lambda: None), environment, mapping, seen)
        standing = _create(experiments, environment, mapping, seen, unit_type or "id", control)
    if standing.status == DRAFT and control is not None:
        standing, _ = experiments.move(
            environment, mapping.experiment, "start", actor(), started_at=seen.earliest
        )
    _check(standing, mapping, unit_type)
    return standing


def _create(
    experiments: Experiments,
    environment: str,
    mapping: Mapping,
    seen: Survey,
    unit_type: str,
    control: str,
) -> Standing:
    if control not in seen.variants:
        found = ", ".join(sorted(seen.variants)) or "none"
        raise Invalid(
            "CONTROL_UNKNOWN",
            f"column {mapping.variant!r} never holds {control!r}; --control names one of the"
            f" variants found there: {found}",
        )
    keys = [control, *sorted(seen.variants.keys() - {control})]
    document = {
        "key": mapping.experiment,
        "unit_type": unit_type,
        "assignment": "external",
        "variants": [
            {"key": key, "weight": 1 / len(keys), "control": key == control} for key in keys
        ],
        "metrics": [{"metric": one.event, "role": "goal"} for one in mapping.outcomes],
    }
    standing = experiments.create(environment, document, actor())
    arms = ", ".join(f"{key} ({seen.variants[key]:,} rows)" for key in keys)
    click.echo(f"Created {mapping.experiment}: {arms}; the control is {control}.", err=True)
    return standing


def _make_metrics(metrics: Metrics, environment: str, mapping: Mapping, seen: Survey) -> None:
    """A conversion for each boolean column, a sum for each numeric one."""
    for one in mapping.outcomes:
        try:
            stored = metrics.get(environment, one.event)
        except NotFound:
            kind = "sum" if one.column in seen.numeric else "conversion"
            document = {"key": one.event, "kind": kind, "event": one.event}
            metrics.create(environment, document, actor())
        else:
            if stored.record.event != one.event:
                raise Conflict(
                    "METRIC_DIFFERS",
                    f"the metric {one.event!r} exists and measures the event"
                    f" {stored.record.event!r}; name the event differently, with --outcome"
                    f" EVENT={one.column}",
                )


def _check(standing: Standing, mapping: Mapping, unit_type: str | None) -> None:
    experiment = standing.experiment
    if unit_type not in {None, experiment.unit_type}:
        raise Invalid(
            "UNIT_TYPE_MISMATCH",
            f"{experiment.key!r} randomises ids of type {experiment.unit_type!r}; leave"
            " --unit-type out",
        )
    if standing.status == DRAFT:
        raise Conflict(
            "NOT_RUNNING",
            f"{experiment.key!r} is a draft and nothing would count; start it first: evenhand"
            f" experiment start {experiment.key}",
        )
    if standing.status != RUNNING and mapping.exposed_at is None:
        raise Conflict(
            "NOT_RUNNING",
            f"{experiment.key!r} is {standing.status}: units that met it now would not count; name"
            " the column with the time of the exposure with --exposed-at",
        )


def warn_of_what_does_not_count(
    database: Database, standing: Standing, mapping: Mapping, seen: Survey
) -> None:
    """Say on standard error what will be stored and shown nowhere."""
    metrics = Metrics(database, lambda: None)
    measured = {
        event
        for use in standing.experiment.metrics
        for event in metrics.get(standing.environment, use.metric).record.events
    }
    for one in mapping.outcomes:
        if one.event not in measured:
            click.echo(
                f"Note: no metric of {mapping.experiment} measures the event {one.event!r};"
                " its outcomes are stored and not reported.",
                err=True,
            )
    phase = standing.phase
    if phase is not None and seen.earliest is not None and seen.earliest < phase.started_at:
        click.echo(
            f"Note: {mapping.experiment} started after the earliest exposure of this file; the"
            " exposures before its start are stored and not counted.",
            err=True,
        )
