"""`evenhand assign`: a file of units in, a file of assignments out."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from experiments.assignment.bulk import assign_many
from experiments.assignment.evaluate import ERROR, Assignment
from experiments.assignment.picture import EnvironmentPicture, Live
from experiments.assignment.published import attributes_for
from experiments.assignment.sticky import StickyDocument
from experiments.assignment.visit import Visit
from experiments.cli.opened import environment_option, open_database
from experiments.cli.unit_files import Row, output_file, unit_file
from experiments.definitions.errors import Conflict, Invalid, NotFound
from experiments.definitions.lifecycle import DRAFT
from experiments.snapshot import read_picture
from experiments.sticky import kept_documents
from experiments.store.database import Database

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

    The attributes that decide, of the audience and of prerequisites, are read from the
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
    database = open_database().database
    with database.read() as connection:
        picture = read_picture(connection, environment)
    live = _started(picture, environment, key)
    unit_type = live.compiled.experiment.unit_type
    paths = attributes_for(picture.published, live.compiled.feature)
    units = unit_file(source, column, [path for path in paths if path != unit_type])
    if target.resolve() == source.resolve():
        raise Invalid("OUTPUT_IS_INPUT", "--output names the input file; give it another name")
    bar: Any = click.progressbar(
        length=units.length(), label="Assigning", file=sys.stderr, hidden=not sys.stderr.isatty()
    )
    rows = nameless = 0
    with ExitStack() as stack:
        stack.enter_context(bar)
        write = stack.enter_context(output_file(target, SCHEMA))
        stack.callback(database.dispose)
        many = _Many(environment, picture, live, database)
        for ids, attributes, way in units.batches():
            batch = many.assigned(ids, attributes)
            write(batch)
            bar.update(way)
            rows += len(batch)
            nameless += pc.sum(pc.equal(batch["reason"], ERROR)).as_py() or 0
    click.echo(f"{rows} units written to {target}", err=True)
    if nameless:
        click.echo(f"{nameless} of them have no id in column {column!r}", err=True)


def _started(picture: EnvironmentPicture, environment: str, key: str) -> Live:
    live = picture.experiments.get(key)
    if live is None:
        raise NotFound(
            "EXPERIMENT_NOT_FOUND",
            f"there is no experiment {key!r} in {environment!r}, or it is archived",
        )
    if live.standing.status == DRAFT:
        raise Conflict(
            "EXPERIMENT_IS_DRAFT", f"{key!r} is a draft: nobody is assigned before it is started"
        )
    return live


@dataclass(frozen=True, slots=True)
class _Many:
    """Batches of units through NumPy where the experiment alone decides, else one by one."""

    environment: str
    picture: EnvironmentPicture
    live: Live
    database: Database

    def assigned(self, ids: pa.Array, rows: Iterable[Row]) -> pa.RecordBatch:
        compiled = self.live.compiled
        testers = pa.array(list(compiled.testers), ids.type)
        if compiled.alone and not pc.any(pc.is_in(ids, testers)).as_py():
            answers, index = assign_many(compiled, ids, self._reached(ids, rows))
            places = pa.array(index)
            variants = pa.array([one.variant for one in answers], pa.string()).take(places)
            reasons = pa.array([one.reason for one in answers], pa.string()).take(places)
        else:
            one_by_one = self._one_by_one(ids.to_pylist(), rows)
            variants = pa.array([one.variant for one in one_by_one], pa.string())
            reasons = pa.array([one.reason for one in one_by_one], pa.string())
        missing = pc.equal(ids.fill_null(""), "")
        columns = [
            ids,
            pc.if_else(missing, pa.scalar(None, pa.string()), variants),
            pc.if_else(missing, ERROR, reasons),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)

    def _reached(self, ids: pa.Array, rows: Iterable[Row]) -> NDArray[np.bool_] | None:
        condition, unit_type = self.live.compiled.condition, self.live.compiled.experiment.unit_type
        if condition is None:
            return None
        named = zip(ids.to_pylist(), rows, strict=True)
        return np.fromiter(
            (condition({**row, unit_type: unit}) for unit, row in named), bool, len(ids)
        )

    def _one_by_one(self, ids: list[str | None], rows: Iterable[Row]) -> list[Assignment]:
        kept = self._kept(ids)
        unit_type = self.live.compiled.experiment.unit_type
        return [
            Visit(self.picture, {**row, unit_type: unit}, kept).assignment(self.live.compiled)
            for unit, row in zip(ids, rows, strict=True)
        ]

    def _kept(self, ids: list[str | None]) -> dict[str, StickyDocument] | None:
        """What sticks to these units; nothing is kept of what is assigned here."""
        if not self.picture.sticks:
            return None
        unit_type = self.live.compiled.experiment.unit_type
        units = [unit for unit in ids if unit]
        with self.database.read() as connection:
            documents = kept_documents(connection, self.environment, unit_type, units)
        return {document.key: document for document in documents}
