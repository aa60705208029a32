"""What may change of a layer that experiments share."""

from __future__ import annotations

from experiments.definitions.errors import Conflict
from experiments.definitions.layer import Layer
from experiments.registry.defined import Defined
from experiments.registry.definitions import Definitions
from experiments.store.definitions import LAYERS


class Layers(Definitions[Layer]):
    """Once an experiment or a holdout names a layer, only its name may change."""

    subject = "layer"
    shelf = LAYERS

    def _check_revision(self, defined: Defined, before: Layer, after: Layer) -> None:
        users = _users(defined, before.key)
        if users and after.unit_type != before.unit_type:
            raise Conflict(
                "LAYER_IN_USE",
                f"{before.key!r} is named by {', '.join(users)}, which share its units of type"
                f" {before.unit_type!r}; create another layer",
            )

    def _check_deletion(self, defined: Defined, record: Layer) -> None:
        users = _users(defined, record.key)
        if users:
            raise Conflict(
                "LAYER_IN_USE", f"{record.key!r} is named by {', '.join(users)}; take it out first"
            )


def _users(defined: Defined, layer: str) -> list[str]:
    found = []
    for key, standing in defined.experiments.items():
        use, holdout = standing.experiment.layer, standing.experiment.holdout
        if layer in {use and use.key, holdout and holdout.layer}:
            found.append(key)
    return found
