"""Many definitions at once, all of them or none.

Each is checked against what will be defined when all are written, so that they may name each
other whatever their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from experiments.definitions.errors import Conflict, Invalid
from experiments.definitions.experiment import (
    Document,
    Experiment,
    experiment_from_document,
    experiment_to_document,
)
from experiments.definitions.json_values import same_json
from experiments.definitions.lifecycle import Standing
from experiments.registry.defined import Defined, read_defined
from experiments.registry.definitions import Definitions
from experiments.registry.experiments import Experiments
from experiments.registry.features import Features
from experiments.registry.layers import Layers
from experiments.registry.metrics import Metrics
from experiments.registry.revisions import stale
from experiments.registry.segments import Segments
from experiments.registry.writing import change
from experiments.store.database import Connection, Database
from experiments.store.definitions import Stored
from experiments.store.experiments import list_standings

PATIENCE = 30.0  # seconds that it may take to write a large file
Refused = Invalid | Conflict


@dataclass(frozen=True, slots=True)
class Wanted:
    """A definition as it shall be; its shape and its own rules are already checked.

    `subject` is segment, layer, metric, feature or experiment. What the document leaves out has
    its default; the traffic of an experiment that has started with a ramp stays where the ramp is.
    """

    subject: str
    document: Document

    @property
    def key(self) -> str:
        key: str = self.document["key"]
        return key


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one wanted definition.

    `before` is None where there is none yet. `status` and `revision` are the present ones, ""
    and 0 where there are none. `refusal` says why it cannot be.
    """

    wanted: Wanted
    before: Document | None
    after: Document
    status: str
    revision: int
    refusal: Refused | None = None

    @property
    def changes(self) -> bool:
        return self.before is None or not same_json(self.before, self.after)


class Changeset:
    """`on_change` runs after the commit, so that this process sees its own change at once."""

    def __init__(self, database: Database, on_change: Callable[[], None]) -> None:
        self._database = database
        self._on_change = on_change
        shelves: tuple[Definitions[Any], ...] = (
            Segments(database, on_change),
            Layers(database, on_change),
            Metrics(database, on_change),
            Features(database, on_change),
        )
        self._writers: dict[str, _Writer] = {one.subject: _Shelved(one) for one in shelves}
        self._writers["experiment"] = _Lived(Experiments(database, on_change))

    def present(self, environment: str) -> list[Outcome]:
        """All that is defined, as outcomes of wanting it as it is."""
        with self._database.read() as connection:
            return [
                _outcome(writer, Wanted(subject, writer.document(before)), before)
                for subject, writer in self._writers.items()
                for before in writer.present(connection, environment).values()
            ]

    def plan(self, environment: str, wanted: Sequence[Wanted]) -> list[Outcome]:
        """What would become of them, what others name before those that name it."""
        with self._database.read() as connection:
            there = self._read(connection, environment)
        return [step.outcome for step in self._steps(there, wanted)]

    def write(self, environment: str, shown: Sequence[Outcome], actor: str) -> None:
        """Make a plan so; `Stale` where it would not come to the same any more, or is refused."""
        with change(self._database, PATIENCE) as connection:
            there = self._read(connection, environment)
            steps = self._steps(there, [one.wanted for one in shown])
            if [step.outcome for step in steps] != list(shown):
                raise stale()
            for step in steps:
                if step.outcome.changes:
                    step.writer.write(connection, environment, step.before, step.record, actor)
        self._on_change()

    def _read(self, connection: Connection, environment: str) -> _There:
        return _There(
            read_defined(connection, environment),
            {
                subject: writer.present(connection, environment)
                for subject, writer in self._writers.items()
            },
        )

    def _steps(self, there: _There, wanted: Sequence[Wanted]) -> list[_Step]:
        steps = [
            _step(writer, one, there.present[subject].get(one.key))
            for subject, writer in self._writers.items()
            for one in wanted
            if one.subject == subject
        ]
        defined = there.defined
        for step in steps:
            defined = step.writer.include(defined, step.record)
        return [_checked(step, defined) for step in steps]


@dataclass(frozen=True, slots=True)
class _There:
    """What is defined; `present` by subject and key, as `Stored` or `Standing`."""

    defined: Defined
    present: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Step:
    writer: _Writer
    before: Any
    record: Any
    outcome: Outcome


def _step(writer: _Writer, wanted: Wanted, before: Any) -> _Step:
    record = writer.parse(wanted.document, before)
    outcome = _outcome(writer, wanted, before)
    return _Step(writer, before, record, replace(outcome, after=writer.to_document(record)))


def _checked(step: _Step, defined: Defined) -> _Step:
    if not step.outcome.changes:
        return step
    try:
        step.writer.check(defined, step.before, step.record)
    except (Invalid, Conflict) as error:
        return replace(step, outcome=replace(step.outcome, refusal=error))
    return step


def _outcome(writer: _Writer, wanted: Wanted, before: Any) -> Outcome:
    return Outcome(
        wanted,
        before=None if before is None else writer.document(before),
        after=wanted.document,
        status=getattr(before, "status", ""),
        revision=0 if before is None else before.revision,
    )


class _Writer(Protocol):
    """One kind of definition; `before` is a `Stored` or a `Standing`."""

    def present(self, connection: Connection, environment: str) -> Mapping[str, Any]: ...
    def document(self, before: Any) -> Document: ...
    def to_document(self, record: Any) -> Document: ...
    def parse(self, document: Document, before: Any) -> Any: ...
    def include(self, defined: Defined, record: Any) -> Defined: ...
    def check(self, defined: Defined, before: Any, record: Any) -> None: ...
    def write(
        self, connection: Connection, environment: str, before: Any, record: Any, actor: str
    ) -> None: ...


class _Shelved:
    def __init__(self, definitions: Definitions[Any]) -> None:
        self._definitions = definitions
        self.to_document = definitions.shelf.to_document
        self.check = definitions.check

    def present(self, connection: Connection, environment: str) -> Mapping[str, Any]:
        stored = self._definitions.shelf.all(connection, environment)
        return {one.record.key: one for one in stored}

    def document(self, before: Stored[Any]) -> Document:
        return self.to_document(before.record)

    def parse(self, document: Document, before: object) -> Any:  # noqa: ARG002 — as `_Writer`
        return self._definitions.shelf.from_document(document)

    def include(self, defined: Defined, record: Any) -> Defined:
        return defined.with_record(self._definitions.subject, record)

    def write(
        self, connection: Connection, environment: str, before: Any, record: Any, actor: str
    ) -> None:
        if before is None:
            self._definitions.add(connection, environment, record, actor)
        else:
            self._definitions.replace(connection, before, record, actor)


class _Lived:
    def __init__(self, experiments: Experiments) -> None:
        self._experiments = experiments
        self.to_document = experiment_to_document
        self.check = experiments.check

    def present(self, connection: Connection, environment: str) -> Mapping[str, Standing]:
        return {one.experiment.key: one for one in list_standings(connection, environment)}

    def document(self, before: Standing) -> Document:
        return experiment_to_document(before.experiment)

    def parse(self, document: Document, before: Standing | None) -> Experiment:
        """Once it has started the ramp says what the traffic is, unless the document does."""
        experiment = experiment_from_document(document)
        if experiment.schedule.ramp and "traffic" not in document and before and before.phase:
            return replace(experiment, traffic=before.experiment.traffic)
        return experiment

    def include(self, defined: Defined, record: Experiment) -> Defined:
        return defined.with_experiment(record)

    def write(
        self, connection: Connection, environment: str, before: Any, record: Experiment, actor: str
    ) -> None:
        if before is None:
            self._experiments.add(connection, environment, record, actor)
        else:
            self._experiments.replace(connection, before, record, actor)
