"""Holdouts: experiments whose treatment is every other experiment."""

from __future__ import annotations

from experiments.definitions.errors import NotFound
from experiments.definitions.experiment import Document
from experiments.definitions.holdout import HOLDOUT, experiment_changes, holdout_experiment
from experiments.definitions.lifecycle import Standing
from experiments.registry.experiments import Experiments
from experiments.store.audit import AuditEntry


class Holdouts:
    """They start, stop and report as the experiments that they are."""

    def __init__(self, experiments: Experiments) -> None:
        self._experiments = experiments

    def create(self, environment: str, document: Document, actor: str) -> Standing:
        return self._experiments.create(environment, holdout_experiment(document), actor)

    def all(self, environment: str) -> list[Standing]:
        return self._experiments.search(environment, kind=HOLDOUT)

    def get(self, environment: str, key: str) -> Standing:
        try:
            standing = self._experiments.get(environment, key)
        except NotFound:
            raise _unknown(environment, key) from None
        if standing.experiment.holdout is None:
            raise _unknown(environment, key)
        return standing

    def revise(
        self,
        environment: str,
        key: str,
        changes: Document,
        actor: str,
        expected_revision: int | None = None,
    ) -> Standing:
        self.get(environment, key)
        return self._experiments.revise(
            environment, key, experiment_changes(changes), actor, expected_revision
        )

    def delete(
        self, environment: str, key: str, actor: str, expected_revision: int | None = None
    ) -> None:
        self.get(environment, key)
        self._experiments.delete(environment, key, actor, expected_revision)

    def history(self, environment: str, key: str) -> list[AuditEntry]:
        """Every change of it, the newest first."""
        self.get(environment, key)
        return self._experiments.history(environment, key)


def _unknown(environment: str, key: str) -> NotFound:
    return NotFound("HOLDOUT_NOT_FOUND", f"there is no holdout {key!r} in {environment!r}")
