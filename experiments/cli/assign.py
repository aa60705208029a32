"""`evenhand assign`: a file of units in, a file of assignments out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from experiments.assignment.bulk import assign_many
from experiments.assignment.conditions import attributes_of
from experiments.assignment.evaluate import ERROR, CompiledExperiment, compile_experiment
from experiments.cli.opened import environment_option, open_database
from experiments.cli.unit_files import UnitFile, output_file, unit_file
from experiments.definitions.errors import Conflict, Invalid
from experiments.definitions.lifecycle import DRAFT, Standing
from experiments.registry import Experiments

SCHEMA = pa.schema([("unit", pa.string()), ("variant", pa.string()), ("reason", pa.string())])


@click.command("assign")
@click.option("--experiment", "key", required=True, help="The key of the experiment.")
@click.option(
    "--input",
    "source",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The units: .csv with a header, or .parquet.",
)
@click.option("--unit", "column", required=True, help="The column that holds the unit ids.")
@click.option(
    "--output",
    "target",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the assignments go: .csv or .parquet.",
)
@environment_option
def assign(key: str, source: Path, column: str, target: Path, *, environment: str) -> None:
    """Say for every unit of a file which variant it gets, as the service would.

    Writes the columns unit, variant (empty where the unit is not in) and reason. A unit without
    an id gets the reason ERROR. Nothing is logged: an assignment is not an exposure.

    Where the experiment has an audience, the attributes that it looks at are read from the
    columns of the same names; for a.b that is the column a.b, or a with structs that hold b. In
    CSV an empty cell is missing, true and false are booleans, what is written as a number is a
    number, all else is text; Parquet keeps its types.

    \b
    Examples:
      evenhand assign --experiment checkout-button --input users.parquet --unit user_id \\
        --output assigned.parquet
      evenhand assign --experiment checkout-button --input users.csv --unit id \\
        --output assigned.csv --env staging
    """
    standing = _standing(environment, key)
    compiled = compile_experiment(standing)
    audience = standing.experiment.audience
    unit_type = standing.experiment.unit_type
    paths = [path for path in attributes_of(audience) if path != unit_type] if audience else []
    units = unit_file(source, column, paths)
    if target.resolve() == source.resolve():
        raise Invalid("OUTPUT_IS_INPUT", "--output names the input file; give it another name")
    bar: Any = click.progressbar(
        length=units.length(), label="Assigning", file=sys.stderr, hidden=not sys.stderr.isatty()
    )
    rows = nameless = 0
    with ExitStack() as stack:
        stack.enter_context(bar)
        write = stack.enter_context(output_file(target, SCHEMA))
        for batch in _assigned(compiled, units, bar):
            write(batch)
            rows += len(batch)
            nameless += pc.sum(pc.equal(batch["reason"], ERROR)).as_py() or 0
    click.echo(f"{rows} units written to {target}", err=True)
    if nameless:
        click.echo(f"{nameless} of them have no id in column {column!r}", err=True)


def _standing(environment: str, key: str) -> Standing:
    opened = open_database()
    try:
        standing = Experiments(opened.database, lambda: None).get(environment, key)
    finally:
        opened.database.dispose()
    if standing.status == DRAFT:
        raise Conflict(
            "EXPERIMENT_IS_DRAFT", f"{key!r} is a draft: nobody is assigned before it is started"
        )
    return standing


def _assigned(compiled: CompiledExperiment, units: UnitFile, bar: Any) -> Iterator[pa.RecordBatch]:
    unit_type, condition = compiled.experiment.unit_type, compiled.spec.condition
    for ids, attributes, way in units.batches():
        reached = None
        if condition is not None:
            named = zip(ids.to_pylist(), attributes, strict=True)
            reached = np.fromiter(
                (condition({**row, unit_type: unit}) for unit, row in named), bool, len(ids)
            )
        answers, index = assign_many(compiled, ids, reached)
        variants = pa.array([one.variant for one in answers], pa.string()).take(pa.array(index))
        reasons = pa.array([one.reason for one in answers], pa.string()).take(pa.array(index))
        missing = pc.equal(ids.fill_null(""), "")
        yield pa.RecordBatch.from_arrays(
            [
                ids,
                pc.if_else(missing, pa.scalar(None, pa.string()), variants),
                pc.if_else(missing, ERROR, reasons),
            ],
            schema=SCHEMA,
        )
        bar.update(way)
