"""Experiments as they are created, revised and moved through their life."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from experiments.assignment.picture import EnvironmentPicture
from experiments.definitions.cloning import cloned
from experiments.definitions.errors import Conflict, Invalid, NotFound
from experiments.definitions.experiment import (
    Document,
    Experiment,
    experiment_from_document,
    experiment_to_document,
)
from experiments.definitions.holdout import kind_of
from experiments.definitions.layer import Slice, allocate
from experiments.definitions.lifecycle import (
    DRAFT,
    Standing,
    Terms,
    check_revision,
    move,
    ramp_to,
)
from experiments.definitions.time import Instant, now
from experiments.registry.defined import Defined, read_defined
from experiments.registry.pre_flight import Check, failures, pre_flight
from experiments.registry.references import check_experiment, check_release, check_unneeded
from experiments.registry.revisions import check_expected, stale
from experiments.registry.writing import change
from experiments.snapshot import read_picture
from experiments.store.audit import AuditEntry, append_audit, list_audit
from experiments.store.database import Connection, Database
from experiments.store.experiments import (
    delete_standing,
    find_standing,
    insert_standing,
    list_standings,
    standing_to_document,
    update_standing,
)
from experiments.store.notices import Notice, append_notice


class Experiments:
    """`on_change` runs after each commit, so that this process sees its own change at once."""

    def __init__(self, database: Database, on_change: Callable[[], None]) -> None:
        self._database = database
        self._on_change = on_change

    def create(self, environment: str, document: Document, actor: str) -> Standing:
        experiment = experiment_from_document(document)
        with change(self._database) as connection:
            self.check(read_defined(connection, environment), None, experiment)
            standing = self.add(connection, environment, experiment, actor)
        self._on_change()
        return standing

    def clone(
        self, environment: str, key: str, new_key: str, actor: str, name: str | None = None
    ) -> Standing:
        """A draft with the definition of `key` and a key, so a seed, of its own."""
        source = self.get(environment, key).experiment
        return self.create(environment, cloned(source, new_key, name), actor)

    def search(
        self,
        environment: str,
        *,
        status: str | None = None,
        kind: str | None = None,
        tag: str | None = None,
        text: str | None = None,
    ) -> list[Standing]:
        """The experiments of an environment that fit, the newest first; `text` ignores case."""
        with self._database.read() as connection:
            standings = list_standings(connection, environment)
        return [
            standing
            for standing in standings
            if status in {None, standing.status}
            and kind in {None, kind_of(standing.experiment)}
            and (tag is None or tag in standing.experiment.tags)
            and (text is None or text.lower() in _searched(standing))
        ]

    def get(self, environment: str, key: str) -> Standing:
        with self._database.read() as connection:
            return _found(find_standing(connection, environment, key), environment, key)

    def revise(
        self,
        environment: str,
        key: str,
        changes: Document,
        actor: str,
        expected_revision: int | None = None,
    ) -> Standing:
        """Change the fields named in `changes`; `plan` is merged, every other field replaced."""
        with change(self._database) as connection:
            before = _found(find_standing(connection, environment, key), environment, key)
            check_expected(before.revision, expected_revision)
            if changes.get("key", key) != key:
                raise Conflict("KEY_FIXED", "a key cannot change; create another experiment")
            document = experiment_to_document(before.experiment)
            merged = {**document, **changes}
            if "plan" in changes:
                merged["plan"] = {**document["plan"], **changes["plan"]}
            after = experiment_from_document(merged)
            self.check(read_defined(connection, environment), before, after)
            standing = self.replace(connection, before, after, actor)
        self._on_change()
        return standing

    def delete(
        self, environment: str, key: str, actor: str, expected_revision: int | None = None
    ) -> None:
        with change(self._database) as connection:
            standing = _found(find_standing(connection, environment, key), environment, key)
            check_expected(standing.revision, expected_revision)
            if standing.status != DRAFT:
                raise Conflict(
                    "NOT_A_DRAFT",
                    f"{key!r} is {standing.status}; only drafts are deleted, stop and archive it"
                    " instead",
                )
            check_release(read_defined(connection, environment), standing.experiment)
            delete_standing(connection, standing)
            append_audit(connection, _entry(standing, None, "delete", actor, now()))
        self._on_change()

    def move(
        self,
        environment: str,
        key: str,
        verb: str,
        actor: str,
        *,
        started_at: Instant | None = None,
        dry_run: bool = False,
        winner: str | None = None,
        holdback: float | None = None,
        weights: Mapping[str, float] | None = None,
        traffic: float | None = None,
        block_earlier: bool = False,
        expected_revision: int | None = None,
        notice: Notice | None = None,
    ) -> tuple[Standing, tuple[Check, ...]]:
        """Take one step of the lifecycle. A start returns its pre-flight checks.

        `started_at` may lie in the past, for data that were gathered elsewhere. `winner` is the
        variant that `ship` gives to everybody in the audience, but for the share `holdback`.
        `weights` by variant and `traffic` are those of a new randomisation; `block_earlier` lets
        no unit into it that a sticky experiment has assigned before. A `notice` is written with
        the move, both or neither.
        """
        at = now()
        checks: tuple[Check, ...] = ()
        with change(self._database) as connection:
            before = _found(find_standing(connection, environment, key), environment, key)
            check_expected(before.revision, expected_revision)
            if verb == "ship" and before.experiment.variant(winner or "") is None:
                known = ", ".join(variant.key for variant in before.experiment.variants)
                raise Invalid("VARIANT_UNKNOWN", f"ship one of the variants: {known}")
            if started_at is not None and started_at > at:
                raise Invalid(
                    "STARTED_AT_FUTURE", "started_at lies in the future; leave it out to start now"
                )
            if verb == "archive":
                check_unneeded(read_defined(connection, environment), before.experiment)
            terms = Terms(winner=winner, holdback=holdback, dry_run=dry_run)
            if verb == "rerandomise":
                anew = _anew(before.experiment, weights, traffic, block_earlier=block_earlier)
                terms = replace(terms, experiment=anew)
            defined = None
            if verb == "start":
                defined = read_defined(connection, environment)
                terms = replace(terms, slices=_slices(defined, before))
            standing = move(before, verb, at if started_at is None else started_at, terms)
            if defined is not None:
                checks = pre_flight(standing, defined)
                failed = failures(checks)
                if failed:
                    raise Conflict("PRE_FLIGHT_FAILED", failed[0].message, failed)
            self._update(connection, before, standing, verb, actor, at)
            if notice is not None:
                append_notice(connection, notice)
        self._on_change()
        return standing, checks

    def ramp(
        self,
        environment: str,
        key: str,
        step: int,
        actor: str,
        expected_revision: int | None = None,
        notice: Notice | None = None,
    ) -> Standing:
        """Raise the traffic to that of a step of the ramp, counted from 0.

        A `notice` is written with it, both or neither.
        """
        at = now()
        with change(self._database) as connection:
            before = _found(find_standing(connection, environment, key), environment, key)
            check_expected(before.revision, expected_revision)
            standing = ramp_to(before, step, at)
            self._update(connection, before, standing, "ramp", actor, at)
            if notice is not None:
                append_notice(connection, notice)
        self._on_change()
        return standing

    def as_started(self, environment: str, key: str) -> tuple[EnvironmentPicture, bool]:
        """What is live, with a draft as if it started now; and whether it is one.

        `Conflict` where the start would be refused for want of room in the layer.
        """
        with self._database.read() as connection:
            standing = _found(find_standing(connection, environment, key), environment, key)
            if standing.status != DRAFT:
                return read_picture(connection, environment), False
            terms = Terms(slices=_slices(read_defined(connection, environment), standing))
            return read_picture(
                connection, environment, instead=move(standing, "start", now(), terms)
            ), True

    def history(self, environment: str, key: str) -> list[AuditEntry]:
        with self._database.read() as connection:
            entries = list_audit(connection, environment, "experiment", key)
        if not entries:
            _found(None, environment, key)
        return entries

    def check(self, defined: Defined, before: Standing | None, after: Experiment) -> None:
        """Raise `Invalid` or `Conflict` where it cannot be; `defined` may hold it already."""
        if before is not None:
            check_revision(before, after)
        check_experiment(defined.with_experiment(after), after)
        if before is not None and after.feature != before.experiment.feature:
            check_release(defined.with_experiment(before.experiment), before.experiment)

    def add(
        self, connection: Connection, environment: str, experiment: Experiment, actor: str
    ) -> Standing:
        """Write a draft that is checked; `Conflict` KEY_TAKEN."""
        at = now()
        standing = Standing(environment, experiment, DRAFT, 1, at, at)
        if not insert_standing(connection, standing):
            raise Conflict(
                "KEY_TAKEN",
                f"there is an experiment {experiment.key!r} in {environment!r} already; choose"
                " another key",
            )
        append_audit(connection, _entry(None, standing, "create", actor, at))
        return standing

    def replace(
        self, connection: Connection, before: Standing, after: Experiment, actor: str
    ) -> Standing:
        """Write the next revision, which is checked."""
        at = now()
        standing = replace(before, experiment=after, revision=before.revision + 1, updated_at=at)
        self._update(connection, before, standing, "revise", actor, at)
        return standing

    def _update(
        self,
        connection: Connection,
        before: Standing,
        after: Standing,
        verb: str,
        actor: str,
        at: Instant,
    ) -> None:
        if not update_standing(connection, after):
            raise stale()
        append_audit(connection, _entry(before, after, verb, actor, at))


def _slices(defined: Defined, standing: Standing) -> tuple[Slice, ...]:
    """Slices of the layer that no other experiment holds, for one that is about to start."""
    use = standing.experiment.layer
    if use is None or standing.phase is not None:
        return ()
    taken = [
        one
        for other in defined.experiments.values()
        if other.experiment.layer is not None and other.experiment.layer.key == use.key
        for one in other.held_slices
    ]
    return allocate(use.key, use.size, taken)


def _anew(
    experiment: Experiment,
    weights: Mapping[str, float] | None,
    traffic: float | None,
    *,
    block_earlier: bool,
) -> Experiment:
    """The definition of the next phase; what was kept for units under the last one is void."""
    document = experiment_to_document(experiment)
    if weights is not None:
        unknown = weights.keys() - {variant.key for variant in experiment.variants}
        if unknown:
            known = ", ".join(variant.key for variant in experiment.variants)
            raise Invalid(
                "VARIANT_UNKNOWN", f"there is no variant {min(unknown)!r}; the variants: {known}"
            )
        for variant in document["variants"]:
            variant["weight"] = weights.get(variant["key"], 0.0)
    if traffic is not None:
        document["traffic"] = traffic
    if document["sticky"] is not None:
        document["sticky"]["bucket_version"] += 1
        if block_earlier:
            document["sticky"]["min_bucket_version"] = document["sticky"]["bucket_version"]
    elif block_earlier:
        raise Invalid(
            "NOT_STICKY",
            f"{experiment.key!r} is not sticky, so that nobody knows whom it has assigned; leave"
            " block_earlier out",
        )
    return experiment_from_document(document)


def _searched(standing: Standing) -> str:
    experiment = standing.experiment
    return f"{experiment.key}\n{experiment.name}\n{experiment.owner}".lower()


def _found(standing: Standing | None, environment: str, key: str) -> Standing:
    if standing is None:
        raise NotFound("EXPERIMENT_NOT_FOUND", f"there is no experiment {key!r} in {environment!r}")
    return standing


def _entry(
    before: Standing | None, after: Standing | None, verb: str, actor: str, at: Instant
) -> AuditEntry:
    standing = after or before
    assert standing is not None  # noqa: S101 — one of the two is always there
    return AuditEntry(
        environment=standing.environment,
        subject="experiment",
        key=standing.experiment.key,
        revision=standing.revision,
        verb=verb,
        actor=actor,
        at=at,
        before=None if before is None else standing_to_document(before),
        after=None if after is None else standing_to_document(after),
    )
