"""What must hold of a feature, its rules and those that fill it, and what of it may change."""

from __future__ import annotations

from experiments.definitions.errors import Conflict
from experiments.definitions.feature import Feature
from experiments.registry.defined import Defined, is_live
from experiments.registry.definitions import Definitions
from experiments.registry.references import check_feature, features_needing
from experiments.store.definitions import FEATURES


class Features(Definitions[Feature]):
    """Default and rules may change at any time; the type not once an experiment delivers it."""

    subject = "feature"
    shelf = FEATURES

    def _check(self, defined: Defined, record: Feature) -> None:
        check_feature(defined.with_record("feature", record), record)

    def _check_revision(self, defined: Defined, before: Feature, after: Feature) -> None:
        started = _started(defined, before.key)
        if started and before.type != after.type:
            raise Conflict(
                "FEATURE_IN_USE",
                f"{before.key!r} is filled by {', '.join(started)}, which has started: apps rely on"
                f" its type, {before.type}; create another feature",
            )

    def _check_deletion(self, defined: Defined, record: Feature) -> None:
        started = _started(defined, record.key)
        if started:
            raise Conflict(
                "FEATURE_IN_USE",
                f"{record.key!r} is filled by {', '.join(started)}, which has started; archive it"
                " first",
            )
        needing = features_needing(defined, record.key)
        if needing:
            raise Conflict(
                "FEATURE_IN_USE",
                f"{record.key!r} is a prerequisite of {', '.join(needing)}; take it out first",
            )


def _started(defined: Defined, feature: str) -> list[str]:
    return [one.experiment.key for one in defined.fillers(feature) if is_live(one)]
